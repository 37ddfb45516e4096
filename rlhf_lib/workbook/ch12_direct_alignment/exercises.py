"""Exercises of chapter 12."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..kit.cases import normal, ragged_mask
from ..kit.exercise import Exercise


def _four(batch: int, seed: int) -> tuple:
    """Log-probabilities pc, pr, rc, rr (B,) of answers: policy and reference, chosen and rejected."""
    ref = -6 - 2 * normal(2, batch, seed=seed).abs()
    moved = ref + 2 * normal(2, batch, seed=seed + 1)
    return (*moved, *ref)


def _gap(pc, pr, rc, rr):
    return (pc - rc) - (pr - rr)


def _dpo(pc, pr, rc, rr, beta):
    return -F.logsigmoid(beta * _gap(pc, pr, rc, rr)).mean()


dpo = Exercise(
    name="my_dpo_loss",
    title="The DPO loss [DA-2]",
    difficulty=1,
    minutes=10,
    reference=_dpo,
    cases=lambda: [(*_four(3, seed=1), 0.1), (*_four(5, seed=3), 0.7), (*_four(1, seed=5), 2.0)],
    mistakes=(
        (
            lambda pc, pr, rc, rr, b: _dpo(pr, pc, rr, rc, b),
            "chosen and rejected are swapped: this teaches what was rejected",
        ),
        (
            lambda pc, pr, rc, rr, b: -F.logsigmoid(b * (pc - pr)).mean(),
            "the reference is missing: an answer is paid for what the policy *changed*, pc - rc",
        ),
        (
            lambda pc, pr, rc, rr, b: _dpo(pc, pr, rr, rc, b),
            "the reference's sign is wrong: (pc - rc) - (pr - rr) has + rr in it",
        ),
        (
            lambda pc, pr, rc, rr, b: -torch.sigmoid(b * _gap(pc, pr, rc, rr)).mean().log(),
            "this is the log of a mean: take the log of each pair first, then the mean",
        ),
    ),
    hints=(
        "The implicit reward of an answer is beta times policy minus reference.",
        "It is chapter 07's Bradley-Terry loss on two implicit rewards.",
        "`-F.logsigmoid(beta * ((pc - rc) - (pr - rr))).mean()`, with `torch.nn.functional` as `F`.",
    ),
    learns=(
        "pc",
        "pr",
    ),
)


def _gradient(pc, pr, rc, rr, beta):
    weight = beta * torch.sigmoid(-beta * _gap(pc, pr, rc, rr)) / len(pc)
    return -weight, weight


def _certain(pc, pr, rc, rr, beta):
    weight = beta * torch.sigmoid(beta * _gap(pc, pr, rc, rr)) / len(pc)
    return -weight, weight


gradient = Exercise(
    name="my_dpo_gradient",
    title="The gradient's weight",
    difficulty=2,
    minutes=15,
    reference=_gradient,
    cases=lambda: [(*_four(4, seed=7), 0.5), (*_four(2, seed=9), 0.1), (*_four(3, seed=11), 1.5)],
    mistakes=(
        (
            _certain,
            "your weight is large where the pair is right already: it is sigmoid of *minus* beta h",
        ),
        (
            lambda pc, pr, rc, rr, b: tuple(g / b for g in _gradient(pc, pr, rc, rr, b)),
            "beta is missing: it stands in front of the log-ratios, so the chain rule brings it out",
        ),
        (
            lambda pc, pr, rc, rr, b: tuple(g * len(pc) for g in _gradient(pc, pr, rc, rr, b)),
            "these are the gradients of a sum: the loss is a mean over the pairs",
        ),
        (
            lambda pc, pr, rc, rr, b: _gradient(pc, pr, rc, rr, b)[::-1],
            "the signs are flipped: to lower the loss pc has to rise, so its derivative is negative",
        ),
    ),
    hints=(
        "The derivative of −log σ(x) is −σ(−x).",
        "x = βh, and h has `pc` with +1 and `pr` with −1 in it.",
        "`weight = beta * torch.sigmoid(-beta * h) / B`; return `-weight, weight`.",
    ),
)


def _mean(token_logp, mask):
    return (token_logp * mask).sum(1) / mask.sum(1)


def _ipo_error(chosen, rejected, chosen_mask, rejected_mask, average):
    return average(chosen, chosen_mask) - average(rejected, rejected_mask)


def _ipo(chosen, rejected, chosen_mask, rejected_mask, beta):
    h = _ipo_error(chosen, rejected, chosen_mask, rejected_mask, _mean)
    return (h - 1 / (2 * beta)).square().mean()


def _ipo_with(average):
    return lambda c, r, m, n, b: (_ipo_error(c, r, m, n, average) - 1 / (2 * b)).square().mean()


ipo = Exercise(
    name="my_ipo_loss",
    title="IPO from tokens [DA-4]",
    difficulty=2,
    minutes=15,
    reference=_ipo,
    cases=lambda: [
        (normal(2, 4, seed=13), normal(2, 5, seed=14), ragged_mask([4, 2], 4),
         ragged_mask([3, 5], 5), 0.1),
        (normal(3, 6, seed=15), normal(3, 4, seed=16), ragged_mask([1, 6, 3], 6),
         ragged_mask([4, 2, 3], 4), 0.5),
    ],
    mistakes=(
        (
            _ipo_with(lambda x, mask: (x * mask).sum(1)),
            "these are sums: IPO's log-ratios are means over an answer's own tokens",
        ),
        (
            _ipo_with(lambda x, mask: x.mean(1)),
            "padding is averaged too: count the tokens that the mask marks",
        ),
        (
            lambda c, r, m, n, b: (_ipo_error(c, r, m, n, _mean) - b / 2).square().mean(),
            "the target is 1 / (2 beta), not beta / 2: a larger beta asks for a smaller gap",
        ),
        (
            lambda c, r, m, n, b: -F.logsigmoid(b * _ipo_error(c, r, m, n, _mean)).mean(),
            "this is DPO's loss: IPO squares the distance of the gap to its target",
        ),
    ),
    hints=(
        "One number for each answer: the mean of its log-ratios over the tokens that the mask marks.",
        "Chosen minus rejected, minus 1 / (2β); squared; the mean over pairs.",
        "`(x * mask).sum(1) / mask.sum(1)` for both.",
    ),
    learns=("chosen", "rejected",),
)  # fmt: skip


def _displaced(before_chosen, before_rejected, after_chosen, after_rejected):
    fell = after_chosen < before_chosen
    wider = (after_chosen - after_rejected) > (before_chosen - before_rejected)
    return (fell & wider).double().mean().item()


displaced = Exercise(
    name="my_displaced_share",
    title="How many pairs are displaced?",
    difficulty=1,
    minutes=10,
    reference=_displaced,
    cases=lambda: [
        tuple(torch.tensor(x, dtype=torch.float64) for x in (
            [-5.0, -5.0, -5.0, -5.0, -5.0], [-6.0, -6.0, -4.0, -6.0, -6.0],
            [-4.0, -7.0, -6.0, -9.0, -5.5], [-8.0, -9.0, -8.0, -9.5, -6.2])),
        (-normal(7, seed=17).abs(), -normal(7, seed=18).abs(),
         -2 * normal(7, seed=19).abs(), -3 * normal(7, seed=20).abs()),
    ],
    mistakes=(
        (
            lambda b, r, c, s: (c < b).double().mean().item(),
            "you count all chosen answers that fell: displaced are those whose margin grew meanwhile",
        ),
        (
            lambda b, r, c, s: ((c < b) & (s < r)).double().mean().item(),
            "you count pairs of which both fell: if the chosen one fell further, it is worse than that",
        ),
        (
            lambda b, r, c, s: ((c < b) & (c > s)).double().mean().item(),
            "you ask whether the chosen answer is the likelier one; the question is whether the margin grew",
        ),
        (
            lambda b, r, c, s: ((c > b) & (c - s > b - r)).double().mean().item(),
            "these are the pairs whose chosen answer rose: you have the comparison the wrong way round",
        ),
    ),
    hints=(
        "Two conditions for each pair: the chosen answer fell, and chosen minus rejected grew.",
        "Each is a comparison of two tensors, and gives a tensor of booleans; combine them with `&`.",
        "`.double().mean().item()` is the share as a number.",
    ),
)  # fmt: skip

EXERCISES = (dpo, gradient, ipo, displaced)
