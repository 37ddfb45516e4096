"""When a lab draws, and how it works for longer: no queue of events, the kernel stays free, the latest wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

FIRST, WAIT, LONGEST = 0.01, 0.05, 0.2
"""Seconds: before a single move is drawn; without a new one in a burst; at most between two pictures in a burst."""


class Latest:
    """Calls `action` for the latest of many requests: at once for a single one, and in a burst seldom enough
    that nothing queues up, with the last request always served.

    Where no event loop runs (tests, scripts), it calls at once.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self.action, self.pending = action, None
        self.heard = self.drawn = float("-inf")

    def __call__(self, *_event) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.action()
            return
        now = loop.time()
        burst, self.heard = now - self.heard < WAIT, now
        if self.pending is not None:
            self.pending.cancel()
        due = min(now + WAIT, max(self.drawn + LONGEST, now)) if burst else now + FIRST
        self.pending = loop.call_at(due, self.act, loop)

    def act(self, loop) -> None:
        """Draw, and note when that was done."""
        self.pending = None
        try:
            self.action()
        finally:
            self.drawn = self.heard = loop.time()


END = object()


class Slowly:
    """Work that takes a second or a minute, in a thread: with progress, a stop button, and only the latest shown.

    work: settings -> an iterator of (share done, result), of which each piece is computed in the thread.
    keep: called with each result, unless something newer was asked for meanwhile or Stop was pressed. The lab
    sets `after`, called after `keep`; `fail`, called with an exception of the work; and `done`, called when nothing
    is left to do. `controls` are a progress bar and the stop button. Where no event loop runs (tests, scripts), all
    is done at once, and exceptions are raised.
    """

    def __init__(self, work: Callable[..., Iterator], keep: Callable) -> None:
        self.work, self.keep = work, keep
        self.after, self.fail, self.done = _nothing, _raise, _nothing
        self.number, self.wanted, self.running = 0, None, False
        self.bar, self.button = _progress()
        self.button.on_click(lambda _: self.stop())

    @property
    def controls(self) -> tuple:
        """Progress bar and stop button."""
        return self.bar, self.button

    @property
    def live(self) -> bool:
        """Whether an event loop runs, so that work goes on while the lab is used."""
        try:
            return asyncio.get_running_loop().is_running()
        except RuntimeError:
            return False

    def __call__(self, *settings) -> None:
        self.number += 1
        if not self.live:
            for _, result in self.work(*settings):
                self.show(result)
            return
        self.wanted = (self.number, settings)
        if not self.running:
            self.running = True
            self.task = asyncio.get_running_loop().create_task(self.serve())

    def stop(self) -> None:
        """Show nothing more of what is being done, and end it after the piece in hand."""
        self.number += 1
        self.wanted = None

    async def serve(self) -> None:
        """Work until the latest request is done and shown."""
        self.button.disabled = False
        while self.wanted is not None:
            (number, settings), self.wanted = self.wanted, None
            try:
                await self.follow(number, self.work(*settings))
            except Exception as error:
                self.fail(error)
        self.running, self.button.disabled = False, True
        self.bar.layout.visibility = "hidden"
        self.done()

    async def follow(self, number: int, pieces: Iterator) -> None:
        """Show the pieces of one request while it is the latest."""
        self.progress(0.0)
        while (piece := await asyncio.to_thread(next, pieces, END)) is not END:
            if number != self.number:
                pieces.close()
                return
            self.progress(piece[0])
            self.show(piece[1])

    def show(self, result) -> None:
        """Keep a result, and let the lab draw it."""
        self.keep(result)
        self.after()

    def progress(self, share: float) -> None:
        """Show how far the work is."""
        self.bar.value, self.bar.layout.visibility = share, "visible"


def _nothing() -> None:
    """What is called where no lab has asked for more."""


def _raise(error: Exception) -> None:
    raise error


def _progress() -> tuple:
    """(progress bar, stop button), at rest."""
    import ipywidgets as widgets

    bar = widgets.FloatProgress(
        max=1.0,
        tooltip="how far the training is",
        layout={"width": "110px", "visibility": "hidden"},
    )
    button = widgets.Button(
        description="Stop", icon="stop", disabled=True, layout={"width": "88px"},
        tooltip="end the training; what is drawn stays",
    )  # fmt: skip
    return bar, button
