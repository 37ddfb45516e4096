"""The labs: their content as plain functions, their wiring by setting controls, bursts of events."""

import asyncio
import math

import pytest

from rlhf_lib import labs
from rlhf_lib.labs import aggregation_lab, objective_lab
from rlhf_lib.workbook.kit.lab import Lab, choice, menu, plot, slider
from rlhf_lib.workbook.kit.work import FIRST, LONGEST, WAIT, Latest


@pytest.mark.parametrize("build", [objective_lab, aggregation_lab])
def test_reset_and_what_a_reader_needs(build):
    """Reset goes back; every control has a label and a tooltip; the sentence is announced politely."""
    lab = build()
    words, first = lab.sentence.value, next(iter(lab.controls.values()))
    first.value = first.max
    assert lab.sentence.value != words
    lab.reset()
    assert lab.sentence.value == words and lab.values() == lab.start
    assert all(c.description and c.tooltip for c in lab.controls.values())
    assert "Predict" in lab.prompts.value


def test_a_value_is_the_one_that_the_slider_shows():
    """The page counts in steps, and seven steps of 0.05 from 0.05 on are not quite 0.4 to it."""
    lab = objective_lab()
    lab.controls["clip_low"].value = math.nextafter(0.4, 0)
    assert lab.values()["clip_low"] == 0.4 and lab.controls["clip_low"].value < 0.4


def test_figures_suit_a_dark_page():
    figure = plot()
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_controls_keep_their_kinds():
    assert type(slider("n", 1, 0, 5, 1, "t")).__name__ == "IntSlider"
    assert type(slider("n", 1.0, 0, 5, 0.5, "t")).__name__ == "FloatSlider"
    assert choice("c", (1, 2), 2, "t").value == 2
    assert menu("m", ["a", "b"], "b", "t").value == "b"


def test_without_a_loop_each_event_counts_at_once():
    calls = []
    latest = Latest(lambda: calls.append(1))
    latest()
    latest({"new": 3})
    assert len(calls) == 2


async def until(condition) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_a_burst_is_drawn_once_and_with_the_last_value():
    """25 moves that come in together are one picture: nothing is queued."""
    drawn = []

    async def burst():
        controls = {"x": slider("x", 0, 0, 30, 1, "t")}
        lab = Lab("t", controls, plot(), lambda x: drawn.append(x) or "")
        for move in range(1, 26):
            lab.controls["x"].value = move
        await until(lambda: len(drawn) > 1)
        assert lab.request.pending is None

    asyncio.run(asyncio.wait_for(burst(), 60))
    assert drawn == [0, 25]


def test_single_moves_are_each_drawn():
    drawn = []

    async def moves():
        latest = Latest(lambda: drawn.append(1))
        for count in (1, 2, 3):
            latest()
            await until(lambda count=count: len(drawn) == count)

    asyncio.run(asyncio.wait_for(moves(), 60))


def test_a_long_burst_is_drawn_now_and_then():
    """By the clock of the loop: at the latest `LONGEST` after the last picture."""

    async def burst():
        latest = Latest(lambda: None)
        latest()
        await until(lambda: latest.pending is None)
        for _ in range(20):
            latest()
            assert latest.pending.when() <= max(
                latest.drawn + LONGEST, latest.heard + max(FIRST, WAIT)
            )

    asyncio.run(asyncio.wait_for(burst(), 60))


def test_a_reset_gives_back_values_that_the_present_limits_forbid():
    """One press is enough, also where one control limits another."""
    lab = labs.walk_lab()
    lab.controls["step"].value = 24
    lab.controls["horizon"].value = 4
    assert lab.controls["step"].value == lab.controls["step"].max == 4
    lab.reset()
    assert lab.values() == lab.start


def test_a_move_that_was_on_its_way_does_not_undo_a_reset():
    async def late():
        lab = Lab("t", {"x": slider("x", 0, 0, 30, 1, "t")}, plot(), lambda x: str(x))
        lab.controls["x"].value = 7
        lab.reset()
        await asyncio.sleep(0)
        lab.controls["x"].value = 8  # sent by the page before it heard of the reset
        while lab.controls["x"].value:
            await asyncio.sleep(0.01)
        while lab.sentence.value != "0":
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(late(), 60))


def test_what_goes_wrong_is_said_in_the_lab():
    def update(x) -> str:
        if x:
            raise ValueError("x must be <0>")
        return "fine"

    lab = Lab("t", {"x": slider("x", 0, 0, 3, 1, "t")}, plot(), update)
    with pytest.raises(ValueError, match="must be"):
        lab.controls["x"].value = 1
    assert "ValueError: x must be &lt;0&gt; (update, line" in lab.sentence.value


def test_the_page_is_answered_when_all_is_drawn():
    answers, drawn = [], []

    async def ask():
        lab = Lab("t", {"x": slider("x", 0, 0, 3, 1, "t")}, plot(), lambda x: drawn.append(x) or "")
        lab.page.send = answers.append
        lab.controls["x"].value = 1
        lab.hear({"settled": 1})
        assert not answers and drawn == [0]
        while not answers:
            await asyncio.sleep(0.01)
        lab.hear({"settled": 2})

    asyncio.run(asyncio.wait_for(ask(), 60))
    assert answers == [{"settled": 1}, {"settled": 2}] and drawn == [0, 1]
