"""Decide exercise of chapter 10: many groups of few answers, or few groups of many."""

from __future__ import annotations

from ...exact import ExactSettings, TabularPolicy, train_exact
from ...exact.small_world import small_world
from ..kit.decide import UNDECIDED, Decide

DRAWS = 16


def reward_at(n: str, seed: int) -> float:
    """Expected reward after 40 steps that keep the best of every n of 16 draws of each request."""
    exact, count = small_world(), int(n)
    table = TabularPolicy(exact.ref_logp)
    settings = ExactSettings(
        "best_of_n", steps=40, learning_rate=0.1, samples=DRAWS // count, n=count, seed=seed
    )
    return train_exact(table, exact, settings).last("reward")


group_size = Decide(
    name="my_group_size",
    title="Decide how to spend sixteen draws",
    difficulty=2,
    minutes=20,
    question="In each step you may draw sixteen answers to a request. How many of them should compete for "
    "one place, if the reward of the trained policy is to be highest?",
    options={
        "2": "the best of 2, eight kept",
        "4": "the best of 4, four kept",
        "16": "the best of 16, one kept",
    },
    better="higher",
    repeats=5,
    what="expected reward (points)",
    measure=reward_at,
    hints=(
        "Everything but n has to stay as it is: sixteen draws, forty steps, one learning rate.",
        "`ExactSettings('best_of_n', samples=16 // n, n=n, steps=40, learning_rate=0.1, seed=seed)`",
        "`train_exact(TabularPolicy(exact.ref_logp), exact, settings).last('reward')`, for three n and "
        "five seeds.",
    ),
    usual=UNDECIDED,
    lesson="From 2 to 4 the selection gains a lot. From 4 to 16 it gains little, and only one answer is "
    "left to learn from: with five seeds the two cannot be told apart. Then take the cheaper one to run.",
)

DECIDES = (group_size,)
