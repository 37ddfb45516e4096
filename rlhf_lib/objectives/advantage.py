"""From rewards to advantages: how much better an answer or a token was than expected.

Book: `c/06-policy-gradients`. Shapes: N prompts, G completions of each (one row a prompt, so reshape
prompt-major rewards (B,) with `.view(-1, G)`), B sequences, T tokens. Entries where a mask is 0, the
padding on the right or a tool's output in between, may hold anything: they are stepped over.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import has_dimensions, mask_covers_rows, one_of, same_shape, within
from ._masked import blank, masked_mean, widened

EPSILON = 1e-4
"""Added to standard deviations, as TRL does."""


def rloo_advantages(rewards: Tensor) -> Tensor:
    """Reward minus the mean of the *other* completions of the same prompt, (N, G) -> (N, G).

    Leaving the completion itself out keeps its baseline independent of it, hence the gradient unbiased.
    Equal to G / (G - 1) times (reward - group mean). Source: Ahmadian et al. (2024). Equation: [ADV-1].

    Raises:
        ValueError: not (N, G) with G of 2 or more.
    """
    _check_groups(rewards)
    size = rewards.shape[1]
    others = (rewards.sum(1, keepdim=True) - rewards) / (size - 1)
    return _zero_if_equal(rewards - others, rewards)


def group_advantages(rewards: Tensor, scale: str = "group") -> Tensor:
    """Reward minus the group's mean, (N, G) -> (N, G), divided by a standard deviation or by nothing.

    scale: 'group': by the standard deviation within each group (GRPO); 'batch': by that of all
        rewards; 'none': not at all (Dr. GRPO). As in TRL, the variance is the unbiased one (sum of
        squares / (G - 1)) and 1e-4 is added to the standard deviation; the papers leave both open.
    A group whose rewards are all equal gets exact zeros: no answer in it was better than another.
    Source: Shao et al. (2024), section 4.1; Liu et al. (2025). Equation: [ADV-2].

    Raises:
        ValueError: not (N, G) with G of 2 or more, or an unknown scale.
    """
    one_of("scale", scale, ("group", "batch", "none"))
    _check_groups(rewards)
    centred = _zero_if_equal(rewards - rewards.mean(1, keepdim=True), rewards)
    if scale == "none":
        return centred
    spread = rewards.std(1, keepdim=True) if scale == "group" else rewards.std()
    return centred / (spread + EPSILON)


def reward_to_go(rewards: Tensor, mask: Tensor, gamma: float = 1.0) -> Tensor:
    """Discounted sum of the rewards from each token on, (B, T) -> (B, T); 0 where mask is 0.

    G_t = r_t + gamma * G_{t+1}, and 0 after the last completion token. mask (B, T) is 1.0 on
    completion tokens; t + 1 is the next of *them*. Equation: [ADV-3].

    Raises:
        ValueError: shapes, an empty row of the mask, gamma outside [0, 1].
    """
    _check_tokens(rewards, mask, gamma)
    real, r = mask > 0, widened(rewards)
    total = torch.zeros_like(r[:, 0])
    columns = []
    for t in reversed(range(r.shape[1])):
        total = torch.where(real[:, t], r[:, t] + gamma * total, total)
        columns.append(total)
    return blank(torch.stack(columns[::-1], dim=1), mask).to(rewards.dtype)


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimation: (advantages (B, T), returns (B, T)), both 0 where mask is 0.

    delta_t = r_t + gamma * V_{t+1} - V_t;  A_t = delta_t + gamma * lam * A_{t+1};  return = A + V.
    t + 1 is the next token under the mask. The value after the last one is 0, also where the length
    limit cut the completion: the episode ends there, as in TRL. lam = 0 gives the one-step residual
    (low variance, biased by V), lam = 1 the reward-to-go minus V. Returned advantages are not
    whitened. Source: Schulman et al. (2016), equations 11-16. Equation: [ADV-4].

    Raises:
        ValueError: shapes, an empty row of the mask, gamma or lam outside [0, 1].
    """
    _check_tokens(rewards, mask, gamma)
    same_shape(rewards=rewards, values=values)
    within("lam", lam, 0, 1)
    real, r, v = mask > 0, widened(rewards), blank(widened(values), mask)
    advantage = next_value = torch.zeros_like(r[:, 0])
    columns = []
    for t in reversed(range(r.shape[1])):
        delta = r[:, t] + gamma * next_value - v[:, t]
        advantage = torch.where(real[:, t], delta + gamma * lam * advantage, advantage)
        next_value = torch.where(real[:, t], v[:, t], next_value)
        columns.append(advantage)
    advantages = blank(torch.stack(columns[::-1], dim=1), mask)
    return advantages.to(rewards.dtype), (advantages + v).to(values.dtype)


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """Shift and scale x (B, T) to mean 0 and variance 1 over the masked entries; 0 elsewhere.

    (x - mean) / sqrt(variance + 1e-8). Only tokens under the mask enter the statistics (padding
    would pull the mean to 0). The variance is the unbiased one. Equation: [ADV-5].

    Raises:
        ValueError: shapes, or fewer than 2 entries under the mask.
    """
    has_dimensions("x", x, "(B, T)")
    same_shape(x=x, mask=mask)
    count = widened(mask).sum()
    if not bool(count >= 2):
        raise ValueError("mask must cover at least 2 entries to have a variance")
    wide = blank(widened(x), mask)
    centred = blank(wide - masked_mean(wide, mask), mask)
    variance = centred.square().sum() / (count - 1)
    return (centred * torch.rsqrt(variance + 1e-8)).to(x.dtype)


def _zero_if_equal(advantages: Tensor, rewards: Tensor) -> Tensor:
    """0 for groups of equal rewards, where the rounding of their mean would leave some 1e-7."""
    return advantages.masked_fill((rewards == rewards[:, :1]).all(1, keepdim=True), 0.0)


def _check_groups(rewards: Tensor) -> None:
    has_dimensions("rewards", rewards, "(N, G)")
    if rewards.shape[1] < 2:
        raise ValueError(
            f"rewards must hold at least 2 completions a prompt, (N, G >= 2); got G = 1 in "
            f"{tuple(rewards.shape)}"
        )


def _check_tokens(rewards: Tensor, mask: Tensor, gamma: float) -> None:
    has_dimensions("rewards", rewards, "(B, T)")
    same_shape(rewards=rewards, mask=mask)
    mask_covers_rows(mask)
    within("gamma", gamma, 0, 1)
