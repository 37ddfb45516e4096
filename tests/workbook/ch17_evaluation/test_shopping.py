"""The score-shopping lab: numbers by hand, wiring by setting controls."""

import numpy as np
import pytest

from rlhf_lib.labs import shopping_lab
from rlhf_lib.workbook.ch17_evaluation import lab_shopping
from rlhf_lib.workbook.ch17_evaluation.questions import (
    DECODINGS,
    GENERATED,
    SCORERS,
    SHOTS,
    TEMPLATES,
    all_items,
    setting,
    shopped,
)


@pytest.fixture(scope="module")
def right():
    """Dice instead of a model, each setting with a share of its own."""
    dice, names = np.random.default_rng(0), []
    for template in TEMPLATES:
        for scorer in SCORERS:
            names += [setting(template, k, how, scorer) for k in SHOTS for how in DECODINGS]
    names = sorted(set(names))
    return {name: (dice.random(180) < dice.random()).astype(int) for name in names}


def test_there_are_48_settings(right, world, tiny):
    assert len(right) == 48 == len(set(right))
    few = all_items(world)[:3]
    scored = {t: {s: [True] * 3 for s in SCORERS} for t in TEMPLATES}
    found = shopped(tiny, few, scored)
    assert set(found) == set(right) and all(hits.shape == (3,) for hits in found.values())


def test_numbers_are_means_over_the_questions_drawn(right):
    name = setting("chat", 0, "greedy", GENERATED[0])
    found = lab_shopping.shop_for(right, name, 48, draw=3)
    here = np.random.default_rng(3).permutation(180)[:48]
    assert found.chosen.value == pytest.approx(right[name][here].mean())
    assert found.scores[found.best] == max(found.scores.values()) == found.reported[-1]
    assert found.reported == sorted(found.reported) and found.worth[-1] >= 0
    assert found.ranked[found.place] == name
    assert name in lab_shopping.describe(found, name, 48)


def test_the_lab_follows_its_controls(right):
    lab = shopping_lab(right)
    moves = (
        ("template", "none"),
        ("shots", 2),
        ("decoding", "sampled"),
        ("scorer", "bare value"),
        ("items", 96),
        ("draw", 7),
    )
    for name, value in moves:
        words, before = (
            lab.sentence.value,
            [np.array(t.y) for t in lab.figure.data] + [np.array(lab.figure.data[1].x)],
        )
        lab.controls[name].value = value
        after = [np.array(t.y) for t in lab.figure.data] + [np.array(lab.figure.data[1].x)]
        assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True)), name
        assert lab.sentence.value != words, name
    lab.controls["scorer"].value = "likeliest letter"
    assert lab.controls["shots"].disabled and lab.controls["decoding"].disabled
    lab.reset()
    assert lab.values() == lab.start and not lab.controls["shots"].disabled
    assert all(c.description and c.tooltip for c in lab.controls.values())
