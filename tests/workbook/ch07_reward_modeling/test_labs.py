"""The lab of chapter 07: what the annotator perceives, what the reward model learns of it, and its wiring."""

import pytest
import torch

from rlhf_lib.labs import annotator_lab
from rlhf_lib.runtime import data_path
from rlhf_lib.training import read_preferences
from rlhf_lib.workbook.ch07_reward_modeling import lab_annotator as annotator
from rlhf_lib.world import Bias


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
