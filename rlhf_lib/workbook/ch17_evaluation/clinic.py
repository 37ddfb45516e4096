"""The silent-bug clinic of chapter 17."""

from __future__ import annotations

import math

import torch

from ..kit.bug import Bug
from .clinic_runs import leaning_judge, run_comparing, run_judging

# --- one order only


def _both_orders(judge, ours, theirs):
    return (0.5 * (judge(ours, theirs) + 1 - judge(theirs, ours))).mean().item()


def _both_by_listing(judge, ours, theirs):
    forwards, backwards = judge(ours, theirs).tolist(), judge(theirs, ours).tolist()
    wins = [(there + 1 - back) / 2 for there, back in zip(forwards, backwards, strict=True)]
    return sum(wins) / len(wins)


def _one_order(judge, ours, theirs):
    return judge(ours, theirs).mean().item()


def _answers():
    return torch.tensor([0.3, -1.0, 2.0]).double(), torch.tensor([0.1, 0.5, 1.0]).double()


def _prove_orders(implementation):
    ours = torch.tensor([0.3, -1.0, 2.0]).double()
    assert abs(implementation(leaning_judge(2.0), ours, ours) - 0.5) < 1e-9, "a copy is no better"


one_order = Bug(
    name="one_order",
    chapter="17",
    title="The model that beats its own copy",
    story="A judge compares each answer of our model with one of an exact copy of it, drawn anew. With more requests "
    "the win rate gets steadier. It settles, but not at one half.",
    function="win_rate(judge, ours (N,), theirs (N,)) -> our share of wins; judge(a, b) gives, for each pair, the "
    "chance that the answer shown first is chosen",
    source="Zheng et al. (2023): judges favour a position, and each pair has to be asked in both orders.",
    lesson="Ask in both orders, and try a judge on a model against itself: anything but one half is the judge's.",
    right=_both_orders,
    also_right=_both_by_listing,
    wrong=_one_order,
    example=lambda: (leaning_judge(), *_answers()),
    run=run_judging,
    watch=("win_rate",),
    options=(
        (
            "Our answer is always shown first, and the judge leans.",
            "A lean to one place is added to every comparison, and more requests do not average it away.",
        ),
        (
            "There are too few requests, so that chance decides.",
            "Chance shrinks with requests. This settles, beside the right value.",
        ),
        (
            "The judge prefers longer answers to short ones.",
            "A copy's answers are as long as ours, so length cannot favour either.",
        ),
    ),
    hints=(
        "For which two models do you know the right win rate?",
        "The same answers on both sides: 0.5, whatever the judge's lean.",
    ),
    proof=_prove_orders,
)

# --- errors as if the models had answered different requests


def _paired(a, b):
    return (a - b).std().item() / math.sqrt(len(a))


def _paired_by_covariance(a, b):
    cov = torch.cov(torch.stack((a, b)))
    return math.sqrt((cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]).item() / len(a))


def _unpaired(a, b):
    return math.sqrt((a.var().item() + b.var().item()) / len(a))


def _prove_pairing(implementation):
    a = torch.tensor([0.0, 1.0, 5.0, 2.0]).double()
    assert implementation(a, a + 1.0) < 1e-6, "always exactly 1 apart: nothing is uncertain"


unpaired_errors = Bug(
    name="unpaired_errors",
    chapter="17",
    title="The improvement that nobody can find",
    story="A new model is truly better by 0.2 points. Both models answer the same requests. The intervals are honest "
    "and never too narrow, and still the difference is hardly ever found.",
    function="error_of_difference(a (N,), b (N,)) -> standard error of mean(a) - mean(b); a[i] and b[i] answer the "
    "same request",
    source="Miller (2024), who counts it as power given away: most published comparisons print two separate errors.",
    lesson="Same requests: take the differences first. What is hard for both then cancels.",
    right=_paired,
    also_right=_paired_by_covariance,
    wrong=_unpaired,
    example=lambda: _answers(),
    run=run_comparing,
    watch=("found", "width"),
    options=(
        (
            "The two errors are added as if requests differed.",
            "That counts the spread between easy and hard requests twice, though it cancels in the difference.",
        ),
        (
            "The standard deviation lacks its square root of n.",
            "Then the interval would not shrink with n, and both intervals do.",
        ),
        (
            "The two models are no different, so nothing shows.",
            "The other curve finds the difference in the same answers.",
        ),
    ),
    hints=(
        "Make two models for which the difference is the same on every request.",
        "b = a + 1 on requests of very different difficulty: the error of the difference is 0.",
    ),
    proof=_prove_pairing,
)

BUGS = (one_order, unpaired_errors)
