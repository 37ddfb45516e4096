"""Learned rewards: a language model's trunk with a linear head, and the kinds of reward model it makes.

Book: `c/05-reward-models`. Shapes: B sequences, T completion tokens, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..lm import Policy, Rollout
from ..lm.decoder import SCORE
from ..lm.folders import add_weight, read_json, read_weight, replacing, write_json
from ..lm.ragged import completion_states
from ..lm.rollout import last_token

HEAD = "head.safetensors"
"""The file of a head, beside its trunk's."""

CLASSIFIER = "ForSequenceClassification"


def has_head(folder: Path | None) -> bool:
    """Whether the folder holds a head of ours."""
    return folder is not None and (folder / HEAD).exists()


class Head(nn.Linear):
    """A linear head. That of a `RewardModel` has two buffers besides, which standardise its rewards."""

    shift: Tensor
    scale: Tensor


class TokenScorer(nn.Module):
    """A copy of a policy's trunk and a linear head with `outputs` numbers for each token.

    The trunk calculates as policies do (`runtime.autocast`), the head in float32: rewards that differ by
    less than 16 bits can tell are not made equal. `backbone` is the policy whose trunk it is, with the
    tokenizer that this model reads.
    """

    outputs = 1

    def __init__(self, policy: Policy, seed: int = 0) -> None:
        super().__init__()
        self.backbone = policy.copy()
        self.trunk = self.backbone.model  # registered once: its parameters are this module's
        size = self.trunk.config.hidden_size
        self.head = Head(size, self.outputs)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.head.weight, std=size**-0.5, generator=generator)
        nn.init.zeros_(self.head.bias)
        self.head.to(policy.device)
        self._compared: tuple[object, bool] = (policy.tokenizer, True)
        self.eval()

    def _apply(self, fn, recurse: bool = True):
        """Move or cast; `backbone` makes its tensors where the trunk is from then on."""
        super()._apply(fn, recurse)
        self.backbone.device = self.head.weight.device
        return self

    @classmethod
    def from_policy(cls, policy: Policy, seed: int = 0):
        """A model that starts from `policy`'s weights and a random head."""
        return cls(policy, seed)

    def hidden(self, rollout: Rollout) -> Tensor:
        """Last hidden state at each completion token, (B, T, H).

        Raises:
            ValueError: the tokens are not this model's.
        """
        return self._states(rollout)

    def _states(self, rollout: Rollout, before: bool = False) -> Tensor:
        if not self.reads(rollout):
            raise ValueError(
                "the rollout's tokens are of another tokenizer or chat template than this model's: "
                "encode its texts anew, with model.encode(rollout.prompts, rollout.texts)"
            )
        return completion_states(self.trunk, rollout, before)

    def reads(self, rollout: Rollout) -> bool:
        """Whether the rollout's token ids mean to this model what they meant to who wrote them."""
        theirs, ours = rollout.tokenizer, self.backbone.tokenizer
        if theirs is None:
            return True
        if theirs is not self._compared[0]:
            same = theirs.chat_template == ours.chat_template
            self._compared = (theirs, same and theirs.get_vocab() == ours.get_vocab())
        return self._compared[1]

    def token_scores(self, rollout: Rollout) -> Tensor:
        """Head outputs at each completion token, (B, T) for one output, else (B, T, outputs)."""
        scores = self._head(self.hidden(rollout))
        return scores.squeeze(-1) if self.outputs == 1 else scores

    def _head(self, states: Tensor) -> Tensor:
        return self.head(states.to(self.head.weight.dtype)).float()

    def encode(
        self, prompts: Sequence, texts: Sequence[str], finished: bool | Sequence[bool] = True
    ) -> Rollout:
        """Texts as a rollout that this model can score; `finished` as in `Policy.encode_completions`."""
        return self.backbone.encode_completions(prompts, texts, finished)

    def save(self, folder: str | Path) -> None:
        """Trunk and tokenizer in the transformers layout, and head.safetensors beside them."""
        from safetensors.torch import save_file

        head = {name: weight.detach().cpu() for name, weight in self.head.state_dict().items()}
        with replacing(folder) as part:
            self.backbone.write(part, Path(folder))
            save_file(head, part / HEAD)
            self._write_for_others(part)

    def _write_for_others(self, part: Path) -> None:
        """Whatever other tools need to read the head; most kinds of head have no form there."""

    @classmethod
    def load(cls, name: str):
        """Load what `save` wrote, by folder or by its name in data/models.

        Raises:
            FileNotFoundError: no such checkpoint, or one without a head.
        """
        from safetensors.torch import load_file

        from ..lm.loading import find_checkpoint, load_policy

        folder = find_checkpoint(name)
        if folder is None or not has_head(folder):
            raise FileNotFoundError(f"{name!r} is no reward model: it has no {HEAD}")
        model = cls(load_policy(name))
        model.head.load_state_dict(load_file(folder / HEAD))
        return model


