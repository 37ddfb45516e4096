"""One line of progress that updates in place in a notebook and stays readable when it is stored."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SILENT = ContextVar("silent", default=False)


@contextmanager
def silent() -> Iterator[None]:
    """No progress lines from work inside, such as the fine-tuning within a round."""
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)


class Progress:
    """`update(step, **numbers)` rewrites the line; `close()` leaves the last one.

    In a notebook it is a display that is rewritten (so a stored notebook keeps the final line only),
    on a terminal a carriage return; elsewhere it says nothing.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.started = label, total, time.perf_counter()
        self.silent = _SILENT.get()
        self.handle = None if self.silent else _display_handle()
        self.line, self.shown = "", 0.0
        self.said: list[str] = []

    def update(self, step: int, **numbers: float) -> None:
        """Show that `step` steps are done; at most four times a second."""
        done = step >= self.total
        seconds = time.perf_counter() - self.started
        cells = round(20 * step / max(1, self.total))
        shown = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
        self.line = (
            f"{self.label}: {'█' * cells}{'░' * (20 - cells)} {step}/{self.total} "
            f"in {seconds:.0f} s  {shown}"
        )
        if done or seconds - self.shown > 0.25:
            self.shown = seconds
            self._show()

    def say(self, sentence: str) -> None:
        """What looks wrong, at once, below the line; on a terminal or not."""
        self.said.append(f"{self.label}: {sentence}")
        if self.handle is not None:
            self._show()
        elif not self.silent:
            print(("\n" if sys.stderr.isatty() else "") + self.said[-1], file=sys.stderr)

    def close(self, *sentences: str | None) -> None:
        """Show the last line once more, in full; below it what is left to say."""
        self._show()
        if self.handle is None and not self.silent and sys.stderr.isatty():
            print(file=sys.stderr)
        for sentence in filter(None, sentences):
            self.say(sentence)

    def _show(self) -> None:
        if self.handle is not None:
            text = "\n".join(filter(None, (self.line, *self.said)))
            self.handle.update({"text/plain": text}, raw=True)
        elif not self.silent and sys.stderr.isatty():
            print("\r" + self.line, end="", file=sys.stderr, flush=True)


def _display_handle():
    """A display handle in a Jupyter kernel, None elsewhere."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return display({"text/plain": ""}, raw=True, display_id=True)
