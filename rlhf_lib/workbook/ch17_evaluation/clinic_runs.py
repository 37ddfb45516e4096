"""What stands behind the curves of chapter 17's clinic: evaluations that go on, item by item."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...training import History

ITEMS = (10, 20, 40, 80, 120, 160)
REPEATS = 300


def leaning_judge(lean: float = 0.6) -> Callable[[Tensor, Tensor], Tensor]:
    """A judge that likes what it reads first: sigmoid of the gap in quality plus its lean."""
    return lambda first, second: torch.sigmoid(first - second + lean)


def run_judging(implementation: Callable) -> History:
    """A model against a copy of itself, over more and more requests: its measured win rate."""
    history, dice = History(), torch.Generator().manual_seed(0)
    for items in ITEMS:
        ours, theirs = torch.randn(2, items, generator=dice, dtype=torch.float64)
        rate = float(implementation(leaning_judge(), ours, theirs))
        history.log(items, win_rate=rate)
    return history


def run_comparing(implementation: Callable) -> History:
    """Two models that truly differ by 0.2 on requests that are hard for both: in how many of 300 evaluations the
    difference is found, and how wide the interval is."""
    history, dice = History(), torch.Generator().manual_seed(1)
    for items in ITEMS:
        hard = torch.randn(REPEATS, items, generator=dice, dtype=torch.float64)
        own = 0.5 * torch.randn(2, REPEATS, items, generator=dice, dtype=torch.float64)
        first, second = hard + own[0] + 0.2, hard + own[1]
        errors = torch.tensor([implementation(a, b) for a, b in zip(first, second, strict=True)])
        found = (first - second).mean(1) > 1.96 * errors
        history.log(
            items, found=float(found.double().mean()), width=float(2 * 1.96 * errors.mean())
        )
    return history
