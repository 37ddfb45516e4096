"""Learning-rate schedules, as factors of the peak."""

from __future__ import annotations

import math

import torch


def cosine(step: int, steps: int, warmup: int, floor: float = 0.05) -> float:
    """Linear warm-up over `warmup` steps, then a cosine down to `floor`."""
    rise = min(1.0, (step + 1) / max(1, warmup))
    return rise * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / max(1, steps))))


def linear(step: int, steps: int, warmup: int, floor: float = 0.05) -> float:
    """Linear warm-up over `warmup` steps, then a straight line down to `floor`."""
    return min(1.0, (step + 1) / max(1, warmup)) * (1 - (1 - floor) * step / max(1, steps))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate
