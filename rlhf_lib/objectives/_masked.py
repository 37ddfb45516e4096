"""Arithmetic under a mask, shared by the objectives."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(x: Tensor) -> Tensor:
    """16-bit floats as float32, others as they are.

    Sums over tokens need it: bfloat16 counts 1,001 tokens as 1,000, and float16 ends at 65,504.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def blank(x: Tensor, mask: Tensor) -> Tensor:
    """x with 0 where mask is 0, whatever stands there: 0 * inf and 0 * nan would be nan."""
    return x.masked_fill(mask == 0, 0.0)


def masked_mean(x: Tensor, mask: Tensor, dim: int | tuple[int, ...] = (0, 1)) -> Tensor:
    """Mean of x over the entries under the mask, in x's dtype."""
    weights = widened(mask)
    return ((blank(widened(x), mask) * weights).sum(dim) / weights.sum(dim)).to(x.dtype)
