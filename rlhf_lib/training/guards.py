"""Stopping well: non-finite numbers, the stop button, and memory that has run out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from threading import Event
from weakref import WeakSet

import torch
from torch import Tensor, nn

from ..rewards.protocol import NonFiniteError
from .history import History

CAUSE = "a learning rate that is too high, or a reward that is not a number"

STOP: ContextVar[Event | None] = ContextVar("stop", default=None)
"""Set, where runs go side by side, once they are to end: the stop button reaches the main thread alone."""


class OutOfData(RuntimeError):
    """There is nothing more to train on, before the last step."""


def check_finite(value: Tensor, what: str, cause: str) -> None:
    """Raise `NonFiniteError` naming `what` if any entry is NaN or infinite."""
    if not torch.isfinite(value).all():
        raise NonFiniteError(f"{what} is not finite. Likely cause: {cause}")


def run_steps(steps: Iterable[int], do_step: Callable[[int], object], history: History) -> History:
    """Call `do_step(step)` for each of `steps`; on trouble stop and say why in `history.stopped`.

    `optimizer_step` raises before it updates, so the weights are then those of the last good update.
    """
    stop = STOP.get()
    for number in steps:
        try:
            if stop is not None and stop.is_set():
                raise KeyboardInterrupt
            do_step(number)
            continue
        except KeyboardInterrupt:
            history.stopped = f"interrupted by hand at step {number}"
        except NonFiniteError as error:
            history.stopped = f"step {number}: {error}. The weights are the last good ones"
        except OutOfData as error:
            history.stopped = f"step {number}: {error}"
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
    optimizer.zero_grad(set_to_none=True)
    backward(loss, where)
    return apply_gradients(optimizer, max_grad_norm, where)


def backward(loss: Tensor, where: str) -> None:
    """Add the loss's gradient to those there are.

    Raises:
        NonFiniteError: the loss is NaN or infinite.
    """
    check_finite(loss.detach(), f"the loss of {where}", CAUSE)
    loss.backward()


def apply_gradients(optimizer: torch.optim.Optimizer, max_grad_norm: float, where: str) -> float:
    """Clip and apply the gradients there are; returns their norm before clipping.

    Raises:
        NonFiniteError: it is NaN or infinite; nothing is updated then.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    warn_of_16_bit_weights(optimizer)
    norm = float(nn.utils.clip_grad_norm_(parameters, max_grad_norm))
    if not math.isfinite(norm):
        raise NonFiniteError(f"the gradient of {where} is not finite. Likely cause: {CAUSE}")
    optimizer.step()
    return norm


_LOOKED_AT: WeakSet = WeakSet()


def warn_of_16_bit_weights(optimizer: torch.optim.Optimizer) -> None:
    """Say, once for an optimizer, that small steps of 16-bit weights are rounded away."""
    if optimizer in _LOOKED_AT:
        return
    _LOOKED_AT.add(optimizer)
    kinds = {p.dtype for group in optimizer.param_groups for p in group["params"]}
    small = kinds & {torch.bfloat16, torch.float16}
    if small:
        warnings.warn(
            f"the weights that are trained are {small.pop()}: steps smaller than about 1/500 of a weight "
            "round to nothing, which at a learning rate of 1e-6 are nearly all. Load the model without a "
            "dtype: it trains in float32, and still calculates in bfloat16 where that is quicker",
            stacklevel=4,
        )
