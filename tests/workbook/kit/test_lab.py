"""The labs: their content as plain functions, their wiring by setting controls, bursts of events."""

import asyncio
import math

import pytest

from rlhf_lib.labs import aggregation_lab, objective_lab
from rlhf_lib.workbook.kit.lab import Lab, choice, menu, plot, slider
from rlhf_lib.workbook.kit.work import WAIT, Latest


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


def test_a_burst_is_drawn_once_and_with_the_last_value():
    """25 moves in 0.75 s: nothing is queued, and the last is on the screen within 300 ms."""
    drawn = []

    async def burst():
        lab = Lab("t", {"x": slider("x", 0, 0, 30, 1, "t")}, plot(), lambda x: drawn.append(x))
        drawn.clear()
        for move in range(1, 26):
            lab.controls["x"].value = move
            await asyncio.sleep(0.03)
        await asyncio.sleep(0.3 - 0.03)

    asyncio.run(burst())
    assert drawn[-1] == 25
    assert 2 <= len(drawn) <= 12, "some pictures on the way, but not one for each event"
    assert WAIT < 0.3


def test_a_pause_draws():
    drawn = []

    async def pause():
        latest = Latest(lambda: drawn.append(1))
        for _ in range(3):
            latest()
            await asyncio.sleep(0.1)

    asyncio.run(pause())
    assert len(drawn) == 3
