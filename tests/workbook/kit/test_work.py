"""Slow work: the kernel stays free, the latest is shown, Stop ends it, and what goes wrong is said."""

import asyncio
import threading

from rlhf_lib.workbook.kit.lab import Lab, plot, slider
from rlhf_lib.workbook.kit.work import Slowly


def pieces(count: int, step: threading.Event):
    """count pieces of work, each when the event is set."""
    for number in range(1, count + 1):
        step.wait(60)
        yield number / count, (count, number)


def waited(scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_without_a_loop_all_is_done_at_once():
    kept = []
    work = Slowly(pieces, kept.append)
    step = threading.Event()
    step.set()
    work(3, step)
    assert kept == [(3, 1), (3, 2), (3, 3)] and not work.live


def test_pieces_are_shown_as_they_come_with_progress():
    async def scenario():
        kept, step = [], threading.Event()
        work = Slowly(pieces, kept.append)
        work(4, step)
        await until(lambda: not work.button.disabled)
        assert work.running and kept == []  # the loop is free while the thread waits
        step.set()
        await until(lambda: not work.running)
        assert [number for _, number in kept] == [1, 2, 3, 4] and work.bar.value == 1
        assert work.button.disabled and work.bar.layout.visibility == "hidden"

    waited(scenario)


def test_only_the_latest_is_shown():
    async def scenario():
        kept, first, second = [], threading.Event(), threading.Event()
        second.set()
        work = Slowly(pieces, kept.append)
        work(5, first)
        await until(lambda: not work.button.disabled)
        work(2, second)
        first.set()  # the old piece comes in after the new request
        await until(lambda: not work.running)
        assert kept == [(2, 1), (2, 2)]

    waited(scenario)


def test_stop_ends_the_work_and_what_was_drawn_stays():
    async def scenario():
        kept, step, ended = [], threading.Event(), []
        work = Slowly(pieces, kept.append)
        work.done = lambda: ended.append(1)

        def keep(piece):
            kept.append(piece)
            if len(kept) == 2:
                work.button.click()

        work.keep = keep
        step.set()
        work(1000, step)
        await until(lambda: ended)
        assert kept == [(1000, 1), (1000, 2)]
        work(1, step)
        await until(lambda: len(kept) == 3)

    waited(scenario)


def test_an_error_of_the_work_is_said_and_the_next_request_is_served():
    def broken(fails: bool):
        if fails:
            raise OverflowError("too <steep>")
        yield 1.0, "fine"

    async def scenario():
        kept = []
        work = Slowly(broken, kept.append)
        lab = Lab("t", {"x": slider("x", 0, 0, 3, 1, "t")}, plot(), lambda x: str(kept), work=work)
        work(True)
        await until(lambda: "OverflowError: too &lt;steep&gt;" in lab.sentence.value)
        work(False)
        await until(lambda: lab.sentence.value == "['fine']")

    waited(scenario)


def test_a_lab_with_work_tells_the_page_only_when_it_is_done():
    async def scenario():
        step, answers = threading.Event(), []
        work = Slowly(pieces, lambda _: None)
        lab = Lab("t", {"x": slider("x", 0, 0, 3, 1, "t")}, plot(), lambda x: "", work=work)
        lab.page.send = answers.append
        work(1, step)
        await until(lambda: not work.button.disabled)
        lab.hear({"settled": 1})
        assert not answers
        step.set()
        await until(lambda: answers)

    waited(scenario)
