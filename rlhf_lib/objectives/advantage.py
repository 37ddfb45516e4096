"""From rewards to advantages: how much better an answer or a token was than expected.

Book: `c/06-policy-gradients`. Shapes: N prompts, G completions of each, B sequences, T tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import has_dimensions, mask_covers_rows, one_of, same_shape, within

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
    return rewards - others


def group_advantages(rewards: Tensor, scale: str = "group") -> Tensor:
    """Reward minus the group's mean, (N, G) -> (N, G), divided by a standard deviation or by nothing.

    scale: 'group': by the standard deviation within each group (GRPO); 'batch': by that of all
        rewards; 'none': not at all (Dr. GRPO). The unbiased (G - 1) variance is taken, as in TRL.
    A group whose rewards are all equal gets zeros. Source: Shao et al. (2024); Liu et al. (2025).
    Equation: [ADV-2].

    Raises:
        ValueError: not (N, G) with G of 2 or more, or an unknown scale.
    """
    one_of("scale", scale, ("group", "batch", "none"))
    _check_groups(rewards)
    centred = rewards - rewards.mean(1, keepdim=True)
    if scale == "none":
        return centred
    spread = rewards.std(1, keepdim=True) if scale == "group" else rewards.std()
    return centred / (spread + EPSILON)


def reward_to_go(rewards: Tensor, mask: Tensor, gamma: float = 1.0) -> Tensor:
    """Discounted sum of the rewards from each token on, (B, T) -> (B, T); 0 on padding.

    G_t = r_t + gamma * G_{t+1}. mask (B, T) is 1.0 on completion tokens. Equation: [ADV-3].

    Raises:
        ValueError: shapes, an empty row of the mask, gamma outside [0, 1].
    """
    _check_tokens(rewards, mask, gamma)
    total = torch.zeros_like(rewards[:, 0])
    columns = []
    for t in reversed(range(rewards.shape[1])):
        total = (rewards[:, t] + gamma * total) * mask[:, t]
        columns.append(total)
    return torch.stack(columns[::-1], dim=1)


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimation: (advantages (B, T), returns (B, T)), both 0 on padding.

    delta_t = r_t + gamma * V_{t+1} - V_t;  A_t = delta_t + gamma * lam * A_{t+1};  return = A + V.
    The value after the last completion token is 0: the episode ends there. lam = 0 gives the
    one-step residual (low variance, biased by V), lam = 1 the reward-to-go minus V.
    Source: Schulman et al. (2016). Equation: [ADV-4].

    Raises:
        ValueError: shapes, an empty row of the mask, gamma or lam outside [0, 1].
    """
    _check_tokens(rewards, mask, gamma)
    same_shape(rewards=rewards, values=values)
    within("lam", lam, 0, 1)
    values = values * mask
    advantage = next_value = torch.zeros_like(rewards[:, 0])
    columns = []
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = (delta + gamma * lam * advantage) * mask[:, t]
        next_value = values[:, t]
        columns.append(advantage)
    advantages = torch.stack(columns[::-1], dim=1)
    return advantages, advantages + values


def whiten(x: Tensor, mask: Tensor) -> Tensor:
    """Shift and scale x (B, T) to mean 0 and variance 1 over the masked entries; 0 elsewhere.

    Only tokens under the mask enter the statistics (padding would pull the mean to 0). The variance
    is the unbiased one. Equation: [ADV-5].

    Raises:
        ValueError: shapes, or fewer than 2 entries under the mask.
    """
    has_dimensions("x", x, "(B, T)")
    same_shape(x=x, mask=mask)
    count = mask.sum()
    if not bool(count >= 2):
        raise ValueError("mask must cover at least 2 entries to have a variance")
    mean = (x * mask).sum() / count
    variance = ((x - mean).square() * mask).sum() / (count - 1)
    return (x - mean) * torch.rsqrt(variance + 1e-8) * mask


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
