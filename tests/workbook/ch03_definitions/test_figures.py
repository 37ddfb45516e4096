"""Figures of a language model's insides hold what they were given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rlhf_lib.workbook.ch03_definitions.figures import (
    plot_next_token,
    plot_states,
    plot_token_strip,
    visible,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")
    matplotlib.rcdefaults()


def test_spaces_can_be_seen():
    assert visible(" fox\n") == "␣fox↵" and visible("") == "∅"


def test_states_are_drawn_token_by_channel():
    states = {"embedding": np.arange(12.0).reshape(3, 4), "last": np.ones((3, 4))}
    fig = plot_states(["a", " b", "c"], states)
    for axis, (name, values) in zip(fig.axes, states.items(), strict=True):
        assert np.array_equal(axis.images[0].get_array(), values)
        assert axis.get_title() == f"{name}\n(3, 4)"
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["a", "␣b", "c"]


def test_the_likeliest_tokens_come_first():
    p = np.array([0.1, 0.6, 0.05, 0.25])
    fig = plot_next_token(lambda i: f"t{i}", {"one": p, "two": p[::-1]}, count=3)
    axis = fig.axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.6, 0.25, 0.1])
    assert [t.get_text() for t in axis.get_yticklabels()] == ["t1", "t3", "t0"]
    assert fig.axes[1].get_title() == "two" and axis.yaxis_inverted()


def test_a_strip_prints_each_token_and_its_number():
    rows = {"first": (["a", " fox"], [0.5, 3.0]), "second": (["owl"], [0.0])}
    axis = plot_token_strip(rows, "surprise").axes[0]
    texts = [text.get_text() for text in axis.texts]
    assert texts == ["a", "0.5", "␣fox", "3.0", "owl", "0.0"]
    lightness = [sum(bar.get_facecolor()[:3]) for bar in axis.patches]
    assert lightness[2] == pytest.approx(3) and lightness[1] < lightness[0] < lightness[2]
