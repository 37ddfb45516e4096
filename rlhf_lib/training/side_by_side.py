"""Runs that do not need each other, two at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from threading import Event
from typing import TypeVar

import torch

from .guards import STOP

Item = TypeVar("Item", bound=Hashable)
Result = TypeVar("Result")

AT_ONCE = 2
"""Runs under way together. They share one Python, which more of them would wait for."""


def side_by_side(job: Callable[[Item], Result], items: Iterable[Item]) -> dict[Item, Result]:
    """{item: job(item)} for different items, two jobs at a time with half of torch's threads each.

    A small model hardly gains from a second thread; two models do, and take about 1.4 times as long as
    one. What a job changes must be its own (`policy.copy()`), and its random numbers must come from
    generators of its own, as those of all trainers do; then its result is that of a run alone.

    The stop button ends the runs under way, each with its history so far; those not begun are left out.
    What a job raises is raised here.
    """
    items, threads, stop = list(items), torch.get_num_threads(), Event()
    at_once = max(1, min(AT_ONCE, threads, len(items)))

    def run(item: Item) -> Result:
        torch.set_num_threads(threads // at_once)
        STOP.set(stop)
        return job(item)

    futures = {}
    with ThreadPoolExecutor(at_once) as pool:
        with suppress(KeyboardInterrupt):
            for item in items:
                futures[item] = pool.submit(copy_context().run, run, item)
            wait(futures.values(), return_when=FIRST_EXCEPTION)
        stop.set()
        pool.shutdown(cancel_futures=True)
    torch.set_num_threads(threads)
    return {item: future.result() for item, future in futures.items() if not future.cancelled()}
