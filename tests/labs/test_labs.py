"""The labs: their content as plain functions, their wiring by setting controls, bursts of events."""

import asyncio
import math

import numpy as np
import pytest
import torch

from rlhf_lib.labs import (
    aggregation,
    aggregation_lab,
    annotator,
    annotator_lab,
    objective_lab,
    ppo_objective,
)
from rlhf_lib.labs.common import WAIT, Lab, Latest, choice, menu, plot, slider
from rlhf_lib.runtime import data_path
from rlhf_lib.training import read_preferences
from rlhf_lib.world import Bias


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
    assert tuple(lab.figure.data[2].x) == (1.5, 1.5)
    assert lab.figure.data[2].y == pytest.approx((-1.5, -1.5))
    lab.controls["clip_high"].value = 0.4
    assert lab.figure.layout.shapes[0].x1 == pytest.approx(1.4)
    lab.controls["algorithm"].value = "cispo"
    assert "held at 1.40" in lab.sentence.value


def test_the_point_lies_on_the_curve():
    lab = objective_lab()
    for algorithm in lab.controls["algorithm"].options:
        lab.controls["algorithm"].value = algorithm
        lab.controls["ratio"].value = 1.5
        curve = np.interp(1.5, lab.figure.data[0].x, lab.figure.data[0].y)
        assert lab.figure.data[2].y[0] == pytest.approx(curve, abs=1e-6)


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


@pytest.mark.parametrize("build", [objective_lab, aggregation_lab])
def test_reset_and_what_a_reader_needs(build):
    """Reset goes back; every control has a label and a tooltip; the sentence is announced politely."""
    lab = build()
    words, first = lab.sentence.value, next(iter(lab.controls.values()))
    first.value = first.max
    assert lab.sentence.value != words
    lab.reset()
    assert lab.sentence.value == words and lab.values() == lab.start
    assert all(c.description and c.tooltip for c in lab.controls.values())
    assert "aria-live='polite'" in lab.sentence.value
    assert "Predict" in lab.prompts.value


def test_a_value_is_the_one_that_the_slider_shows():
    """The page counts in steps, and seven steps of 0.05 from 0.05 on are not quite 0.4 to it."""
    lab = objective_lab()
    lab.controls["clip_low"].value = math.nextafter(0.4, 0)
    assert lab.values()["clip_low"] == 0.4 and lab.controls["clip_low"].value < 0.4


@pytest.fixture(scope="module")
def annotated(pocket, world):
    """40 pairs in which one answer flatters more than the other, to learn from, and 400 to be tested on."""
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    flattering = [
        p for p in pairs if ("great question" in p.chosen) != ("great question" in p.rejected)
    ]
    pairs = flattering[:40] + pairs[:400]
    return pairs, annotator.prepare(pocket, world, pairs)


def test_gaps_are_what_the_annotator_perceives(annotated, world):
    """Linear in the biases: recombined gaps equal `Annotator.perceived` with those biases."""
    pairs, data = annotated
    biased = world.annotator(bias=Bias(length=0.07, flattery=0.9))
    found = torch.tensor((1.0, 0.07, 0.9)) @ data.gaps
    for pair, gap in zip(pairs[:60], found.tolist(), strict=False):
        direct = biased.perceived(pair.prompt, pair.chosen) - biased.perceived(
            pair.prompt, pair.rejected
        )
        assert abs(gap) == pytest.approx(abs(direct), abs=1e-4)


def test_a_flattered_annotator_teaches_flattery(annotated):
    plain = annotator.refit(annotated[1], pairs=40, noise=0.3, length=0.0, flattery=0.0)
    flattered = annotator.refit(annotated[1], pairs=40, noise=0.3, length=0.0, flattery=2.0)
    gain = [fit.rewards[2] - fit.rewards[0] for fit in (plain, flattered)]
    assert gain[1] > gain[0] and f"{gain[1]:+.2f}" in flattered.sentence
    assert 0.5 < plain.accuracy <= 1 and plain.ceiling <= 1


def test_annotator_lab_follows_its_controls(annotated):
    lab = annotator_lab(annotated[1])
    before, words = tuple(lab.figure.data[0].x), lab.sentence.value
    lab.controls["flattery"].value = 2.0
    assert tuple(lab.figure.data[0].x) != before and lab.sentence.value != words


def test_figures_suit_a_dark_page():
    figure = plot()
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_controls_keep_their_kinds():
    assert type(slider("n", 1, 0, 5, 1, "t")).__name__ == "IntSlider"
    assert type(slider("n", 1.0, 0, 5, 0.5, "t")).__name__ == "FloatSlider"
    assert choice("c", (1, 2), 2, "t").value == 2
    assert menu("m", ["a", "b"], "b", "t").value == "b"


def test_without_a_loop_each_event_counts_at_once():
    calls = []
    latest = Latest(lambda: calls.append(1))
    latest()
    latest({"new": 3})
    assert len(calls) == 2


def test_a_burst_is_drawn_once_and_with_the_last_value():
    """25 moves in 0.75 s: nothing is queued, and the last is on the screen within 300 ms."""
    drawn = []

    async def burst():
        lab = Lab("t", {"x": slider("x", 0, 0, 30, 1, "t")}, plot(), lambda x: drawn.append(x))
        drawn.clear()
        for move in range(1, 26):
            lab.controls["x"].value = move
            await asyncio.sleep(0.03)
        await asyncio.sleep(0.3 - 0.03)

    asyncio.run(burst())
    assert drawn[-1] == 25
    assert 2 <= len(drawn) <= 12, "some pictures on the way, but not one for each event"
    assert WAIT < 0.3


def test_a_pause_draws():
    drawn = []

    async def pause():
        latest = Latest(lambda: drawn.append(1))
        for _ in range(3):
            latest()
            await asyncio.sleep(0.1)

    asyncio.run(pause())
    assert len(drawn) == 3
