"""`Rollout`: completions of a batch of prompts, with everything that scoring and training need."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor


@dataclass
class Rollout:
    """B completions of up to T tokens each, after prompts padded on the left to P tokens.

    What is there and what is trained on are two masks: a tool's result or a user's next turn in the
    middle of a completion is read by the model, but no word of it is the model's own.

    prompts: B prompts, as they were given.
    token_ids (B, P + T): left-padded prompt, then completion, padded on the right.
    attention_mask (B, P + T): 1.0 on real tokens of prompt and completion.
    prompt_length: P.
    completion_mask (B, T): 1.0 on completion tokens, own or forced, the end token included; the ones
        of a row begin in column 0 and have no gap.
    logp (B, T): log-probability (nats) of each own token under the model; 0 elsewhere.
    sampler_logp (B, T): the same under the distribution that it was drawn from, after temperature,
        top-k and top-p.
    texts: the B completions as text, without special tokens.
    finished (B,): whether the completion ended by itself, and not by the length limit.
    loss_mask (B, T): 1.0 on tokens that the policy itself wrote; by default, on all that are there.
    tokenizer: whose ids these are, so that a model with another one knows that it must read the texts.
    """

    prompts: list
    token_ids: Tensor
    attention_mask: Tensor
    prompt_length: int
    completion_mask: Tensor
    logp: Tensor
    sampler_logp: Tensor
    texts: list[str]
    finished: Tensor
    loss_mask: Tensor = None  # type: ignore[assignment]  # __post_init__ puts the default there
    tokenizer: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.loss_mask is None:
            self.loss_mask = self.completion_mask
        if self.loss_mask.shape != self.completion_mask.shape:
            raise ValueError(
                "loss_mask and completion_mask must have one shape; got "
                f"{tuple(self.loss_mask.shape)} and {tuple(self.completion_mask.shape)}"
            )

    @property
    def completion_ids(self) -> Tensor:
        """(B, T) ids of the completion tokens."""
        return self.token_ids[:, self.prompt_length :]

    @property
    def lengths(self) -> Tensor:
        """(B,) number of completion tokens, own and forced, the end token included."""
        return self.completion_mask.sum(1)

    @property
    def batch_size(self) -> int:
        """B."""
        return len(self.texts)

    def select(self, index: Tensor) -> Rollout:
        """The rows `index` (n,) as a rollout of their own, without columns that are all padding."""
        index = index.to(self.token_ids.device)
        rows = index.tolist()
        longest = max(1, int(end_of(self.completion_mask[index]).max()))
        first = int(self.attention_mask[index, : self.prompt_length].any(0).int().argmax())
        columns = slice(first, self.prompt_length + longest)
        return Rollout(
            prompts=[self.prompts[i] for i in rows],
            token_ids=self.token_ids[index, columns],
            attention_mask=self.attention_mask[index, columns],
            prompt_length=self.prompt_length - first,
            completion_mask=self.completion_mask[index, :longest],
            logp=self.logp[index, :longest],
            sampler_logp=self.sampler_logp[index, :longest],
            texts=[self.texts[i] for i in rows],
            finished=self.finished[index],
            loss_mask=self.loss_mask[index, :longest],
            tokenizer=self.tokenizer,
        )

    def to(self, device: torch.device | str) -> Rollout:
        """The same rollout with its tensors on `device`."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {
            k: v.to(device) if isinstance(v, Tensor) else v for k, v in values.items()
        }
        return Rollout(**moved)


def end_of(mask: Tensor) -> Tensor:
    """Index (B,) after the last 1 in each row of mask (B, T), whatever gaps there are; 0 for none."""
    places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return (places * (mask > 0)).amax(1)


def last_token(mask: Tensor) -> Tensor:
    """Index (B,) of the last 1 in each row of mask (B, T): the position of a reward, or of a score.

    With a `loss_mask` it is the last token that the policy itself wrote, with a `completion_mask` the
    last that is there. (A sum of the mask is no position: forced tokens may lie in between.)

    Raises:
        ValueError: a row without any.
    """
    if not bool((mask > 0).any(1).all()):
        raise ValueError("mask has a row without a completion token")
    return end_of(mask) - 1
