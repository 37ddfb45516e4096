"""Running a reader's function: with a time limit, and with words for what goes wrong.

The limit counts what the reader's own thread computes, not the clock on the wall: a slow or busy machine
never makes a right answer late.
"""

from __future__ import annotations

import ctypes
import dis
import inspect
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

LIMIT = 10.0
"""Seconds of computing that one call of a reader's function may take."""

OURS = tuple(
    {
        str(Path(__file__).resolve().parents[2]),
        str(Path(torch.__file__).resolve().parent),
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("purelib"),
        "<frozen",
    }
)
"""Where the code lies that no reader wrote."""

EMPTY = {
    "RESUME", "NOP", "LOAD_CONST", "LOAD_SMALL_INT", "RETURN_CONST", "RETURN_VALUE", "POP_TOP",
    "COPY_FREE_VARS", "NOT_TAKEN", "EXTENDED_ARG",
}  # fmt: skip
"""Instructions of a function that does nothing."""


EXPLAINED = {
    "backward through the graph a second time": ". Something from an earlier step is still in the "
    "computation: `.detach()` what is meant to stay fixed",
    "does not require grad": ". The loss was cut off from the weights: by `.detach()`, `.item()`, "
    "`torch.tensor(...)` or `torch.no_grad()`?",
}
"""Errors of torch that say nothing to a beginner: their words, and what is added to them."""


class EndlessLoop(BaseException):
    """The time limit was reached. Not an `Exception`, so that a reader's `except` does not catch it."""


def untouched(function: Callable) -> bool:
    """Whether a function is still a stub: `...`, `pass`, a docstring, and nothing else."""
    code = getattr(function, "__code__", None)
    if code is None or not set(code.co_consts) <= {None, ..., function.__doc__}:
        return False
    return {i.opname for i in dis.get_instructions(code)} <= EMPTY


def prints(function: Callable) -> bool:
    """Whether a function calls `print`."""
    return "print" in getattr(getattr(function, "__code__", None), "co_names", ())


def wrong_arguments(function: Callable, reference: Callable) -> str | None:
    """What is wrong with the arguments that a function takes, or None."""
    asked = list(inspect.signature(reference).parameters)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have none
        return None
    try:
        signature.bind(*asked)
    except TypeError:
        return f"your function takes {signature}; it is called with ({', '.join(asked)})"
    return None


def limited(function: Callable, arguments: tuple, seconds: float = LIMIT):
    """`function(*arguments)`, stopped after so many seconds of computing in this thread.

    Raises:
        EndlessLoop: it was stopped. (A single call into compiled code cannot be.)
    """
    done = threading.Event()
    watcher = threading.Thread(
        target=_interrupt, args=(threading.get_ident(), seconds, done), daemon=True
    )
    watcher.start()
    try:
        return function(*arguments)
    finally:
        done.set()
        watcher.join()


def _interrupt(thread: int, seconds: float, done: threading.Event) -> None:
    """Raise `EndlessLoop` in a thread once it has computed for so long."""
    clock = _clock_of(thread)
    end = clock() + seconds
    while not done.wait(min(0.05, seconds)):
        if clock() > end:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread), ctypes.py_object(EndlessLoop)
            )
            return


def _clock_of(thread: int) -> Callable[[], float]:
    """A clock of the seconds that this thread computes; of the whole process where there is none."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.process_time
    number = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(number)


def told(error: BaseException, seconds: float) -> str:
    """What a reader's function did instead of returning, with the reader's line."""
    where = readers_line(error)
    if isinstance(error, EndlessLoop):
        return (
            f"your function was stopped after {seconds:g} s of computing (the limit){where}: "
            "is there a loop without an end?"
        )
    help_with = next((say for words, say in EXPLAINED.items() if words in str(error)), "")
    return f"your function raised {type(error).__name__}: {error}{where}{help_with}"


def readers_line(error: BaseException) -> str:
    """' (your line 3: `...`)': the innermost line of the error that a reader wrote; '' if there is none."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _of_reader(f.filename)]
    if not frames or not frames[-1].line:
        return ""
    return f" (your line {frames[-1].lineno}: `{frames[-1].line}`)"


def _of_reader(file: str) -> bool:
    """Whether a file is a reader's. A cell of a notebook has a name that is no file at all."""
    return not file.startswith(OURS)