class RewardModel(TokenScorer):
    """One number for a whole completion: the head at its last real token, whatever the padding.

    `reward_model(rollout)` -> (B,). What another tokenizer wrote is read as text, with this model's own
    tokenizer and template. Bradley-Terry training fixes rewards up to a constant; `shift` and
    `scale` (set by `standardize`) bring them to mean 0 and deviation 1 on answers of the start policy,
    so that a KL coefficient means the same for every reward model.
    """

    def __init__(self, policy: Policy, seed: int = 0) -> None:
        super().__init__(policy, seed)
        for name, value in (("shift", 0.0), ("scale", 1.0)):
            self.head.register_buffer(name, torch.tensor(value, device=policy.device))

    @classmethod
    def load(cls, name: str):
        """Load what `save` wrote, or a sequence classifier with one output (most Hub reward models).

        name: a folder, a name in data/models, or a Hub id.

        Raises:
            FileNotFoundError: a checkpoint without a head.
            ValueError: a head with several outputs.
        """
        from ..lm.loading import find_checkpoint, load_policy

        if has_head(find_checkpoint(name)):
            return super().load(name)
        policy = load_policy(name)
        score = None if policy.source is None else read_weight(Path(policy.source), SCORE)
        if score is None:
            raise FileNotFoundError(f"{name!r} is no reward model: it has no head")
        if len(score) != 1:
            raise ValueError(f"{name!r} gives {len(score)} numbers for an answer; a reward is one")
        model = cls(policy)
        with torch.no_grad():
            model.head.weight.copy_(score)
            model.head.bias.zero_()
        return model

    def _write_for_others(self, part: Path) -> None:
        """The head as a sequence classifier of transformers has it, for `AutoModelForSequenceClassification`.

        Its rewards are these up to a constant, which Bradley-Terry models do not fix.
        """
        weight = (self.head.weight / self.head.scale).detach().cpu()
        add_weight(part, SCORE, weight.to(next(self.trunk.parameters()).dtype))
        config = read_json(part / "config.json")
        kinds = [kind.replace("ForCausalLM", CLASSIFIER) for kind in config["architectures"]]
        config |= {"architectures": kinds, "num_labels": 1, "id2label": {"0": "LABEL_0"}}
        write_json(part / "config.json", {**config, "label2id": {"LABEL_0": 0}})

    def features(self, rollout: Rollout) -> Tensor:
        """Hidden state at the last completion token, (B, H): what the head sees."""
        rollout = self._readable(rollout)
        hidden = self.hidden(rollout)
        last = last_token(rollout.completion_mask)
        return hidden[torch.arange(len(hidden), device=hidden.device), last]

    def _readable(self, rollout: Rollout) -> Rollout:
        """The rollout in this model's own tokens, on its device."""
        if self.reads(rollout):
            return rollout.to(self.backbone.device)
        if not torch.equal(rollout.loss_mask > 0, rollout.completion_mask > 0):
            raise ValueError(
                "the rollout has tokens in between that were put in, and they are of another tokenizer "
                "than this reward model's: score its turns as texts"
            )
        return self.encode(rollout.prompts, rollout.texts, rollout.finished.tolist())

    def forward(self, rollout: Rollout) -> Tensor:
        """Rewards (B,) in float32."""
        raw = self._head(self.features(rollout)).squeeze(-1)
        return (raw - self.head.shift) / self.head.scale

    @torch.no_grad()
    def score_texts(self, prompts: Sequence, texts: Sequence[str], batch_size: int = 256) -> Tensor:
        """Rewards (B,) of answers given as texts."""
        return torch.cat([self(part) for part in self._encoded(prompts, texts, batch_size)])

    @torch.no_grad()
    def features_of_texts(self, prompts: Sequence, texts: Sequence[str]) -> Tensor:
        """What the head sees of answers given as texts, (B, H) in float32."""
        parts = [self.features(part) for part in self._encoded(prompts, texts)]
        return torch.cat(parts).float()

    def _encoded(self, prompts: Sequence, texts: Sequence[str], size: int = 256):
        """Rollouts of up to `size` answers."""
        for start in range(0, len(texts), size):
            yield self.encode(prompts[start : start + size], texts[start : start + size])

    def standardize(self, rewards: Tensor) -> None:
        """Make these rewards, as scored now, have mean 0 and standard deviation 1 from now on."""
        self.head.shift += rewards.mean() * self.head.scale
        self.head.scale *= rewards.std()


class OutcomeModel(TokenScorer):
    """An outcome reward model: at each completion token, the logit that the final answer is right."""


class ProcessModel(TokenScorer):
    """A process reward model: at the end of each step, logits of bad, neutral and good."""

    outputs = 3


class ValueModel(TokenScorer):
    """A value function: at each token, the reward still to be expected *before* that token is drawn."""

    def token_scores(self, rollout: Rollout) -> Tensor:
        """Values (B, T): the state before completion token t ends with token t - 1."""
        values = self._head(self._states(rollout, before=True))
        return values.squeeze(-1) * rollout.completion_mask
