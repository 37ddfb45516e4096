"""Figures of chapter 09: what is drawn is what was given."""

import numpy as np
import pytest

from rlhf_lib.workbook.ch09_instruction_finetuning import figures

TOKENS, WEIGHTS = ["<s>", "user", "\n", "a", " b"], [0.0, 0.0, 0.0, 1.0, 1.0]


@pytest.fixture(autouse=True)
def closed():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def test_tiles_start_a_line_after_a_line_end_and_colour_what_is_learned():
    axis = figures.plot_tiles(TOKENS, WEIGHTS).axes[0]
    assert [text.get_text() for text in axis.texts] == ["<s>", "user", "↵", "a", "␣b"]
    assert {text.get_position()[1] for text in axis.texts} == {0, -1}
    blue = [text.get_color() == "white" for text in axis.texts]
    assert blue == [False, False, False, True, True]


def test_ways_have_a_bar_from_the_lowest_to_the_highest_seed_and_a_dot():
    axis = figures.plot_ways(
        {"right": [0.1, 0.3], "wrong": [-1, -2]}, {"right": 0.2, "wrong": -1.5}
    )
    drawn = axis.axes[0].lines
    assert list(drawn[2].get_xdata()) == [-2, -1] and list(drawn[3].get_xdata()) == [-1.5]


def test_curves_of_a_run_lie_over_their_bands():
    one = {"low": [0, 0.5], "median": [0, 0.6], "high": [0, 0.7]}
    curves = {"step": [0, 2], "ended": one, "facts": one, "loss": one}
    live = {"step": [0, 2], "ended": [0, 1], "facts": [0, 1], "loss": [2.0, 1.0]}
    shares, loss = figures.plot_on_the_way(curves, live).axes
    assert [line.get_label() for line in shares.lines[::2]] == ["answers that end", "facts right"]
    assert list(loss.lines[-1].get_ydata()) == [2.0, 1.0]


def test_rules_and_the_wall():
    axis = figures.plot_rules(TOKENS, {"one": WEIGHTS, "two": [1.0] * 5}).axes[0]
    assert len(axis.patches) == 10
    surprises = np.zeros(3), np.array([0.0, 1.0, -1.0])
    wall, change = figures.plot_wall([2, 3], *surprises, [0.0, 0.0, 1.0]).axes
    drawn = wall.images[0].get_array()
    assert drawn[4, 0] == 1 and drawn[4, 2] == 2 and drawn[0, 4] == 0
    assert [bar.get_height() for bar in change.patches] == [1.0, -1.0]
