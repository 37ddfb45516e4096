"""The labs of chapter 11: their content as plain functions, their wiring by setting controls."""

import numpy as np
import pytest

from rlhf_lib.labs import aggregation_lab, objective_lab
from rlhf_lib.workbook.ch11_policy_gradients import lab_aggregation as aggregation
from rlhf_lib.workbook.ch11_policy_gradients import lab_ppo_objective as ppo_objective


def six_cases(advantage, ratio):
    return ppo_objective.describe(ratio, advantage, "ppo", 0.2, 0.2)


@pytest.mark.parametrize(
    ("advantage", "ratio", "objective", "push", "words"),
    [
        (1.0, 0.5, 0.5, 0.5, "the clip lets it be pushed up"),
        (1.0, 1.0, 1.0, 1.0, "within the clip range it is pushed up"),
        (1.0, 1.5, 1.2, 0.0, "the clip is active: gradient 0"),
        (-1.0, 0.5, -0.8, 0.0, "the clip is active: gradient 0"),
        (-1.0, 1.0, -1.0, -1.0, "within the clip range it is pushed down"),
        (-1.0, 1.5, -1.5, -1.5, "the clip lets it be pushed down"),
    ],
)
def test_ppo_six_cases_in_numbers_and_words(advantage, ratio, objective, push, words):
    """[PG-2]: value and gradient of min(ratio A, clip(ratio) A) by hand."""
    value, slope, sentence = six_cases(advantage, ratio)
    assert (value, slope) == pytest.approx((objective, push))
    assert words in sentence


def test_other_algorithms_in_words():
    assert "held at 1.20" in ppo_objective.describe(1.5, 1.0, "cispo", 0.2, 0.2)[2]
    assert "held at 0.80" in ppo_objective.describe(0.5, -1.0, "cispo", 0.2, 0.2)[2]
    value, push, words = ppo_objective.describe(1.5, -2.0, "reinforce", 0.2, 0.2)
    assert push == pytest.approx(-2) and "however far" in words
    assert "no push" in ppo_objective.describe(1.5, 0.0, "ppo", 0.2, 0.2)[2]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("sequence", [1 / 4, 1 / 8]), ("token", [1 / 6, 1 / 6]), ("fixed", [1 / 20, 1 / 20])],
)
def test_aggregation_weights_by_hand(mode, expected):
    """[PG-5]: lengths 2 and 4, max_length 10: 1/(2*2), 1/(2*4); 1/6; 1/(2*10)."""
    weights, sentence = aggregation.describe([2, 4], mode, 10)
    assert weights[:, 0] == pytest.approx(expected)
    assert np.isnan(weights).tolist() == [[False, False, True, True], [False] * 4]
    assert ("50%, 50%" if mode == "sequence" else "33%, 67%") in sentence


def test_aggregation_sentences_differ():
    assert "2.0 times" in aggregation.describe([2, 4], "sequence", 10)[1]
    assert "all tokens" in aggregation.describe([2, 4], "token", 10)[1]
    assert "sum to 0.30" in aggregation.describe([2, 4], "fixed", 10)[1]


def test_objective_lab_follows_its_controls():
    lab = objective_lab()
    before, words = lab.figure.data[0].y.copy(), lab.sentence.value
    lab.controls["advantage"].value = -1.0
    assert not np.allclose(lab.figure.data[0].y, before) and lab.sentence.value != words
    lab.controls["ratio"].value = 1.5
    assert [tuple(dot.x) for dot in lab.figure.data[2:]] == [(1.5,), (1.5,)]
    assert [dot.y[0] for dot in lab.figure.data[2:]] == pytest.approx([-1.5, -1.5])
    lab.controls["clip_high"].value = 0.4
    assert [shade.x1 for shade in lab.figure.layout.shapes] == pytest.approx([1.4, 1.4])
    lab.controls["algorithm"].value = "cispo"
    assert "held at 1.40" in lab.sentence.value


def test_the_point_lies_on_the_curve():
    lab = objective_lab()
    for algorithm in lab.controls["algorithm"].options:
        lab.controls["algorithm"].value = algorithm
        lab.controls["ratio"].value = 1.5
        for curve, dot in zip(lab.figure.data[:2], lab.figure.data[2:], strict=True):
            assert dot.y[0] == pytest.approx(np.interp(1.5, curve.x, curve.y), abs=1e-6)


def test_a_jump_is_upright_and_a_control_without_effect_is_grey():
    lab = objective_lab()
    push = lab.figure.data[1]
    jump = int(np.argmax(np.abs(np.diff(push.y))))
    assert abs(push.x[jump + 1] - push.x[jump]) < 1e-5 and push.x[jump] == pytest.approx(1.2)
    assert not lab.controls["clip_low"].disabled
    lab.controls["algorithm"].value = "reinforce"
    assert lab.controls["clip_low"].disabled and not lab.figure.layout.shapes[0].visible
    averages = aggregation_lab()
    assert averages.controls["max_length"].disabled
    averages.controls["aggregate"].value = "fixed"
    assert not averages.controls["max_length"].disabled


def test_no_minus_zero():
    assert "objective +0.00, push +0.00" in ppo_objective.describe(1.0, -0.0, "ppo", 0.2, 0.2)[2]


def test_aggregation_lab_follows_its_controls():
    lab = aggregation_lab()
    assert lab.figure.data[0].z[0][0] == pytest.approx(1 / 12)
    lab.controls["aggregate"].value = "token"
    assert lab.figure.data[0].z[0][0] == pytest.approx(1 / 32)
    lab.controls["third"].value = 4
    assert (len(lab.figure.data[0].z), len(lab.figure.data[0].z[0])) == (3, 8)
    lab.controls["aggregate"].value = "fixed"
    lab.controls["max_length"].value = 40
    assert lab.figure.data[0].z[0][0] == pytest.approx(1 / 120)
    assert "0.008" in lab.sentence.value
