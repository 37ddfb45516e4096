"""Tensors from any device, and of any floating type, as NumPy arrays."""

from __future__ import annotations

import numpy as np
import torch


def to_numpy(values, dtype: type | None = None) -> np.ndarray:
    """A tensor, or whatever else NumPy reads, as an array; float32 for bfloat16, which NumPy lacks."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values
    return np.asarray(values, dtype=dtype)
