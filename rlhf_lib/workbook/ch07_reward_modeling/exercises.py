"""Exercises of chapter 07."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..kit.cases import normal, ragged_mask
from ..kit.exercise import Exercise


def _bradley_terry(chosen, rejected):
    return -F.logsigmoid(chosen - rejected).mean()


bradley_terry = Exercise(
    name="my_bradley_terry_loss",
    title="The Bradley-Terry loss [RM-1]",
    difficulty=1,
    minutes=10,
    reference=_bradley_terry,
    cases=lambda: [
        (torch.tensor([2.0, 0.5]), torch.tensor([1.0, 1.0])),
        (normal(5, seed=1), normal(5, seed=2)),
        (torch.tensor([-30.0]), torch.tensor([90.0])),
    ],
    mistakes=(
        (
            lambda c, r: -F.logsigmoid(r - c).mean(),
            "your difference is the wrong way round: minimising this would push the chosen answer down",
        ),
        (
            lambda c, r: F.logsigmoid(c - r).mean(),
            "your sign is flipped: this is the log-likelihood, and the loss is its negative",
        ),
        (
            lambda c, r: -torch.sigmoid(c - r).mean(),
            "the logarithm is missing: a negative log-likelihood needs log sigmoid, not sigmoid",
        ),
        (
            lambda c, r: -torch.sigmoid(c - r).mean().log(),
            "you take the log of the mean; the likelihood of many pairs is a mean of logs",
        ),
        (
            lambda c, r: -F.logsigmoid(c - r).sum(),
            "this is the sum over pairs; the loss is their mean",
        ),
        (
            lambda c, r: -torch.sigmoid(c - r).log().mean(),
            "right on paper, infinite on a computer: log(sigmoid(x)) breaks where sigmoid rounds to 0. "
            "Use torch.nn.functional.logsigmoid",
        ),
    ),
    hints=(
        "P(chosen wins) is sigmoid(chosen − rejected). What is the negative log-likelihood of that?",
        "`torch.nn.functional.logsigmoid` is the stable form of log(sigmoid(x)).",
        "Minus `logsigmoid(chosen - rejected)`, and the mean over the pairs.",
    ),
    learns=(
        "chosen",
        "rejected",
    ),
)


def _reward_at_end(token_scores, mask):
    last = mask.sum(1).long() - 1
    return token_scores[torch.arange(len(token_scores)), last]


reward_at_end = Exercise(
    name="reward_at_end",
    title="Where the reward sits",
    difficulty=2,
    minutes=10,
    reference=_reward_at_end,
    cases=lambda: [
        (normal(3, 4, seed=1), ragged_mask([4, 2, 1], 4)),
        (normal(2, 6, seed=2), ragged_mask([3, 5], 6)),
    ],
    mistakes=(
        (
            lambda s, m: s[:, -1],
            "you take the last column: in a shorter completion that is padding, not its last token",
        ),
        (
            lambda s, m: s[torch.arange(len(s)), (m.sum(1).long() - 2).clamp(min=0)],
            "you are one token early: with n tokens the last one has index n - 1",
        ),
        (
            lambda s, m: s[torch.arange(len(s)), m.sum(1).long().clamp(max=s.shape[1] - 1)],
            "you are one token late: with n tokens the last one has index n - 1",
        ),
        (lambda s, m: s[:, 0], "this is the first token: it has not seen the answer yet"),
        (
            lambda s, m: (s * m).sum(1) / m.sum(1),
            "this averages over the completion; the head reads the state after the last token",
        ),
    ),
    hints=(
        "The head has seen the whole answer only at its last real token.",
        "`mask.sum(1)` is the number of real tokens of each row; the last one has that number minus 1.",
        "Index with two tensors at once: `scores[torch.arange(B), last]`.",
    ),
    learns=("token_scores",),
)


def _plackett_luce(rewards):
    total = 0.0
    for k in range(rewards.shape[1]):
        total = total + torch.logsumexp(rewards[:, k:], 1) - rewards[:, k]
    return total.mean()


def _over_all(rewards):
    return (torch.logsumexp(rewards, 1, keepdim=True) - rewards).sum(1).mean()


plackett_luce = Exercise(
    name="my_plackett_luce_loss",
    title="Ranking K answers: the Plackett-Luce loss [RM-3]",
    difficulty=3,
    minutes=15,
    reference=_plackett_luce,
    cases=lambda: [
        (torch.tensor([[1.0, 0.2, -0.3]]),),
        (normal(4, 5, seed=3),),
        (normal(2, 2, seed=4),),
    ],
    mistakes=(
        (
            _over_all,
            "your denominator always holds all answers; once one is drawn, only those that remain "
            "compete for the next place",
        ),
        (
            lambda r: _plackett_luce(r.flip(1)),
            "you rank from worst to best: the columns come ordered from best to worst",
        ),
        (lambda r: _plackett_luce(r) * len(r), "this is the sum over the batch; take the mean"),
        (
            lambda r: -_plackett_luce(r),
            "your sign is flipped: this is the log-likelihood of the ranking",
        ),
    ),
    hints=(
        "The best is drawn first: log P = r₁ − logsumexp(all). Then the second from the rest.",
        "Place k competes with the answers from k on: `torch.logsumexp(rewards[:, k:], dim=1)`.",
        "Loop over k, add up `logsumexp(rewards[:, k:], 1) - rewards[:, k]`, take the mean over the batch.",
    ),
    learns=("rewards",),
)


def _accuracy_ceiling(gaps, temperature):
    p = torch.sigmoid(gaps / temperature)
    return torch.maximum(p, 1 - p).mean().item()


accuracy_ceiling = Exercise(
    name="accuracy_ceiling",
    title="The ceiling that label noise sets",
    difficulty=2,
    minutes=10,
    reference=_accuracy_ceiling,
    cases=lambda: [
        (normal(6, seed=5), 0.3),
        (normal(20, seed=6), 1.0),
        (torch.tensor([-2.0, 2.0]), 0.5),
    ],
    mistakes=(
        (
            lambda g, t: torch.sigmoid(g / t).mean().item(),
            "this is how often the *first* answer wins; the best guess is the likelier of the two, so "
            "take max(p, 1 - p)",
        ),
        (
            lambda g, t: _accuracy_ceiling(g, 1 / t),
            "you multiply by the temperature: noise must pull probabilities towards 0.5",
        ),
        (
            lambda g, t: _accuracy_ceiling(g, 1.0),
            "the temperature is missing: an annotator with more noise is harder to predict",
        ),
    ),
    hints=(
        "An annotator prefers the first answer with p = sigmoid(gap / temperature).",
        "If you know p, how often is your best guess right? (p = 0.3: say no, right 7 times in 10.)",
        "`torch.maximum(p, 1 - p)`, then the mean as a number.",
    ),
)


def _outcome_loss(logits, correct, mask):
    losses = F.softplus(logits) - correct[:, None] * logits
    return ((losses * mask).sum(1) / mask.sum(1)).mean()


outcome_loss = Exercise(
    name="my_outcome_loss",
    title="The outcome loss on a ragged batch [RM-5]",
    difficulty=2,
    minutes=15,
    reference=_outcome_loss,
    cases=lambda: [
        (normal(2, 3, seed=7), torch.tensor([1.0, 0.0]).double(), ragged_mask([3, 1], 3)),
        (normal(3, 5, seed=8), torch.tensor([0.0, 1.0, 1.0]).double(), ragged_mask([2, 5, 4], 5)),
    ],
    mistakes=(
        (
            lambda x, c, m: (F.softplus(x) - c[:, None] * x).mean(),
            "you average over padding too: use the mask",
        ),
        (
            lambda x, c, m: ((F.softplus(x) - c[:, None] * x) * m).mean(),
            "you mask the losses but still divide by all positions: divide by the number of real tokens",
        ),
        (
            lambda x, c, m: _outcome_loss(x, 1 - c, m),
            "your labels are swapped: a right answer should have logits pushed up",
        ),
        (
            lambda x, c, m: ((F.softplus(x) - c[:, None] * x) * m).sum() / m.sum(),
            "one mean over all tokens lets long answers weigh more; here: mean per sequence first",
        ),
    ),
    hints=(
        "Every token of an answer gets the same label: whether the answer turned out right.",
        '`torch.nn.functional.binary_cross_entropy_with_logits(..., reduction="none")` gives the loss of each token.',
        "Mean over each row's real tokens, then over rows.",
    ),
    learns=("logits",),
)

EXERCISES = (bradley_terry, reward_at_end, plackett_luce, accuracy_ceiling, outcome_loss)
