"""Stopping well: non-finite numbers, the stop button, and memory that has run out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from threading import Event

import torch
from torch import Tensor, nn

from ..rewards.protocol import NonFiniteError
from .history import History

STOP: ContextVar[Event | None] = ContextVar("stop", default=None)
"""Set, where runs go side by side, once they are to end: the stop button reaches the main thread alone."""


def check_finite(value: Tensor, what: str, cause: str) -> None:
    """Raise `NonFiniteError` naming `what` if any entry is NaN or infinite."""
    if not torch.isfinite(value).all():
        raise NonFiniteError(f"{what} is not finite. Likely cause: {cause}")


def run_steps(steps: Iterable, do_step: Callable, history: History) -> History:
    """Call `do_step(item)` for each of `steps`; on trouble stop and say why in `history.stopped`.

    `optimizer_step` raises before it updates, so the weights are then those of the last good update.
    """
    stop = STOP.get()
    for number, item in enumerate(steps):
        try:
            if stop is not None and stop.is_set():
                raise KeyboardInterrupt
            do_step(item)
            continue
        except KeyboardInterrupt:
            history.stopped = f"interrupted by hand at step {number}"
        except NonFiniteError as error:
            history.stopped = f"step {number}: {error}. The weights are the last good ones"
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise
            history.stopped = (
                f"step {number}: out of memory. Lower the batch size, samples_per_prompt or "
                "max_new_tokens"
            )
        break
    return history


def optimizer_step(
    loss: Tensor, optimizer: torch.optim.Optimizer, max_grad_norm: float, where: str
) -> float:
    """One update with clipped gradients; returns the gradient norm before clipping.

    Raises:
        NonFiniteError: the loss or its gradient is NaN or infinite; nothing is updated then.
    """
    cause = "a learning rate that is too high, or a reward that is not a number"
    check_finite(loss.detach(), f"the loss of {where}", cause)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = float(nn.utils.clip_grad_norm_(parameters, max_grad_norm))
    if not math.isfinite(norm):
        raise NonFiniteError(f"the gradient of {where} is not finite. Likely cause: {cause}")
    optimizer.step()
    return norm
