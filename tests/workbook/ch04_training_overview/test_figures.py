"""Pictures of chapter 04: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from rlhf_lib.workbook.ch04_training_overview import figures
from rlhf_lib.workbook.ch04_training_overview.experiments import RECIPES, named
from rlhf_lib.workbook.ch04_training_overview.profile import CAPABILITIES


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")
    matplotlib.rcdefaults()


def test_a_cell_for_each_model_and_capability():
    rows = {"base": dict.fromkeys(CAPABILITIES, 0.1), "tuned": dict.fromkeys(CAPABILITIES, 0.9)}
    fig = figures.plot_profiles(rows)
    said = [text.get_text() for text in fig.axes[0].texts]
    assert said == ["10%"] * len(CAPABILITIES) + ["90%"] * len(CAPABILITIES)


def test_the_room_and_its_heater():
    axis = figures.plot_trajectory([16, 17, 18], [1, 0], wanted=20).axes[0]
    assert list(axis.lines[0].get_ydata()) == [16, 17, 18]
    assert list(axis.lines[1].get_xdata()) == [0]


def test_a_panel_for_each_recipe_and_a_line_for_each_capability():
    ends = {"low": 0.2, "median": 0.3, "high": 0.4}
    keys = {named(stages[:end]) for stages in RECIPES.values() for end in range(len(stages) + 1)}
    found = {key: {name: ends for name in CAPABILITIES} for key in keys}
    fig = figures.plot_recipes(RECIPES, found, named)
    for axis, stages in zip(fig.axes, RECIPES.values(), strict=True):
        assert len(axis.lines) == len(CAPABILITIES)
        assert all(len(line.get_ydata()) == len(stages) + 1 for line in axis.lines)


def test_a_dot_for_each_seed_of_a_change():
    fig = figures.plot_changes({"DPO": {name: [0.1, -0.1] for name in CAPABILITIES}})
    dots = fig.axes[0].lines[0]
    assert list(dots.get_xdata()) == [0.1, -0.1]


def test_sizes_stand_at_what_was_said_and_counted():
    fig = figures.plot_sizes()
    placed = [float(line.get_xdata()[0]) for line in fig.axes[1].lines if line.get_marker() == "o"]
    assert 939_344 in placed and 271_409 in placed and 29_946 in placed
