"""Seeded inputs for the checks: ragged masks, several shapes."""

from __future__ import annotations

import torch
from torch import Tensor


def generator(seed: int) -> torch.Generator:
    """A generator of its own, so that checks never touch the learner's random state."""
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def ragged_mask(lengths: list[int], width: int) -> Tensor:
    """(B, T) with the first `length` entries of each row 1.0."""
    return (torch.arange(width) < torch.tensor(lengths)[:, None]).double()


def logp_pair(batch: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two sets of log-probabilities (B, T), some way apart."""
    first = -normal(batch, width, seed=seed).abs() - 0.1
    return first, first + 0.4 * normal(batch, width, seed=seed + 1)
