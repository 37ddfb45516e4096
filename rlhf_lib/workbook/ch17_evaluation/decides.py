"""Decide exercise of chapter 17: more votes, or a better fit to fewer of them."""

from __future__ import annotations

from ...evaluation import kendall_tau
from ...world import PocketWorld
from ..kit.decide import Decide
from .arena import fill_pool, vote


def agreement_of(option: str, seed: int) -> float:
    """Kendall's tau with gold of a leaderboard from one sort of votes and fit."""
    pool = fill_pool(PocketWorld(), 200, seed)
    fit, count = option.split("_")
    ratings = vote(pool, int(count), seed=seed).fitted(fit == "style", ridge=0.1).ratings
    return kendall_tau(ratings, pool.gold.mean(0))


crowd = Decide(
    name="my_crowd",
    title="Decide how to spend the money of a leaderboard",
    difficulty=2,
    minutes=20,
    question="You want the order of your leaderboard to agree with true quality. Which of these three do you pay for?",
    options={
        "raw_1000": "1,000 votes, plain Bradley-Terry",
        "raw_4000": "4,000 votes, plain Bradley-Terry",
        "style_1000": "1,000 votes, and style control",
    },
    better="higher",
    repeats=5,
    what="Kendall's tau with gold",
    measure=agreement_of,
    hints=(
        "Everything but votes and fit has to stay as it is: the same pool of answers, the same crowd.",
        "`pool = fill_pool(world, 200, seed)`, `votes = vote(pool, count, seed=seed)`.",
        "`kendall_tau(votes.fitted(style_control, ridge=0.1).ratings, pool.gold.mean(0))` for three options and five seeds.",
    ),
    usual="style_1000",
    lesson="Four times the votes halve the error and leave the bias where it was. If the crowd is biased, spend on the "
    "fit. (With a fair crowd it would be the other way round: section 6.)",
)

DECIDES = (crowd,)
