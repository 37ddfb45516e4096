"""Figures of chapter 07 hold the data they were given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
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
    plot_reward_histogram,
    plot_scatter,
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


def test_histogram_counts_every_answer():
    axis = plot_reward_histogram(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0])).axes[0]
    assert sum(p.get_height() for p in axis.patches) == 5
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["rejected", "chosen"]


def test_effects_and_scatter():
    axis = plot_effects({"a": Estimate(1, 0.5, 1.5), "b": Estimate(-1, -2, 0)}).axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["b", "a"]
    dots = plot_scatter([1, 2], [3, 4], "x (points)", "y (sd)").axes[0]
    assert dots.lines[0].get_ydata().tolist() == [3, 4] and dots.get_xlabel() == "x (points)"
