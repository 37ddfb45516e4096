"""Online direct alignment: draw two answers, have them compared, take a step of a direct loss; again.

With an annotator as judge it is online DPO (Guo et al., 2024); with a reward model that the annotator keeps
up to date it is D2PO (Singhal et al., 2024). Book: `c/08-direct-alignment`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..lm import EncodedAnswer, Policy, Rollout, encode_answers
from ..lm.modes import without_dropout
from ..objectives import bradley_terry_loss
from ..rewards import RewardModel
from ..rewards.protocol import Reward, score
from ..world import Annotator, Preference, label_pairs
from .alarms import look, warn_of_learning_rate
from .checkpoint import Checkpoint, digest, of_reference
from .checks import check_settings
from .direct import DirectSettings, DirectTrainer, Encode, NoStrangers
from .guards import optimizer_step
from .history import History
from .loop import run_training
from .reward_model import score_pairs
from .sft import epochs_of_batches

Judge = Callable[[list, list[str], list[str]], list[Preference]]


@dataclass
class OnlineDirectSettings(DirectSettings):
    """Settings of `train_online_direct`: those of `DirectSettings`, of which `epochs` and `batch_size` are
    for the comparisons of one round, and the learning rate does not decay.

    Raises:
        ValueError: a number out of range, or an unknown loss.
    """

    rounds: int = 40
    """Times of: draw, judge, update."""
    prompts_per_round: int = 32
    """Prompts in a round, each answered twice."""
    temperature: float = 1.0
    max_new_tokens: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(
            self, positive=("rounds", "prompts_per_round", "temperature", "max_new_tokens")
        )
        if self.loss == "kto" and self.prompts_per_round < 2:
            raise ValueError(
                "loss 'kto' measures its reference point on answers to other prompts: "
                f"prompts_per_round must be 2 or more; got {self.prompts_per_round}"
            )


def train_online_direct(
    policy: Policy,
    prompts: Sequence,
    judge: Judge,
    settings: OnlineDirectSettings | None = None,
    reference: Policy | None = None,
    gold: Reward | None = None,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
) -> History:
    """Train `policy` in place on comparisons of its own answers, made as it goes, without dropout.

    judge: (prompts, first answers, second answers) -> comparisons, such as `annotator_judge(annotator)`
    or a `RefreshedJudge`. checkpoint: a folder; the same call on it goes on where a killed run was (see
    `training.checkpoint`; of a judge with a state it keeps what the judge's `parts()` gives). The
    history has a row a round: the metrics of `DirectTrainer.step` at its first update, where kl is now
    an estimate of KL(policy || reference); gold (mean over all answers), length, and pairs
    (comparisons that were no ties). A round with nothing to learn from has no update.

    Raises:
        ValueError: no prompts; a checkpoint of another run.
    """
    settings = settings or OnlineDirectSettings()
    if len(prompts) == 0:
        raise ValueError("prompts must hold at least one prompt")
    trainer, rng = DirectTrainer(policy, settings, reference), random.Random(settings.seed)
    history = History()
    parts: dict[str, Any] = {**trainer.parts(), "updates": trainer.history, "generator": rng}
    if hasattr(judge, "parts"):
        parts["judge"] = judge
    fixed, facts = of_reference(trainer.reference, reference)
    facts["prompts"] = lambda: digest((prompt,) for prompt in prompts)
    kept = Checkpoint(checkpoint, checkpoint_every, settings, history, parts, fixed, facts)

    def do_round(number: int) -> dict[str, float]:
        rollout, pairs = draw_and_judge(policy, prompts, judge, settings, rng)
        row = {"pairs": float(len(pairs)), "length": rollout.lengths.mean().item()}
        if gold is not None:
            row["gold"] = score(gold, rollout, "gold").mean().item()
        try:
            row |= update_on(trainer, rollout, pairs, number) if pairs else {}
        except NoStrangers as error:
            history.warn(f"a round had no update: {error}")
        history.log(number, **row)
        look(history, settings.max_grad_norm)
        return row

    warn_of_learning_rate(history, policy.model, settings.learning_rate)
    label = f"online {settings.loss}"
    run_training(label, settings.rounds, do_round, history, kept, ("gold", "margin", "kl"))
    policy.model.eval()
    return history


def draw_and_judge(
    policy: Policy,
    prompts: Sequence,
    judge: Judge,
    settings: OnlineDirectSettings,
    rng: random.Random,
) -> tuple[Rollout, list[Preference]]:
    """(rollout with two answers to each prompt, comparisons that are no ties) of one round."""
    asked = rng.sample(list(prompts), min(settings.prompts_per_round, len(prompts)))
    limits = (settings.max_new_tokens, settings.temperature)
    rollout = policy.sample(asked, 2, *limits, seed=rng.randrange(2**31))
    judged = judge(asked, rollout.texts[0::2], rollout.texts[1::2])
    return rollout, [pair for pair in judged if not pair.tie and pair.chosen != pair.rejected]


def update_on(
    trainer: DirectTrainer, rollout: Rollout, pairs: list[Preference], number: int
) -> dict[str, float]:
    """The updates of one round; returns the metrics of the first."""
    settings, rows = trainer.settings, []
    drawn = list(zip(rollout.prompts, rollout.texts, strict=True))
    data = trainer.prepare(pairs, drawn_answers(trainer.policy, rollout), drawn)
    factor = min(1.0, (number + 1) / max(1, settings.warmup_steps))
    for batch in epochs_of_batches(len(pairs), settings):
        rows.append(trainer.step(data, batch, factor * settings.learning_rate))
    first = {name: value for name, value in rows[0].items() if name != "step"}
    if "kl" in first:  # the answers are the policy's own, so the sign turns
        first["kl"] = -first["kl"]
    return first | {"seconds": rows[-1]["seconds"]}


def drawn_answers(policy: Policy, rollout: Rollout) -> Encode:
    """An `encode_answers` that gives the tokens which were drawn.

    Tokenised anew, a text may fall into other tokens, and an answer that the length limit cut would get
    an end that the policy did not draw.
    """
    tokens = {}
    for row, (prompt, text) in enumerate(zip(rollout.prompts, rollout.texts, strict=True)):
        ids = rollout.token_ids[row][rollout.attention_mask[row] > 0].tolist()
        tokens[id(prompt), text] = EncodedAnswer(ids, len(ids) - int(rollout.lengths[row]))

    def encode(prompts: list, texts: list[str]) -> list[EncodedAnswer]:
        return [
            tokens.get((id(p), t)) or encode_answers(policy, [p], [t])[0]
            for p, t in zip(prompts, texts, strict=True)
        ]

    return encode


class AnnotatorJudge:
    """A judge that asks an annotator about each pair."""

    def __init__(self, annotator: Annotator, seed: int = 0) -> None:
        self.annotator, self.rng = annotator, random.Random(seed)

    def __call__(self, prompts: list, first: list[str], second: list[str]) -> list[Preference]:
        """One comparison a pair."""
        return label_pairs(prompts, first, second, self.annotator, seed=self.rng.randrange(2**31))

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"generator": self.rng}


def annotator_judge(annotator: Annotator, seed: int = 0) -> Judge:
    """A judge that asks `annotator` about each pair: online DPO."""
    return AnnotatorJudge(annotator, seed)


class RefreshedJudge:
    """A reward model as judge that learns from a few of the annotator's labels in each round: D2PO.

    Of each round's pairs the first `labels_per_round` go to the annotator; the reward model takes a step
    on them and then judges all pairs. `labels` counts what the annotator was asked, `pairs_judged` what
    the policy was trained on.

    Raises:
        ValueError: labels_per_round or weight_decay negative, or learning_rate not positive.
    """

    def __init__(
        self,
        reward_model: RewardModel,
        annotator: Annotator,
        labels_per_round: int = 8,
        learning_rate: float = 3e-4,
        seed: int = 0,
        weight_decay: float = 0.01,
    ) -> None:
        if labels_per_round < 0:
            raise ValueError(f"labels_per_round must be 0 or more; got {labels_per_round}")
        if not learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {learning_rate}")
        if not weight_decay >= 0:
            raise ValueError(f"weight_decay must be 0 or more; got {weight_decay}")
        self.reward_model, self.labels_per_round = reward_model, labels_per_round
        self.ask = AnnotatorJudge(annotator, seed)
        self.optimizer = torch.optim.AdamW(
            reward_model.parameters(), learning_rate, weight_decay=weight_decay
        )
        self.counts = {"labels": 0, "pairs_judged": 0}

    def __call__(self, prompts: list, first: list[str], second: list[str]) -> list[Preference]:
        """Learn from some pairs, judge all."""
        few = slice(0, self.labels_per_round)
        asked = [p for p in self.ask(prompts[few], first[few], second[few]) if not p.tie]
        if asked:
            self.counts["labels"] += len(asked)
            with without_dropout(self.reward_model):
                loss = bradley_terry_loss(*score_pairs(self.reward_model, asked))
                optimizer_step(loss, self.optimizer, 1.0, "the reward model")
        self.counts["pairs_judged"] += len(prompts)
        return reward_judge(self.reward_model)(prompts, first, second)

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "model": self.reward_model, "optimizer": self.optimizer, "annotator": self.ask,
            "counts": self.counts,
        }  # fmt: skip

    @property
    def labels(self) -> int:
        """Pairs that the annotator was asked about and that were no ties."""
        return self.counts["labels"]

    @property
    def pairs_judged(self) -> int:
        """Pairs that the reward model judged."""
        return self.counts["pairs_judged"]


def reward_judge(reward_model: RewardModel) -> Judge:
    """A judge that prefers the answer with the higher reward; equal rewards are a tie.

    The same text twice is always one, whatever rounding two differently padded batches bring.
    """

    def judge(prompts: list, first: list[str], second: list[str]) -> list[Preference]:
        gaps = reward_model.score_texts(prompts, first) - reward_model.score_texts(prompts, second)
        return [
            Preference(p, a if gap > 0 else b, b if gap > 0 else a, tie=a == b or gap == 0)
            for p, a, b, gap in zip(prompts, first, second, gaps.tolist(), strict=True)
        ]

    return judge
