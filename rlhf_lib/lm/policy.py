"""`Policy`: a language model with its tokenizer, seen as something that answers prompts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..runtime import get_device
from .ragged import completion_states
from .rollout import Rollout
from .sampling import sample


class Policy:
    """model, tokenizer and device under one name.

    A prompt is a `world.Prompt` (anything with `.messages`), a string (one user turn), or a list of
    messages {"role": ..., "content": ...}.
    """

    def __init__(self, model, tokenizer, name: str = "policy", device=None) -> None:
        self.device = torch.device(device) if device is not None else get_device()
        self.model = model.to(self.device)
        self.tokenizer = tokenizer
        self.name = name
        self.pad_token = tokenizer.pad_token_id
        self.end_token = tokenizer.eos_token_id
        self._prompt_ids: dict[tuple, list[int]] = {}

    def prompt_ids(self, prompt) -> list[int]:
        """The token ids of one prompt in the chat template, ready for the assistant's turn."""
        messages = as_messages(prompt)
        key = tuple((m["role"], m["content"]) for m in messages)
        if key not in self._prompt_ids:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
            self._prompt_ids[key] = self.tokenizer.encode(text, add_special_tokens=False)
        return self._prompt_ids[key]

    def encode(self, prompts: Sequence) -> tuple[Tensor, Tensor]:
        """Left-padded token ids (B, P) and attention mask (B, P).

        Raises:
            ValueError: no prompts.
        """
        if len(prompts) == 0:
            raise ValueError("prompts must hold at least one prompt")
        rows = [self.prompt_ids(prompt) for prompt in prompts]
        width = max(map(len, rows))
        ids = [[self.pad_token] * (width - len(row)) + row for row in rows]
        mask = [[0.0] * (width - len(row)) + [1.0] * len(row) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def sample(
        self,
        prompts: Sequence,
        samples_per_prompt: int = 1,
        max_new_tokens: int = 48,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> Rollout:
        """Draw answers; arguments as in `sampling.sample`. Rows i*G .. i*G+G-1 answer prompt i."""
        token_ids, attention_mask = self.encode(prompts)
        drawn = sample(
            self.model,
            token_ids,
            attention_mask,
            samples_per_prompt=samples_per_prompt,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            end_token=self.end_token,
            pad_token=self.pad_token,
            seed=seed,
        )
        repeat = samples_per_prompt
        ends = (drawn.completion_ids == self.end_token) & drawn.completion_mask.bool()
        return Rollout(
            prompts=[prompt for prompt in prompts for _ in range(repeat)],
            token_ids=torch.cat((token_ids.repeat_interleave(repeat, 0), drawn.completion_ids), 1),
            attention_mask=torch.cat(
                (attention_mask.repeat_interleave(repeat, 0), drawn.completion_mask), 1
            ),
            prompt_length=token_ids.shape[1],
            completion_mask=drawn.completion_mask,
            logp=drawn.logp,
            sampler_logp=drawn.sampler_logp,
            texts=self.decode(drawn.completion_ids),
            finished=ends.any(1),
            tokenizer=self.tokenizer,
        )

    def decode(self, token_ids: Tensor) -> list[str]:
        """Rows of token ids (B, T) -> texts, without special tokens."""
        return self.tokenizer.batch_decode(token_ids.tolist(), skip_special_tokens=True)

    def encode_completions(
        self, prompts: Sequence, texts: Sequence[str], finished: bool = True
    ) -> Rollout:
        """Given answers as a `Rollout` (log-probabilities are left 0): for SFT, reward models, DPO.

        finished: whether the end token follows each text.

        Raises:
            ValueError: `prompts` and `texts` differ in length.
        """
        if len(prompts) != len(texts):
            raise ValueError(f"prompts and texts differ in length: {len(prompts)}, {len(texts)}")
        token_ids, attention_mask = self.encode(prompts)
        end = [self.end_token] if finished else []
        rows = [
            row + end for row in self.tokenizer(list(texts), add_special_tokens=False).input_ids
        ]
        width = max(1, *map(len, rows)) if len(rows) > 1 else max(1, len(rows[0]))
        ids = [row + [self.pad_token] * (width - len(row)) for row in rows]
        mask = [[1.0] * len(row) + [0.0] * (width - len(row)) for row in rows]
        completion_mask = torch.tensor(mask, device=self.device)
        return Rollout(
            prompts=list(prompts),
            token_ids=torch.cat((token_ids, torch.tensor(ids, device=self.device)), 1),
            attention_mask=torch.cat((attention_mask, completion_mask), 1),
            prompt_length=token_ids.shape[1],
            completion_mask=completion_mask,
            logp=torch.zeros_like(completion_mask),
            sampler_logp=torch.zeros_like(completion_mask),
            texts=list(texts),
            finished=torch.full((len(rows),), finished, device=self.device),
            tokenizer=self.tokenizer,
        )

    def completion_logits(self, rollout: Rollout) -> Tensor:
        """Logits (B, T, V) from which each completion token is predicted; at padding they mean nothing."""
        return self.model.logits(completion_states(self.model, rollout, before=True))

    def logprobs(
        self, rollout: Rollout, temperature: float = 1.0, with_entropy: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Log-probabilities (B, T) of the policy's own tokens (`loss_mask`), differentiable; else 0.

        with_entropy: also return the entropy (B, T) of the distribution each was drawn from, in nats.
        """
        real = rollout.loss_mask > 0  # the LM head sees these tokens alone
        states = completion_states(self.model, rollout, before=True)[real]
        logits = self.model.logits(states).float()
        logp_all = (logits if temperature == 1 else logits / temperature).log_softmax(-1)
        chosen = logp_all.gather(-1, rollout.completion_ids[real][:, None]).squeeze(-1)
        empty = torch.zeros(real.shape, device=real.device)
        logp = empty.masked_scatter(real, chosen)
        if not with_entropy:
            return logp
        entropy = -(logp_all.detach().exp() * logp_all.detach()).sum(-1)
        return logp, empty.masked_scatter(real, entropy)

    def copy(self, frozen: bool = False) -> Policy:
        """A policy with weights of its own; `frozen` ones get no gradient (a reference policy)."""
        model = copy.deepcopy(self.model).requires_grad_(not frozen)
        return Policy(model, self.tokenizer, self.name, self.device)

    def save(self, folder: str | Path) -> None:
        """Write weights, config and tokenizer in the transformers layout."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def __repr__(self) -> str:
        parameters = sum(p.numel() for p in self.model.parameters())
        return f"Policy({self.name!r}, {parameters / 1e6:.2f}M parameters, {self.device})"


def as_messages(prompt) -> list[dict[str, str]]:
    """Any kind of prompt as a list of messages.

    Raises:
        ValueError: not a prompt.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    messages = getattr(prompt, "messages", prompt)
    if not isinstance(messages, list | tuple) or not all("content" in m for m in messages):
        raise ValueError(
            f"a prompt is a text, messages, or has .messages; got {type(prompt).__name__}"
        )
    return list(messages)
