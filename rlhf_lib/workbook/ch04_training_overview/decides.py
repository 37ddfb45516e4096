"""Decide exercise of chapter 04: a point for each step, or all points at the end."""

from __future__ import annotations

from statistics import fmean

from ...exact.cart import cart_policy, one_point_a_step, train_cart
from ..kit.decide import Decide
from .worlds import all_at_the_end

PAID = {"step": one_point_a_step, "end": all_at_the_end}


def balanced(paid: str, seed: int) -> float:
    """Mean steps of balance over the last 5 of 25 updates, of at most 100."""
    lengths = train_cart(cart_policy(seed=seed), PAID[paid], updates=25, seed=seed, steps=100)
    return fmean(lengths[-5:])


payment = Decide(
    name="my_payment",
    title="Decide when to pay",
    difficulty=2,
    minutes=20,
    question="The cart gets the same points for a ride either way: one for each step, or all of them when the ride "
    "ends. With which does it balance longer after 25 updates?",
    options={"step": "a point for each step", "end": "all points at the end"},
    better="higher",
    repeats=5,
    what="steps of balance",
    measure=balanced,
    hints=(
        "A reward is a function of the rides: (B, T) points. Two are there: `one_point_a_step` and `all_at_the_end`.",
        "Five seeds for each: `train_cart(cart_policy(seed=seed), paid, updates=25, seed=seed, steps=100)` returns the "
        "mean steps before each update.",
        "The number of a run is the mean of the last five of them: `sum(lengths[-5:]) / 5`.",
    ),
    usual="step",
    lesson="The sum is the same, and the learning is not: paid at the end, a push shares the praise for all that came "
    "before it. A language model is paid like that. Chapter 11 shows the remedies.",
)

DECIDES = (payment,)
