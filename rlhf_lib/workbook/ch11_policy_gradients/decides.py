"""Decide exercise of chapter 11: many small updates, or few large ones."""

from __future__ import annotations

from ...exact import ExactSettings, TabularPolicy, train_exact
from ...exact.small_world import small_world
from ..kit.decide import Decide

BUDGET = 320


def reward_at(group: str, seed: int) -> float:
    """Expected reward after 320 answers to each request, `group` of them in an update."""
    exact, count = small_world(), int(group)
    table = TabularPolicy(exact.ref_logp)
    settings = ExactSettings(
        beta=0.1, steps=BUDGET // count, learning_rate=0.1, samples=count, seed=seed
    )
    return train_exact(table, exact, settings).last("reward")


batch_size = Decide(
    name="my_batch_size",
    title="Decide how large a batch is",
    difficulty=2,
    minutes=20,
    question="You may draw 320 answers to each request in all, at a fixed learning rate. How many should go "
    "into one update?",
    options={
        "2": "2 answers, 160 updates",
        "8": "8 answers, 40 updates",
        "32": "32 answers, 10 updates",
    },
    better="higher",
    repeats=3,
    what="expected reward (points)",
    measure=reward_at,
    hints=(
        "Answers times updates has to stay 320, and the learning rate 0.1.",
        "`ExactSettings(beta=0.1, samples=group, steps=320 // group, learning_rate=0.1, seed=seed)`",
        "`train_exact(TabularPolicy(exact.ref_logp), exact, settings).last('reward')`, for three groups and "
        "three seeds.",
    ),
    usual="2",
    lesson="At one learning rate, Adam's step is about as long after two answers as after thirty-two, so many "
    "noisy steps get further than few exact ones. A larger batch pays only with a larger rate, or where a "
    "noisy step does harm.",
)

DECIDES = (batch_size,)
