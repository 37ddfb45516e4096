"""The next-token lab: its numbers by hand, its wiring, and what it needs of a model."""

import math

import pytest
import torch

from rlhf_lib.labs import next_token_lab
from rlhf_lib.workbook.ch03_definitions.lab_next_token import describe, next_token_logits

STARTS = [("what colour is a fox?", ""), ("what colour is a fox?", "a fox is")]


def test_nothing_changes_at_temperature_one():
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    before, after, words = describe(logits, 1.0, None, 1.0)
    assert before.tolist() == pytest.approx([0.5, 0.3, 0.2]) == after.tolist()
    assert "3 tokens of 3 can be drawn; the model gives them 100.0%" in words
    assert "KL(drawn from ‖ model) 0.00 nats, KL(model ‖ drawn from) 0.00 nats" in words


def test_temperature_and_cuts_by_hand():
    """[DF-3]: at temperature 0.5 probabilities are squared: 0.25, 0.09, 0.04, over 0.38."""
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    _, after, words = describe(logits, 0.5, None, 1.0)
    assert after.tolist() == pytest.approx([0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38])
    _, after, words = describe(logits, 1.0, 2, 1.0)
    assert after.tolist() == pytest.approx([0.625, 0.375, 0])
    kl = 0.625 * math.log(0.625 / 0.5) + 0.375 * math.log(0.375 / 0.3)
    assert "the model gives them 80.0%" in words and f"{kl:.2f} nats" in words
    assert "KL(model ‖ drawn from) infinite" in words
    assert "1 token of 3" in describe(logits, 1.0, None, 0.4)[2]


def test_logits_are_those_of_the_rollout(tiny):
    rollout = tiny.encode_completions(["hi"], ["an owl"])
    with torch.no_grad():
        expected = tiny.completion_logits(rollout)[0]
    assert torch.allclose(next_token_logits(tiny, "hi"), expected[0], atol=1e-4)
    assert torch.allclose(next_token_logits(tiny, "hi", "an owl"), expected[-1], atol=1e-4)


def test_lab_follows_its_controls(tiny):
    lab = next_token_lab(tiny, STARTS)
    model, drawn = lab.figure.data
    assert list(model.y) == pytest.approx(list(drawn.y)) and len(model.x) == 14
    assert list(model.y) == sorted(model.y, reverse=True)
    words = lab.sentence.value
    lab.controls["temperature"].value = 0.2
    assert drawn.y[0] > model.y[0] and lab.sentence.value != words
    lab.controls["top_k"].value = 2
    assert sum(y > 0 for y in drawn.y) == 2 and "infinite" in lab.sentence.value
    lab.controls["top_k"].value = "all"
    lab.controls["top_p"].value = 0.05
    assert sum(y > 0 for y in drawn.y) >= 1
    first = list(model.x)
    lab.controls["start"].value = lab.controls["start"].options[1]
    assert list(model.x) != first


def test_reset_and_what_a_reader_needs(tiny):
    lab = next_token_lab(tiny, STARTS)
    words = lab.sentence.value
    lab.controls["temperature"].value = 2.0
    lab.reset()
    assert lab.sentence.value == words and lab.values() == lab.start
    assert all(c.description and c.tooltip for c in lab.controls.values())
