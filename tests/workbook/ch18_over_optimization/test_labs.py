"""The over-optimization lab: the grid, its words, its board of runs, and the live run."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from rlhf_lib.workbook.ch18_over_optimization import lab_over_optimization as lab_module
from rlhf_lib.workbook.ch18_over_optimization.grid import read_grid
from rlhf_lib.workbook.ch18_over_optimization.lab_over_optimization import (
    BEFORE,
    PANELS,
    Board,
    describe,
    describe_look,
    over_optimization_lab,
    trace,
    train_now,
)

STEPS = [0, 3, 6, 9]


def stored(pairs: int, members: int, beta: float, golds: list, answers: str = "an owl") -> dict:
    """A cell of the present form, with a seed for each curve of gold."""
    runs = [
        {
            "seed": seed, "step": STEPS, "gold": gold, "proxy": [0.0, 1.0, 2.0, 3.0],
            "kl": [-0.01, 1.0, 4.0, 9.0], "length": [9, 9, 9, 9],
            "answers": [[["what eats mice?", f"{answers} {step}"]] for step in STEPS],
        }
        for seed, gold in enumerate(golds)
    ]  # fmt: skip
    best = [
        {
            "seed": 0,
            "n": [1, 4, 16],
            "kl": [0.0, 0.6, 1.8],
            "proxy": [0, 0.5, 1],
            "gold": [-0.1, 0.1, 0.2],
        }
    ]
    return {
        "setting": {"pairs": pairs, "members": members, "beta": beta},
        "runs": runs, "best_of_n": best if members == 1 else [],
    }  # fmt: skip


FALLS, HOLDS = [-0.1, 0.3, 0.5, -0.4], [-0.1, 0.1, 0.2, 0.2]


@pytest.fixture
def grid():
    """Three cells of eight combinations; the first with three seeds."""
    cells = [
        stored(4000, 1, 0.0, [FALLS, [g + 0.2 for g in FALLS], [g - 0.1 for g in FALLS]]),
        stored(4000, 1, 0.3, [HOLDS], answers="a fox"),
        stored(300, 3, 0.0, [HOLDS]),
    ]
    axes = {"pairs": [300, 4000], "members": [1, 3], "beta": [0.0, 0.3]}
    return read_grid({"axes": axes, "cells": cells})


@pytest.fixture
def lab(grid, monkeypatch):
    monkeypatch.setattr(lab_module, "load_grid", lambda: grid)
    return over_optimization_lab()


def test_several_seeds_are_a_median_and_a_range(grid):
    cell = grid.start
    assert cell.seeds == 3 and cell.median("gold").tolist() == pytest.approx(FALLS)
    assert cell.median("distance").tolist() == pytest.approx([0, 1, 2, 3])  # -0.01 nats count as 0
    assert cell.peak == 2 and cell.answers[1] == [["what eats mice?", "an owl 3"]]


def test_what_was_not_run_is_replaced_by_the_nearest_and_said(grid):
    board = Board(grid)
    board.choose({"pairs": 4000, "members": 1, "beta": 0.0})
    cell = board.choose({"pairs": 4000, "members": 3, "beta": 0.0})
    assert cell.setting == {"pairs": 300, "members": 3, "beta": 0.0}, (
        "the moved control keeps its value"
    )
    assert "comparisons 300" in board.note
    assert board.choose(dict(cell.setting)) is cell and board.note, (
        "the sentence stays until the next move"
    )


def test_words_say_what_the_curves_do(grid):
    first, second, _ = grid.cells
    assert "from -0.10 to <b>+0.50</b> at step 6" in describe(first)
    assert "falls by 0.90 while the proxy goes on" in describe(first) and "3 seeds" in describe(
        first
    )
    tired = replace(
        first, measures={**first.measures, "proxy": first.measures["proxy"][:, [0, 1, 3, 2]]}
    )
    assert "falls by 0.90;" in describe(tired), "a proxy that falls too does not go on"
    assert "stays there" in describe(second) and "seeds" not in describe(second)
    assert (
        "At step 6: gold +0.50, proxy +2.00, KL 4.0 nats. The best of 16 answers"
        in describe_look(first, 2)
    )
    assert "best of 1 answer (KL 0.0" in describe_look(first, 0)


def test_axes_stay_and_the_run_before_is_seen(lab):
    ranges = [
        lab.figure.layout.yaxis.range,
        lab.figure.layout.yaxis2.range,
        lab.figure.layout.xaxis.range,
    ]
    assert not len(trace(lab.figure, "gold", BEFORE[1]).x)
    lab.controls["beta"].value = 0.3
    assert list(trace(lab.figure, "gold", "run").y) == pytest.approx(HOLDS)
    assert list(trace(lab.figure, "gold", BEFORE[1]).y) == pytest.approx(FALLS)
    now = [
        lab.figure.layout.yaxis.range,
        lab.figure.layout.yaxis2.range,
        lab.figure.layout.xaxis.range,
    ]
    assert now == ranges
    assert len(trace(lab.figure, "gold", "range").x) == 0, "one seed has no range"
    lab.controls["beta"].value = 0.0
    assert len(trace(lab.figure, "gold", "range").x) == 8


def press(lab, words: str) -> None:
    next(button for button in lab.buttons if getattr(button, "description", "") == words).click()


def test_a_pinned_run_stays_with_its_letter_until_it_is_taken_out_or_reset(lab):
    press(lab, "Pin")
    lab.controls["beta"].value = 0.3
    pinned = trace(lab.figure, "gold", "pin A")
    assert list(pinned.y) == pytest.approx(FALLS) and pinned.text[-1] == "A"
    assert "<b>A</b>: comparisons 4000" in lab.sentence.value
    press(lab, "Pin")
    assert list(trace(lab.figure, "proxy", "pin B").y) == pytest.approx([0, 1, 2, 3])
    press(lab, "Pin")
    assert len(trace(lab.figure, "proxy", "pin B").y) == 0, "the second press takes it out"
    lab.reset()
    assert len(pinned.x) == 0 and "Pinned" not in lab.sentence.value
    assert len(trace(lab.figure, "gold", BEFORE[1]).x) == 0


def test_peak_step_and_answers(lab):
    assert list(trace(lab.figure, "gold", "peak").y) == pytest.approx([0.5])
    assert list(trace(lab.figure, "proxy", "peak").y) == pytest.approx([2.0])
    lab.controls["step"].value = 3
    assert list(trace(lab.figure, "gold", "here").y) == pytest.approx([0.3])
    lab.controls["step"].value = 9
    assert (
        "<td>an owl 0</td><td>an owl 9</td>" in lab.below.value
        and "At step 9" in lab.sentence.value
    )
    press(lab, "Step")
    assert lab.controls["step"].value == 0


def test_the_step_under_the_pointer_is_chosen(lab):
    line = trace(lab.figure, "gold", "run")
    points = type("Points", (), {"point_inds": [1], "trace_index": line._trace_ind})()
    for callback in line._hover_callbacks:
        callback(line, points, None)
    assert lab.controls["step"].value == 3


def pretended(setting):
    """A live run without training: looks that fall."""
    yield 0.3, []
    for count in range(1, 4):
        looks = [{"step": 4 * i, "gold": -i, "proxy": i, "distance": i} for i in range(count)]
        yield 0.3 + 0.2 * count, looks


def test_a_live_run_is_drawn_as_it_comes_and_can_be_stopped(grid, monkeypatch):
    monkeypatch.setattr(lab_module, "load_grid", lambda: grid)

    async def run():
        lab = over_optimization_lab(pretended)
        press(lab, "Train it now")
        while not lab.work.running:
            await asyncio.sleep(0.005)
        while lab.work.running:
            await asyncio.sleep(0.005)
        for panel, end in zip(PANELS, (2, -2), strict=True):
            assert trace(lab.figure, panel, "live").y[-1] == end
        assert (
            "Trained now (comparisons 4000" in lab.sentence.value
            and "gold -2.00" in lab.sentence.value
        )
        assert lab.work.button.disabled

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_real_live_run_in_small(monkeypatch):
    """A reward model on 40 comparisons, two steps: looks at the start and at the end, on held-out requests."""
    follow = lab_module.follow
    monkeypatch.setattr(lab_module, "follow", lambda setting: follow(setting, steps=2))
    setting = {"pairs": 40, "bias": 1.0, "members": 1, "layers": 1, "beta": 0.1}
    pieces = list(train_now(setting))
    shares = [share for share, _ in pieces]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1) and pieces[0][1] == []
    looks = pieces[-1][1]
    assert [row["step"] for row in looks] == [0, 2]
    assert looks[0]["distance"] == pytest.approx(0, abs=0.02) and np.isfinite(looks[1]["gold"])
    assert [prompt for prompt, _ in looks[0]["answers"]] == [p for p, _ in looks[1]["answers"]]
