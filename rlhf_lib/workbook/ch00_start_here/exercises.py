"""Exercises of chapter 00."""

from __future__ import annotations

import torch

from ..kit.cases import logp_pair, normal, ragged_mask
from ..kit.exercise import Exercise


def _win_rate(scores_a, scores_b):
    return ((scores_a > scores_b).double() + 0.5 * (scores_a == scores_b).double()).mean().item()


def _win_rate_cases():
    a, b = normal(7, seed=1).round(), normal(7, seed=2).round()
    return [
        (torch.tensor([1.0, 2.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 1.0, -1.0])),
        (torch.tensor([3.0, 1.0, 1.0]), torch.tensor([1.0, 1.0, 1.0])),
        (a, b),
    ]


win_rate = Exercise(
    name="win_rate",
    title="Win rate",
    difficulty=1,
    minutes=5,
    reference=_win_rate,
    cases=_win_rate_cases,
    mistakes=(
        (
            lambda a, b: (a > b).double().mean().item(),
            "you count a tie as a loss: two equal answers should give 0.5, not 0",
        ),
        (
            lambda a, b: (a >= b).double().mean().item(),
            "you count a tie as a win: two equal answers should give 0.5, not 1",
        ),
        (lambda a, b: _win_rate(b, a), "you have swapped the two: this is how often b wins"),
        (
            lambda a, b: (a - b).mean().item(),
            "this is the mean difference of the scores, not how often a wins",
        ),
    ),
    hints=(
        "Compare elementwise first: you want a vector of wins, ties and losses.",
        "A win counts 1, a tie 0.5, a loss 0; then take the mean.",
        "`((a > b).float() + 0.5 * (a == b).float()).mean().item()`",
    ),
)


def _completion_mask(completion_ids, end_token):
    ended_before = (completion_ids == end_token).cumsum(1) - (completion_ids == end_token).long()
    return (ended_before == 0).double()


def _mask_cases():
    return [
        (torch.tensor([[5, 6, 3, 0], [5, 3, 0, 0], [5, 6, 7, 8]]), 3),
        (torch.tensor([[3, 0, 0]]), 3),
        (torch.tensor([[9, 2, 9, 2, 9]]), 2),
    ]


completion_mask = Exercise(
    name="completion_mask",
    title="Which tokens count?",
    difficulty=2,
    minutes=10,
    reference=_completion_mask,
    cases=_mask_cases,
    mistakes=(
        (
            lambda ids, end: ((ids == end).cumsum(1) == 0).double(),
            "the end token itself is left out: the model chose it, so it belongs to the completion "
            "(a policy that is never trained on it never learns to stop)",
        ),
        (
            lambda ids, end: (ids != end).double(),
            "you mask the end token and keep what comes after it: tokens after the end are padding",
        ),
        (
            lambda ids, end: torch.ones_like(ids).double(),
            "this keeps every token, also the padding after the end",
        ),
    ),
    hints=(
        "For each position ask: has an end token come *before* it?",
        "`(ids == end).cumsum(1)` counts the end tokens up to and including each position.",
        "Subtract the position's own end token from that count; keep where the result is 0.",
    ),
)


def _sequence_kl(logp, ref_logp, mask):
    return ((logp - ref_logp) * mask).sum(1)


def _sequence_kl_cases():
    return [
        (*logp_pair(2, 3, seed=1), ragged_mask([3, 1], 3)),
        (*logp_pair(3, 5, seed=3), ragged_mask([5, 2, 4], 5)),
    ]


sequence_kl = Exercise(
    name="sequence_kl",
    title="How far has it drifted?",
    difficulty=1,
    minutes=5,
    reference=_sequence_kl,
    cases=_sequence_kl_cases,
    mistakes=(
        (
            lambda logp, ref, mask: ((ref - logp) * mask).sum(1),
            "your sign is flipped: a policy that drifts away would get a negative KL, and a penalty "
            "on it would reward drift",
        ),
        (
            lambda logp, ref, mask: (logp - ref).sum(1),
            "you sum over padding too: multiply by the mask first",
        ),
        (
            lambda logp, ref, mask: ((logp - ref) * mask).sum(1) / mask.sum(1),
            "this is the mean per token; the KL of a whole completion is the sum over its tokens",
        ),
        (
            lambda logp, ref, mask: ((logp - ref) * mask).sum(1).mean(),
            "this is one number for the batch; the task asks for one per sequence, shape (B,)",
        ),
    ),
    hints=(
        "The log of p/q of a whole sequence is the sum of the log-ratios of its tokens.",
        "Take `logp - ref_logp` for each token; set padding to 0; sum over the tokens.",
        "`((logp - ref_logp) * mask).sum(1)`",
    ),
)

EXERCISES = (win_rate, completion_mask, sequence_kl)
