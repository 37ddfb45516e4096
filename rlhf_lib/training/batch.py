"""A scored rollout and what is made of its rewards: penalties, advantages, rows and micro-batches.

Shapes: B completions of up to T tokens, G to each prompt, prompt by prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..lm import Rollout, last_token
from ..objectives import gae, group_advantages, rloo_advantages, whiten
from .settings import OnlineSettings


@dataclass
class Batch:
    """A scored rollout, ready for updates. Tensors (B,) or (B, T).

    rewards (B,): as the reward gave them, before penalties. fresh: whether the policy, as it stands at the
    first update, is the old policy; old_logp is then its own log-probability, and the ratio exactly 1.
    """

    rollout: Rollout
    rewards: Tensor
    old_logp: Tensor
    ref_logp: Tensor
    advantages: Tensor
    old_values: Tensor | None = None
    returns: Tensor | None = None
    fresh: bool = False

    def select(self, rows: Tensor) -> Batch:
        """These rows, with the columns of `Rollout.select`."""
        rollout = self.rollout.select(rows)
        width = rollout.completion_mask.shape[1]

        def part(x: Tensor) -> Tensor:
            return x[rows] if x.ndim == 1 else x[rows, :width]

        scored = (self.rewards, self.old_logp, self.ref_logp, self.advantages)
        rewards, old_logp, ref_logp, advantages = (part(x) for x in scored)
        old_values, returns = (
            None if x is None else part(x) for x in (self.old_values, self.returns)
        )
        return Batch(
            rollout, rewards, old_logp, ref_logp, advantages, old_values, returns, self.fresh
        )

    def micro_batches(self, size: int | None) -> Iterator[Batch]:
        """The rows in order, at most `size` at a time; the batch itself for None."""
        if size is None or size >= self.rollout.batch_size:
            yield self
            return
        for rows in torch.arange(self.rollout.batch_size).split(size):
            yield self.select(rows)

    @property
    def tokens(self) -> float:
        """Tokens that are trained on."""
        return float(self.rollout.loss_mask.sum())


def in_rows(score: Callable[[Rollout], Tensor], rollout: Rollout, size: int | None) -> Tensor:
    """`score(rollout)` (B, T), from at most `size` rows at a time."""
    if size is None or size >= rollout.batch_size:
        return score(rollout)
    found = torch.zeros_like(rollout.loss_mask)
    for rows in torch.arange(rollout.batch_size).split(size):
        part = score(rollout.select(rows))
        found[rows, : part.shape[1]] = part
    return found


def share(part: Batch, whole: Batch, aggregate: str) -> float:
    """The weight of a micro-batch's mean in the mean of its batch: by tokens, or by completions."""
    if aggregate == "token":
        return part.tokens / whole.tokens
    return part.rollout.batch_size / whole.rollout.batch_size


def merged(rows: Sequence[dict[str, float]], weights: Sequence[float]) -> dict[str, float]:
    """Metrics of several updates or micro-batches as one: means by weight, extremes of the ratio."""
    total = sum(weights)
    mean = {
        name: sum(w * row[name] for w, row in zip(weights, rows, strict=True)) / total
        for name in rows[0]
    }
    mean["ratio_min"] = min(row["ratio_min"] for row in rows)
    mean["ratio_max"] = max(row["ratio_max"] for row in rows)
    return mean


def penalties(rollout: Rollout, settings: OnlineSettings) -> Tensor:
    """What is taken off the rewards (B,) for answers too long or without an end."""
    late = settings.overlong_penalty * overlong(rollout, settings.max_new_tokens)
    return late + settings.missing_end_penalty * (~rollout.finished).float()


def overlong(rollout: Rollout, max_new_tokens: int) -> Tensor:
    """0 up to three quarters of the length limit, then linearly to 1 at the limit, (B,).

    Tokens that the policy did not write itself do not count.
    """
    buffer = max_new_tokens / 4
    written = rollout.loss_mask.sum(1)
    return ((written - (max_new_tokens - buffer)) / buffer).clamp(0, 1)


def response_advantages(rewards: Tensor, settings: OnlineSettings) -> Tensor:
    """Advantages (B,) of whole completions from rewards (B,), prompt-major groups of G."""
    advantages = _against_baseline(rewards, settings)
    if settings.whiten_advantages:
        advantages = whiten(advantages[:, None], torch.ones_like(advantages)[:, None])[:, 0]
    return advantages


def _against_baseline(rewards: Tensor, settings: OnlineSettings) -> Tensor:
    if settings.advantage == "none":
        return rewards
    if settings.advantage == "batch":
        return rewards - rewards.mean()
    groups = rewards.view(-1, settings.samples_per_prompt)
    if settings.advantage == "rloo":
        return rloo_advantages(groups).flatten()
    scale = "group" if settings.advantage == "group" else "none"
    return group_advantages(groups, scale=scale).flatten()


def token_advantages(
    rewards: Tensor, token_penalty: Tensor, values: Tensor, mask: Tensor, settings: OnlineSettings
) -> tuple[Tensor, Tensor]:
    """(advantages, returns) (B, T) by GAE: the reward at the last own token, a penalty at each."""
    placed = at_last_token(rewards, mask) - token_penalty
    advantages, returns = gae(placed, values, mask, settings.gamma, settings.lam)
    return whiten(advantages, mask) if settings.whiten_advantages else advantages, returns


def at_last_token(rewards: Tensor, mask: Tensor) -> Tensor:
    """(B,) rewards placed on the last completion token of each row: (B, T)."""
    placed = torch.zeros_like(mask)
    placed[torch.arange(len(mask), device=mask.device), last_token(mask)] = rewards
    return placed


def without_spread(rewards: Tensor, samples_per_prompt: int) -> Tensor:
    """Whether all rewards (B,) of a prompt's answers are equal but for rounding, (B / G,) bool."""
    groups = rewards.view(-1, samples_per_prompt)
    spread = groups.amax(1) - groups.amin(1)
    return spread <= 1e-6 * groups.abs().amax(1).clamp(min=1)


def kept_rows(batch: Batch, settings: OnlineSettings) -> Tensor:
    """Numbers of the rows that enter the loss, on the CPU: whole groups and whole answers."""
    keep = batch.rollout.loss_mask.sum(1) > 0
    if settings.drop_zero_variance_groups:
        group = settings.samples_per_prompt
        keep &= ~without_spread(batch.rewards, group).repeat_interleave(group)
    if settings.drop_truncated:
        keep &= batch.rollout.finished
    return keep.cpu().nonzero()[:, 0]
