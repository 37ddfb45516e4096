"""Descend any loss with a table of probabilities, and measure it exactly on the way."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .training import TabularPolicy
from .world import ExactWorld


def descend(
    exact: ExactWorld,
    loss: Callable[[TabularPolicy], Tensor],
    steps: int = 240,
    learning_rate: float = 0.05,
    beta: float = 0.5,
    measure_every: int = 8,
) -> list[dict[str, float]]:
    """Rows of `ExactWorld.measure` at this beta, with their step, of a table that starts as the reference.

    loss: table -> the loss of one step, a scalar; it draws its own samples. The optimizer is Adam.

    Raises:
        ValueError: steps or measure_every below 1.
    """
    if not (steps >= 1 and measure_every >= 1):
        raise ValueError(
            f"steps and measure_every must be 1 or more; got {steps} and {measure_every}"
        )
    table, rows = TabularPolicy(exact.ref_logp), []
    optimizer = torch.optim.Adam(table.parameters(), learning_rate)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss(table).backward()
        optimizer.step()
        if step % measure_every == 0:
            rows.append({"step": step, **exact.measure(table.table(), beta)})
    return rows
