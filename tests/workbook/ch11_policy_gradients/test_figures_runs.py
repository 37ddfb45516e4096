"""Figures of chapter 11's runs: what is drawn is what was stored."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rlhf_lib.experiments.stored import band_over
from rlhf_lib.workbook.ch11_policy_gradients.experiments import KEPT
from rlhf_lib.workbook.ch11_policy_gradients.figures_runs import (
    ends,
    length_drift,
    plot_contrast,
    plot_dashboard,
    plot_run_on_band,
    plot_value,
    plot_value_along,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def result(level: float, steps: int = 4) -> dict:
    """What `experiments.train` returns, with every metric rising by 1 a step from `level`."""
    curve = [level + step for step in range(steps)]
    held_out = {"step": [0, 2], "reward": curve[:2], "length_right": [3, 3], "length_wrong": [5, 6]}
    return {"step": list(range(steps))} | dict.fromkeys(KEPT, curve) | {"held_out": held_out}


@pytest.fixture
def stored():
    return band_over([result(0.0), result(1.0), result(5.0)])


def test_a_run_lies_over_the_band_in_both_panels(stored):
    fig = plot_run_on_band(result(2.0, steps=3), stored)
    for axis in fig.axes:
        median, mine = axis.lines
        assert len(axis.collections) == 1, "a band behind it"
        assert median.get_ydata()[0] == 1.0 and mine.get_ydata()[0] == 2.0
    assert list(fig.axes[0].lines[1].get_xdata()) == [0, 2]
    assert list(fig.axes[1].lines[1].get_xdata()) == [0, 1, 2]


def test_contrast_takes_each_metric_from_where_it_was_measured(stored):
    both = {"this": stored, "that": band_over([result(7.0)])}
    fig = plot_contrast(both, {"held out": "reward", "KL": "kl", "wrong": "length_wrong"}, ("kl",))
    held_out, kl, wrong = fig.axes
    assert [list(line.get_xdata()) for line in held_out.lines] == [[0, 2], [0, 2]]
    assert [list(line.get_ydata()) for line in kl.lines] == [[1, 2, 3, 4], [7, 8, 9, 10]]
    assert list(wrong.lines[0].get_ydata()) == [5, 6]
    assert (held_out.get_yscale(), kl.get_yscale()) == ("linear", "log")
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["this", "that"]


def test_ends_by_hand(stored):
    """Held out: the last of 1, 2, 6. Of batches: the mean of the last two steps, 2.5, 3.5 and 7.5."""
    table = ends({"this": stored}, {"held out": "reward", "KL": "kl"}, last=2)
    assert table.loc["this"].tolist() == ["2 (1 to 6)", "3.5 (2.5 to 7.5)"]


def test_dashboard_has_nine_raw_curves_over_bands(stored):
    fig = plot_dashboard(result(2.0, steps=3), stored)
    assert len(fig.axes) == 9
    for axis in fig.axes:
        assert len(axis.collections) == 1 and axis.lines[1].get_ydata()[0] == 2.0
    assert fig.axes[0].get_title() == "1. held-out reward (points)"


def test_value_pictures():
    rows = [{"right": [0.5, 0.9], "wrong": [0.5, 0.1], "by_place": [0.0, 0.6]}] * 2
    left, right = plot_value(band_over(rows)).axes
    assert [list(line.get_ydata()) for line in left.lines] == [[0.5, 0.9], [0.5, 0.1]]
    assert list(right.lines[0].get_xdata()) == [0.0, 0.5]
    along = band_over([{"right": [0.5, 0.9], "wrong": [0.5, 0.1]}])
    (axis,) = plot_value_along(along, {"right": ["=", "6"], "wrong": ["=", "7"]}).axes
    assert [list(line.get_ydata()) for line in axis.lines] == [[0.5, 0.9], [0.5, 0.1]]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["=", "6\n7"]


def test_averaging_by_sequence_stretches_wrong_answers_and_shortens_right_ones():
    """[PG-5]. Equal weights leave both where they are: a constant times the score has mean 0."""
    fixed, sequence = length_drift("fixed", steps=60), length_drift("sequence", steps=60)
    assert fixed.shape == (60, 2)
    assert np.abs(fixed - fixed[0]).max() < 1e-3
    right, wrong = sequence.T
    assert (np.diff(right) < 0).all() and (np.diff(wrong) > 0).all()
    with pytest.raises(ValueError, match="aggregate must be"):
        length_drift("token")
