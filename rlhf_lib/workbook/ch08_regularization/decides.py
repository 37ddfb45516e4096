"""Decide exercise of chapter 08: which learning rate lets a large beta hold a policy."""

from __future__ import annotations

from ...exact import ExactSettings, TabularPolicy, train_exact
from ...exact.small_world import small_world
from ..kit.decide import Decide

BETA = 1.0


def objective_at(rate: str, seed: int) -> float:
    """reward - BETA * KL after 100 steps of four answers to each request."""
    exact = small_world()
    table = TabularPolicy(exact.ref_logp)
    settings = ExactSettings(beta=BETA, steps=100, learning_rate=float(rate), samples=4, seed=seed)
    return train_exact(table, exact, settings).last("value")


rate = Decide(
    name="my_rate",
    title="Decide how fast a policy on a short leash learns",
    difficulty=2,
    minutes=15,
    question="β is 1, and a step sees four answers to each request. Which learning rate ends with the highest "
    "objective, reward − β · KL, after 100 steps?",
    options={"0.02": "0.02", "0.1": "0.1", "1": "1"},
    better="higher",
    repeats=4,
    what="reward − β · KL (points)",
    measure=objective_at,
    hints=(
        "Change the learning rate and nothing else; the seed draws the answers.",
        "`ExactSettings(beta=1.0, steps=100, learning_rate=0.1, samples=4, seed=seed)` is one run; the "
        "objective is its history's last `value`.",
        "`train_exact(TabularPolicy(small.ref_logp), small, settings).last('value')`, for three rates and "
        "four seeds.",
    ),
    usual="0.1",
    lesson="At 0.02 the policy has not arrived when the run ends. At 1 the noise of four answers throws it "
    "about, and it pays for every nat: it ends below the policy that was never trained, as the runs of "
    "section 4 did at β = 1.",
)

DECIDES = (rate,)
