"""Decide exercise of chapter 12: which way beta works."""

from __future__ import annotations

from ...exact import ExactSettings, TabularPolicy, train_exact
from ...exact.small_world import small_world
from ..kit.decide import Decide

PAIRS = 40


def reward_at(beta: str, seed: int) -> float:
    """Expected reward after 100 steps of DPO on 40 fixed comparisons of each request."""
    exact = small_world()
    table = TabularPolicy(exact.ref_logp)
    settings = ExactSettings(
        "dpo", float(beta), 100, learning_rate=0.1, samples=PAIRS, comparisons=PAIRS, seed=seed
    )
    return train_exact(table, exact, settings).last("reward")


beta = Decide(
    name="my_beta",
    title="Decide beta",
    difficulty=2,
    minutes=20,
    question="DPO learns from 40 noisy comparisons of each request. Which beta gives the highest true "
    "reward?",
    options={"0.3": "0.3", "3": "3", "30": "30"},
    better="higher",
    repeats=5,
    what="expected reward (points)",
    measure=reward_at,
    hints=(
        "The seed draws the comparisons and their noise, so it has to change what is learned from.",
        "`ExactSettings('dpo', beta, 100, learning_rate=0.1, samples=40, comparisons=40, seed=seed)`",
        "`train_exact(TabularPolicy(exact.ref_logp), exact, settings).last('reward')`, for three betas and "
        "five seeds.",
    ),
    usual="0.3",
    lesson="The loss is content once beta times the gap of the log-ratios is a few points. A large beta gets "
    "there by a small move, so the policy stays near the reference: beta is a brake, not an accelerator.",
)

DECIDES = (beta,)
