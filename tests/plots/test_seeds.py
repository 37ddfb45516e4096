"""Dots of seeds."""

import pytest

from rlhf_lib.plots.seeds import plot_seeds


def test_each_seed_is_a_dot_and_the_median_a_bar():
    fig = plot_seeds(
        {"gold": {"a": [1.0, 2.0, 4.0], "b": [0.0, 1.0, 2.0]}}, {"gold": (0.5, "start")}
    )
    lines = fig.axes[0].get_lines()
    assert list(lines[0].get_xdata()) == [1.0, 2.0, 4.0]
    assert list(lines[1].get_xdata()) == [2.0, 2.0]
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["a", "b"]


def test_panels_must_have_the_same_names():
    for panels in ({}, {"gold": {"a": [1.0]}, "kl": {"b": [1.0]}}):
        with pytest.raises(ValueError, match="panels must hold"):
            plot_seeds(panels)
