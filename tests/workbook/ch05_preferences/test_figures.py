"""The pictures of chapter 05 show the numbers that they are given."""

import pytest

from rlhf_lib.evaluation import Estimate
from rlhf_lib.workbook.ch05_preferences import figures
from rlhf_lib.workbook.ch05_preferences.experiments import by_coin


def flat(value):
    return {"low": value, "median": value, "high": value}


def test_writing_and_choosing():
    fig = figures.plot_writing_and_choosing(
        {"written": [0.0, 1.0], "two": [1.0, 1.0], "four": [2.0, 1.0]}
    )
    assert [bar.get_width() for bar in fig.axes[0].patches] == pytest.approx([0.5, 1.0, 1.5])


def test_coefficients_that_could_be_nothing_are_grey():
    fig = figures.plot_coefficients(
        {"praise": Estimate(1, 0.5, 1.5), "list": Estimate(1, -0.5, 2.5)}
    )
    colours = [line.get_color() for line in fig.axes[0].lines if line.get_marker() == "o"]
    assert len(set(colours)) == 2


def test_a_budget_in_labels_and_in_dollars():
    band = {"step": [10, 100], "ceiling": flat(0.9)}
    band |= {name: flat([0.6, 0.8]) for name in ("people", "AI judge", "both")}
    fig = figures.plot_budget(band)
    dollars = [list(line.get_xdata()) for line in fig.axes[1].lines[:3]]
    assert dollars == [[20, 200], [0.05, 0.5], [28, 208]]


def test_questions_at_two_spreads_of_strictness():
    one = {"order": flat([0.6, 0.8]), "bits": flat(0.3)}
    band = {"step": [60, 120]} | {q: {"1": one} for q in figures.QUESTIONS}
    band["thumb"] = {"1": one, "3": {"order": flat([0.5, 0.55]), "bits": flat(0.1)}}
    fig = figures.plot_questions(band)
    assert [list(axis.lines[0].get_ydata()) for axis in fig.axes] == [[0.6, 0.8], [0.5, 0.55]]


def test_capabilities_have_a_number_in_each_field():
    names = ("facts", "sums")
    fig = figures.plot_capabilities(
        {a: {b: flat(0.5 if a != b else 0.9) for b in names} for a in names}
    )
    assert sorted(text.get_text() for text in fig.axes[0].texts) == ["0.50", "0.50", "0.90", "0.90"]


def test_wins_and_a_class_and_a_session():
    fig = figures.plot_wins({"judged by a": {"policy of a": [0.9, 0.8], "random": [0.4, 0.3]}})
    assert fig.axes[0].get_xlim() == (-0.03, 1.03)
    fig = figures.plot_taste_of_a_class({"ada": (1.0, 0.5), "ben": (-1.0, 0.5)}, 0.2, "log-odds")
    assert fig.axes[0].lines[1].get_ydata()[0] == -1.0, "in order"
    fig = figures.plot_session([40, 80], {"agrees": [0.8, 0.6], "left": [0.5, 0.6]})
    assert len(fig.axes[0].lines) == 3


def test_labels_by_coin_are_the_same_labels_some_of_them_turned():
    rows = [{"chosen": f"a{i}", "rejected": f"b{i}"} for i in range(200)]
    turned = sum(one != row for one, row in zip(by_coin(rows, 0), rows, strict=True))
    assert 70 < turned < 130
    assert {frozenset(r.values()) for r in by_coin(rows, 1)} == {
        frozenset(r.values()) for r in rows
    }
