"""`Rollout`: completions of a batch of prompts, with everything that scoring and training need."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class Rollout:
    """B completions of up to T tokens each, after prompts padded on the left to P tokens.

    prompts: B prompts, as they were given.
    token_ids (B, P + T): left-padded prompt, then completion, padded on the right.
    attention_mask (B, P + T): 1.0 on real tokens of prompt and completion.
    prompt_length: P.
    completion_mask (B, T): 1.0 on completion tokens, the end token included.
    logp (B, T): log-probability (nats) of each completion token under the model; 0 on padding.
    sampler_logp (B, T): the same under the distribution that it was drawn from, after temperature,
        top-k and top-p.
    texts: the B completions as text, without special tokens.
    finished (B,): whether the completion ended by itself, and not by the length limit.
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

    @property
    def completion_ids(self) -> Tensor:
        """(B, T) ids of the completion tokens."""
        return self.token_ids[:, self.prompt_length :]

    @property
    def lengths(self) -> Tensor:
        """(B,) number of completion tokens, the end token included."""
        return self.completion_mask.sum(1)

    @property
    def batch_size(self) -> int:
        """B."""
        return len(self.texts)

    def select(self, index: Tensor) -> Rollout:
        """The rows `index` (n,) as a rollout of their own, without columns that are all padding."""
        index = index.to(self.token_ids.device)
        rows = index.tolist()
        longest = max(1, int(self.lengths[index].max()))
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
        )

    def to(self, device: torch.device | str) -> Rollout:
        """The same rollout with its tensors on `device`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in values.items()}
        return Rollout(**moved)
