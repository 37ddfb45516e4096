"""Fits of few numbers, to the end: what linear reward models are made with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def minimised(
    loss: Callable[[Tensor], Tensor], size: int, l2: float = 1.0, iterations: int = 80
) -> Tensor:
    """Weights (size,) that minimise loss(weights) + l2 / 2 |weights|^2, from 0, by L-BFGS."""
    weights = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=iterations, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = loss(weights) + l2 / 2 * weights.square().sum()
        total.backward()
        return total

    optimizer.step(closure)
    return weights.detach()
