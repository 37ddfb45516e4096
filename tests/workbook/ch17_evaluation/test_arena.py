"""The arena: voters are the world's annotators, fits are the library's, and the lab follows its controls."""

import random

import numpy as np
import pytest

from rlhf_lib.labs import arena_lab
from rlhf_lib.workbook.ch17_evaluation import lab_arena
from rlhf_lib.workbook.ch17_evaluation.arena import ASSISTANTS, drawn, fill_pool, vote
from rlhf_lib.world import AI_BIAS, HUMAN_BIAS


@pytest.fixture(scope="module")
def pool(world):
    return fill_pool(world, 40)


def test_a_voter_sees_what_the_worlds_annotator_sees(world, pool):
    for bias, judge in ((HUMAN_BIAS, world.annotator()), (AI_BIAS, world.ai_judge())):
        seen = pool.perceived(bias)
        for row, (prompt, texts) in enumerate(zip(pool.prompts, pool.texts, strict=True)):
            assert seen[row] == pytest.approx([judge.perceived(prompt, text) for text in texts])


def test_votes_have_two_sides_and_styles_of_both(pool):
    votes = vote(pool, 500)
    assert (votes.first != votes.second).all() and set(votes.score) == {0.0, 1.0}
    assert set(votes.first) == set(range(len(ASSISTANTS)))
    again = vote(pool, 500)
    assert (again.score == votes.score).all() and (
        vote(pool, 500, seed=1).first != votes.first
    ).any()
    with pytest.raises(ValueError, match="count"):
        vote(pool, 0)


def test_a_fair_crowds_ratings_are_near_gold_and_a_biased_ones_are_not(pool):
    gold = pool.gold.mean(0)
    fair, biased = (vote(pool, 4000, HUMAN_BIAS.scaled(size)).fitted(ridge=0.1) for size in (0, 3))
    assert np.corrcoef(fair.ratings, gold)[0, 1] > np.corrcoef(biased.ratings, gold)[0, 1]


def test_mixtures_are_drawn_as_they_say():
    rng = random.Random(0)
    assert {drawn({"short": 1.0}, rng) for _ in range(5)} == {"short"}
    assert {drawn({"short": 0.5, "wrong": 0.5}, rng) for _ in range(40)} == {"short", "wrong"}


def test_the_lab_shows_what_the_library_says(pool):
    found = lab_arena.boards(pool, 500, 1.0, "style held constant", 16, 3)
    votes = vote(pool, 500)
    assert found.fitted == pytest.approx(votes.fitted(True, 0.1).ratings)
    order = np.random.default_rng(3).permutation(500)
    assert found.elo == pytest.approx(votes.elo(16, order))
    assert len(found.curves[0]) == len(lab_arena.COUNTS)
    words = lab_arena.describe(found, 500, "style held constant", 16)
    assert "style held constant" in words and "K = 16" in words


def test_the_lab_follows_its_controls(pool):
    lab = arena_lab(pool)
    for name, value in (
        ("votes", 200),
        ("bias", 2.0),
        ("fit", "style held constant"),
        ("k", 64),
        ("order", 5),
    ):
        words = lab.sentence.value
        before = [np.array(trace.x) for trace in lab.figure.data]
        lab.controls[name].value = value
        moved = [
            not np.allclose(a, trace.x) for a, trace in zip(before, lab.figure.data, strict=True)
        ]
        assert any(moved), name
        assert lab.sentence.value != words, name
        if name in ("k", "order"):
            assert moved == [False, True], "only Elo reads the votes one after another"
    lab.reset()
    assert lab.values() == lab.start
    assert all(c.description and c.tooltip for c in lab.controls.values())
