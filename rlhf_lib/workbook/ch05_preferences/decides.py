"""Decide exercise of chapter 05: how to spend sixty dollars."""

from __future__ import annotations

from ..kit.decide import Decide
from .budget import order_bought

SPENT = {"people": (30, 0), "AI judge": (0, 1600), "both": (26, 1600)}
"""Option -> (labels of people, labels of the AI judge) that sixty dollars, or eight, buy."""

sixty = Decide(
    name="my_sixty_dollars",
    title="Decide how to spend sixty dollars",
    difficulty=2,
    minutes=20,
    question="You have $60. A label by a person costs $2, one by the AI judge half a cent. What buys the reward that orders "
    "unseen pairs best?",
    options={
        "people": "30 labels by people",
        "AI judge": "1,600 labels by the AI judge ($8; more of them change nothing)",
        "both": "the same 1,600 first, then 26 labels by people that correct them",
    },
    better="higher",
    repeats=8,
    what="share of unseen pairs in the order of gold",
    hints=(
        "The same seed means the same answers: change nothing but whose labels you buy.",
        "`order_bought(seed, people=30, ai=0)` is one number of one option.",
        "`my_sixty_dollars = {'people': [order_bought(s, 30, 0) for s in range(8)], ...}`, likewise with (0, 1600) and "
        "(26, 1600).",
    ),
    usual="undecided",
    lesson="Thirty labels of people are too few to stand alone, and a biased opinion is a better start than none. What "
    "26 more labels add to it cannot be told apart here: with $400 it could.",
    measure=lambda option, seed: order_bought(seed, *SPENT[option]),
)

DECIDES = (sixty,)
