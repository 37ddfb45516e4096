"""Bradley-Terry on frozen features: a linear reward model that is refitted in milliseconds."""

from __future__ import annotations

import torch
from torch import Tensor


def fit_linear_bradley_terry(
    chosen: Tensor, rejected: Tensor, l2: float = 1.0, steps: int = 12
) -> Tensor:
    """Weights (H,) that maximise the Bradley-Terry likelihood of `chosen` over `rejected` (n, H).

    Newton's method on sum log sigmoid((chosen - rejected) w) - l2 / 2 |w|^2, which is concave.
    There is no bias: it would cancel in every comparison. Equation: [RM-1].

    Raises:
        ValueError: shapes differ, no pairs, or l2 not positive.
    """
    if chosen.shape != rejected.shape or chosen.ndim != 2 or len(chosen) == 0:
        raise ValueError(
            f"chosen and rejected must both have shape (n, H), n >= 1; got {tuple(chosen.shape)} and "
            f"{tuple(rejected.shape)}"
        )
    if not l2 > 0:
        raise ValueError(f"l2 must be positive; got {l2}")
    gaps = (chosen - rejected).double()
    weights = gaps.new_zeros(gaps.shape[1])
    identity = torch.eye(gaps.shape[1], dtype=gaps.dtype, device=gaps.device)
    for _ in range(steps):
        wrong = torch.sigmoid(-gaps @ weights)  # P(the rejected one wins)
        gradient = gaps.T @ wrong - l2 * weights
        curvature = (gaps * (wrong * (1 - wrong))[:, None]).T @ gaps + l2 * identity
        weights = weights + torch.linalg.solve(curvature, gradient)
    return weights.to(chosen.dtype)
