"""Figures of chapter 11: the clip's six cases, token weights and timelines by hand."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rlhf_lib.workbook.ch11_policy_gradients.figures import (
    objective_curve,
    plot_ppo_objective,
    plot_timeline,
    plot_token_weights,
    timeline,
    token_weights,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("algorithm", "advantage", "ratio", "objective", "push"),
    [
        ("ppo", 2.0, 0.5, 1.0, 1.0),
        ("ppo", 2.0, 1.5, 2.4, 0.0),
        ("ppo", -1.0, 1.5, -1.5, -1.5),
        ("gspo", 1.0, 1.1, 1.1, 1.1),
        ("cispo", 1.0, 1.5, 1.2 * np.log(1.5), 1.2),
        ("reinforce", -2.0, 1.5, -2 * np.log(1.5), -2.0),
    ],
)
def test_objective_curve_by_hand(algorithm, advantage, ratio, objective, push):
    """[PG-1] [PG-2] [PG-3] [PG-4] for a single token."""
    _, values, slopes = objective_curve(advantage, algorithm, ratios=[ratio])
    assert (values[0], slopes[0]) == pytest.approx((objective, push))


def test_ppo_picture_marks_six_cases():
    fig = plot_ppo_objective(0.2, 0.28)
    assert [t.get_text() for axis in fig.axes for t in axis.texts] == list("123456")
    hollow = [
        line for axis in fig.axes for line in axis.lines if line.get_markerfacecolor() == "white"
    ]
    assert len(hollow) == 2
    assert fig.axes[0].get_ylabel() == "objective" and fig.axes[2].get_ylabel().startswith("push")
    assert not any(axis.texts for axis in plot_ppo_objective(algorithm="cispo").axes)


@pytest.mark.parametrize(
    ("mode", "weights", "total"),
    [("sequence", (1 / 2, 1 / 6), 1.0), ("token", (1 / 4, 1 / 4), 1.0), ("fixed", (0.1, 0.1), 0.4)],
)
def test_token_weights_by_hand(mode, weights, total):
    """[PG-5]: lengths 1 and 3, max_length 5."""
    table = token_weights([1, 3], mode, 5)
    assert table[:, 0].tolist() == pytest.approx(weights)
    assert float(table.sum()) == pytest.approx(total)
    assert table[0, 1:].tolist() == [0, 0]


def test_token_weights_picture():
    fig = plot_token_weights([2, 4], 8)
    pictures = [axis.images[0].get_array() for axis in fig.axes[:3]]
    assert [p[0, 0] for p in pictures] == pytest.approx([1 / 4, 1 / 6, 1 / 16])
    assert pictures[0].mask[0, 2]
    assert [t.get_text() for t in fig.axes[0].texts] == ["0.50", "0.50"]


def test_timeline_by_hand():
    """Batches of 2 and 4 s, updates of 1 s. One after the other: 2 + 1 + 4 + 1; one ahead: 2 + 4 + 1."""
    one = timeline([2, 4], 1)
    assert one.sampler == [(0, 2, 0), (3, 7, 1)] and one.learner == [(2, 3, 0), (7, 8, 1)]
    assert one.seconds == 8 and one.utilisation == (6 / 8, 2 / 8)
    ahead = timeline([2, 4], 1, max_staleness=1)
    assert ahead.sampler == [(0, 2, 0), (2, 6, 1)] and ahead.seconds == 7


@pytest.mark.parametrize("staleness", [0, 1, 2, 5])
def test_timeline_never_breaks_its_rules(staleness):
    """No overlaps, no update before its batch, no batch more than `staleness` updates ahead."""
    line = timeline([3, 1, 4, 1, 5, 9, 2], 2, staleness)
    for bars in (line.sampler, line.learner):
        assert all(a[1] <= b[0] for a, b in zip(bars, bars[1:], strict=False))
    for start, end, batch in line.sampler:
        assert line.learner[batch][0] >= end
        done = sum(update_end <= start for _, update_end, _ in line.learner)
        assert batch - done <= staleness
    assert line.seconds <= timeline([3, 1, 4, 1, 5, 9, 2], 2, 0).seconds


def test_timeline_errors_and_picture():
    with pytest.raises(ValueError, match="sample_seconds"):
        timeline([], 1)
    with pytest.raises(ValueError, match="staleness"):
        timeline([1], 1, -1)
    fig = plot_timeline({"synchronous": timeline([2, 4], 1), "ahead": timeline([2, 4], 1, 1)})
    assert [a.get_title(loc="left") for a in fig.axes] == ["synchronous: 8 s", "ahead: 7 s"]
    assert len(fig.axes[0].patches) == 4 and fig.axes[-1].get_xlabel() == "seconds"
