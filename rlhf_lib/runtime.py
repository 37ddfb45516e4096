"""Seeds, devices and paths: the few things that every room may ask for."""

from __future__ import annotations

import os
import random
import sys
from contextlib import AbstractContextManager, nullcontext
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


def compute_dtype(device: torch.device | str) -> torch.dtype:
    """What models calculate in, whatever their weights are stored in (float32, where they are trained).

    `RLHF_DTYPE` (float32 or bfloat16) if set; else bfloat16 on a CUDA device that has units for it, and
    float32 everywhere else.

    Raises:
        ValueError: `RLHF_DTYPE` is another word. (float16 would need a loss scale.)
    """
    import torch

    chosen = os.environ.get("RLHF_DTYPE")
    if chosen:
        if chosen not in ("float32", "bfloat16"):
            raise ValueError(f"RLHF_DTYPE must be float32 or bfloat16; got {chosen!r}")
        return getattr(torch, chosen)
    if torch.device(device).type != "cuda":
        return torch.float32
    emulated = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(False)
    return torch.float32 if emulated else torch.bfloat16


def autocast(device: torch.device | str) -> AbstractContextManager:
    """Forward passes inside it calculate in `compute_dtype(device)`; nothing changes where that is float32.

    Weights stay as they are: small steps of the optimizer would be lost in 16 bits. The library enters
    it wherever it calls a model, so that trainers and chapters need not.
    """
    import torch

    dtype = compute_dtype(device)
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=dtype)


def say(*words: object) -> None:
    """Print one line; what the terminal's encoding has no sign for (as in an ASCII locale) becomes "?"."""
    encoding = sys.stdout.encoding or "utf-8"
    print(" ".join(map(str, words)).encode(encoding, "replace").decode(encoding))


def data_path(*parts: str) -> Path:
    """A path below the workbook's data: `RLHF_DATA` if set, else what an installed wheel carries, else the
    repository's `data/` folder, wherever the caller runs from.
    """
    package = Path(__file__).resolve().parent
    carried = package / "data"
    default = carried if carried.is_dir() else package.parent / "data"
    return Path(os.environ.get("RLHF_DATA", default)).joinpath(*parts)
