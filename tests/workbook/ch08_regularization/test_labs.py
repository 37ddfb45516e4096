"""The labs of chapter 08: numbers and words of their functions, and their wiring."""

import math

import numpy as np
import pytest

from rlhf_lib.labs import divergence_lab, estimator_lab
from rlhf_lib.workbook.ch08_regularization import lab_divergence as divergence
from rlhf_lib.workbook.ch08_regularization import lab_kl_estimators as kl_estimators


def test_forward_covers_and_reverse_seeks_in_words():
    found, words = divergence.describe(4.0, 0.4, -1.5)
    assert found["forward"].mean == pytest.approx(-0.4, abs=0.01)
    assert found["reverse"].mean == pytest.approx(-2, abs=0.1)
    assert "left summit and gives up 40%" in words and "Forward covers both" in words
    assert "right summit and gives up 60%" in divergence.describe(4.0, 0.4, 3.0)[1]
    assert "takes both" in divergence.describe(1.4, 0.5, 0.0)[1]


def test_divergence_lab_follows_its_controls():
    lab = divergence_lab()
    assert lab.figure.data[1].y.sum() == pytest.approx(lab.figure.data[0].y.sum(), rel=0.01)
    lab.controls["start"].value = 3.0
    assert lab.figure.data[3].x == (3.0,)
    assert lab.figure.data[2].x[np.argmax(lab.figure.data[2].y)] == pytest.approx(2, abs=0.2)
    before = np.array(lab.figure.data[0].y)
    lab.controls["weight"].value = 0.8
    assert not np.allclose(lab.figure.data[0].y, before)
    lab.controls["gap"].value = 6.0
    assert lab.figure.data[2].x[np.argmax(lab.figure.data[2].y)] == pytest.approx(3, abs=0.2)


def test_estimators_in_numbers_and_words():
    kl, found, words = kl_estimators.describe("all a little", 0.5, 16)
    assert set(found) == {"k1", "k2", "k3"} and f"{kl:.3f} nats" in words
    assert found["k3"].min() >= 0 and found["k2"].min() >= 0 > found["k1"].min()
    assert "Smallest total error: k2" in words
    assert "Smallest total error: k1" in kl_estimators.describe("all a little", 2.0, 16)[2]
    assert math.isclose(found["k1"].mean(), kl, abs_tol=0.03)


def test_estimator_lab_follows_its_controls():
    lab = estimator_lab()
    assert [sum(trace.y) for trace in lab.figure.data] == pytest.approx([1, 1, 1])
    line, words = lab.figure.layout.shapes[0].x0, lab.sentence.value
    lab.controls["distance"].value = 1.5
    assert lab.figure.layout.shapes[0].x0 > line and lab.sentence.value != words
    spread = np.count_nonzero(lab.figure.data[0].y)
    lab.controls["count"].value = 256
    assert np.count_nonzero(lab.figure.data[0].y) < spread
    line = lab.figure.layout.shapes[0].x0
    lab.controls["drift"].value = "one dropped"
    assert lab.figure.layout.shapes[0].x0 != line


@pytest.mark.parametrize("build", [divergence_lab, estimator_lab])
def test_reset_and_what_a_reader_needs(build):
    lab = build()
    words = lab.sentence.value
    for control in lab.controls.values():
        if hasattr(control, "max"):
            control.value = control.max
    assert lab.sentence.value != words
    lab.reset()
    assert lab.sentence.value == words and lab.values() == lab.start
    assert all(c.description and c.tooltip for c in lab.controls.values())
    assert "Predict" in lab.prompts.value
