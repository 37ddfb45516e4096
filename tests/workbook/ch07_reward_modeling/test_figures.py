"""Figures of chapter 07 hold the data they were given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from rlhf_lib.evaluation import (
    Estimate,
    accuracy_by_category,
    calibration,
)
from rlhf_lib.plots import (
    figure,
)
from rlhf_lib.workbook.ch07_reward_modeling.figures import (
    plot_accuracy_bars,
    plot_calibration,
    plot_effects,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_calibration_points():
    found = calibration([0.1, 0.3, 0.9, 1.0], [0, 1, 1, 1], bins=2)
    axis = plot_calibration(found).axes[0]
    assert axis.lines[1].get_xdata() == pytest.approx([0.2, 0.95])
    assert axis.lines[1].get_ydata() == pytest.approx([0.5, 1.0])
    assert "0.175" in axis.get_title()
    own = figure()[1]
    assert plot_calibration(found, own) is own.figure


def test_accuracy_bars_with_ceiling():
    groups = accuracy_by_category([1, 1, 0], [0, 0, 1], ["a", "a", "b"])
    axis = plot_accuracy_bars(groups, ceiling=0.9, title="held out").axes[0]
    assert [p.get_width() for p in axis.patches] == pytest.approx([0, 2 / 3, 1])
    assert any("ceiling" in t.get_text() for t in axis.texts)
    assert axis.get_xlabel()


def test_effects_are_sorted_by_their_size():
    axis = plot_effects({"a": Estimate(1, 0.5, 1.5), "b": Estimate(-1, -2, 0)}).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["b", "a"]
