"""Seeds, devices and paths: the few things that every room may ask for."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices) in one call."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def get_device() -> torch.device:
    """The device that everything runs on: `RLHF_DEVICE` if set, else CUDA, then MPS, then CPU."""
    import torch

    chosen = os.environ.get("RLHF_DEVICE")
    if chosen:
        return torch.device(chosen)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def get_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on CUDA, float32 elsewhere (CPUs without bfloat16 units are slower with it)."""
    import torch

    return torch.bfloat16 if device.type == "cuda" else torch.float32


def data_path(*parts: str) -> Path:
    """A path below the workbook's `data/` folder, wherever the caller runs from.

    `RLHF_DATA` points somewhere else if it is set.
    """
    default = Path(__file__).resolve().parent.parent / "data"
    return Path(os.environ.get("RLHF_DATA", default)).joinpath(*parts)
