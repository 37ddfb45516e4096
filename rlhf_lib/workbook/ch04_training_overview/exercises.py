"""Exercises of chapter 04."""

from __future__ import annotations

import math

import torch

from ..kit.cases import normal, ragged_mask
from ..kit.exercise import Exercise


def _logp(log_start, log_policy, log_world, mask):
    return log_start + ((log_policy + log_world) * mask).sum(1)


def _likelihood_cases():
    """Logarithms of probabilities, with numbers in the padding that do not count."""
    return [
        (-normal(b, seed=s).abs(), -normal(b, t, seed=s + 1).abs(), -normal(b, t, seed=s + 2).abs(),
         ragged_mask(lengths, t))
        for b, t, lengths, s in ((2, 3, [3, 2], 1), (3, 4, [4, 1, 3], 5), (1, 5, [2], 9))
    ]  # fmt: skip


trajectory_logp = Exercise(
    name="my_trajectory_logp",
    title="The probability of an episode [TO-1]",
    difficulty=1,
    minutes=10,
    reference=_logp,
    cases=_likelihood_cases,
    mistakes=(
        (lambda s, p, w, m: (p * m).sum(1), "these are the policy's factors alone: where it began and what the world did count too"),
        (lambda s, p, w, m: ((p + w) * m).sum(1), "the start is missing: some episodes begin where few begin"),
        (lambda s, p, w, m: s + (p + w).sum(1), "steps after the end are counted: use the mask"),
        (lambda s, p, w, m: s * (p * m).sum(1) * (w * m).sum(1), "probabilities multiply, so their logarithms add up: you multiply logarithms"),
        (lambda s, p, w, m: s + ((p + w) * m).sum(1) / m.sum(1), "you take the mean over the steps; a product of factors is a sum of logarithms"),
        (lambda s, p, w, m: _logp(s, p, w, m).exp(), "this is the probability itself; the task asks for its logarithm"),
    ),
    hints=(
        "A product of probabilities becomes a sum of their logarithms.",
        "Three parts: the start, once; the policy, at each step; the world, at each step. Steps count where the mask is 1.",
        "`log_start` plus the sum over dimension 1 of `(log_policy + log_world) * mask`.",
    ),
)  # fmt: skip


def _weights(gamma, share):
    """Steps after which `share` of the weights gamma^0 + gamma^1 + ... has been given out."""
    steps, given = 0, 0.0
    while given < share / (1 - gamma) - 1e-12:
        given += gamma**steps
        steps += 1
    return steps


horizon = Exercise(
    name="my_horizon",
    title="How far does γ see?",
    difficulty=2,
    minutes=15,
    reference=_weights,
    cases=lambda: [(0.5, 0.5), (0.9, 0.5), (0.98, 0.9), (0.99, 0.95), (0.7, 0.8)],
    mistakes=(
        (lambda g, s: round(1 / (1 - g)), "1/(1 − γ) is the sum of all weights; how soon a share of them is given out depends on the share"),
        (lambda g, s: _weights(g, 1 - s), "this is when the rest, 1 − share, has been given out"),
        (lambda g, s: max(1, round(s / (1 - g))), "a share of 1/(1 − γ) steps would do if all steps weighed the same; the early ones weigh more"),
        (lambda g, s: _weights(g, s) - 1, "one too few: the first step has the weight γ⁰ = 1, and it counts as a step"),
    ),
    hints=(
        "After n steps the weights 1 + γ + … + γⁿ⁻¹ have been given out; all of them together make 1/(1 − γ).",
        "The share is 1 − γⁿ. Look for the first n at which it reaches `share`.",
        "A loop does it: start at n = 0, and add 1 while `1 - gamma**n < share - 1e-12`.",
    ),
)  # fmt: skip


def _kl_objective(rewards, logp, ref_logp, mask, beta):
    return (rewards - beta * ((logp - ref_logp) * mask).sum(1)).mean().item()


def _kl_cases():
    found = []
    for b, t, lengths, beta, s in (
        (2, 3, [3, 2], 0.5, 11),
        (4, 5, [5, 2, 4, 1], 0.1, 15),
        (3, 2, [2, 2, 1], 2.0, 19),
    ):
        logp = -normal(b, t, seed=s).abs()
        found.append(
            (
                normal(b, seed=s + 1),
                logp,
                logp - 0.5 * normal(b, t, seed=s + 2),
                ragged_mask(lengths, t),
                beta,
            )
        )
    return found


kl_objective = Exercise(
    name="my_kl_objective",
    title="What RLHF maximises",
    difficulty=2,
    minutes=10,
    reference=_kl_objective,
    cases=_kl_cases,
    mistakes=(
        (lambda r, p, q, m, b: (r + b * ((p - q) * m).sum(1)).mean().item(), "you add the KL: that pays for drifting away from the reference"),
        (lambda r, p, q, m, b: (r - b * ((p - q) * m).sum(1) / m.sum(1)).mean().item(), "the reward is for the whole answer, so its KL is a sum over the tokens, not their mean"),
        (lambda r, p, q, m, b: (r - b * (p - q).sum(1)).mean().item(), "padding is counted: use the mask"),
        (lambda r, p, q, m, b: r.mean().item(), "this is the reward alone: the penalty is missing"),
        (lambda r, p, q, m, b: (r - ((p - q) * m).sum(1)).mean().item(), "β is missing: it says what a nat costs in points"),
    ),
    hints=(
        "Each answer has one number: its reward minus β times its log-ratio. Then the mean over the answers.",
        "The log-ratio of an answer is the sum over its real tokens of `logp - ref_logp`.",
        "`(rewards - beta * ((logp - ref_logp) * mask).sum(1)).mean().item()`.",
    ),
)  # fmt: skip

DEGREES = math.pi / 180
RIDES, FALLEN, TIMED_OUT = 0, 1, 2


def _said(fallen, out):
    """Whole numbers (B,): fallen goes before out of time."""
    return torch.where(fallen, FALLEN, torch.where(out, TIMED_OUT, RIDES))


def _fallen(states):
    return (states[:, 0].abs() > 2.4) | (states[:, 2].abs() > 12 * DEGREES)


def _ends(states, step, most, fallen=_fallen):
    fell = fallen(states)
    return _said(fell, torch.full_like(fell, step >= most))


def _time_first(states, step, most):
    return torch.full((len(states),), TIMED_OUT) if step >= most else _ends(states, step, most)


def _states():
    """Rides that stand, lean too far to either side, have left the track at either end, or both."""
    rows = [[0.0, 0, 0.1, 0], [0.0, 0, 0.22, 0], [0.1, 0, -0.25, 0], [2.5, 0, 0.0, 0], [-2.6, 0, 0.05, 0], [2.5, 0, 0.3, 0],
            [1.0, 9, 0.15, 9]]  # fmt: skip
    return torch.tensor(rows, dtype=torch.float64)


def _by(rule):
    """The ends by another rule of what has fallen."""
    return lambda states, step, most: _ends(states, step, most, rule)


terminal = Exercise(
    name="my_ending",
    title="Fallen, or out of time?",
    difficulty=2,
    minutes=15,
    reference=lambda states, step, most: _ends(states, step, most),
    cases=lambda: [(_states(), 40, 500), (_states(), 500, 500), (_states()[:3], 200, 200), (_states()[3:], 7, 200)],
    mistakes=(
        (_by(lambda s: (s[:, 0].abs() > 2.4) | (s[:, 2].abs() > 12)), "the angle is in radians: 12 degrees are 0.209 of them"),
        (_by(lambda s: (s[:, 0].abs() > 2.4) & (s[:, 2].abs() > 12 * DEGREES)), "either of the two ends a ride: `|`, not `&`"),
        (_by(lambda s: (s[:, 0] > 2.4) | (s[:, 2] > 12 * DEGREES)), "a pole can fall to the left, and the track has two ends: take absolute values"),
        (lambda s, t, n: _said(_fallen(s) | torch.full((len(s),), t >= n), torch.zeros(len(s), dtype=torch.bool)), "running out of time is no fall: a value function would learn that a good ride is worth nothing at step `most`"),
        (_time_first, "a ride that has fallen is over for that reason, even in the last step: look for the fall first"),
        (lambda s, t, n: _said(_fallen(s), torch.full((len(s),), t > n)), "out of time is a ride whose step has reached `most`: `>=`, not `>`"),
    ),
    hints=(
        "A ride has fallen if the cart is farther than 2.4 m from the middle, or the pole leans more than 12 degrees.",
        "12 degrees in radians: `12 * math.pi / 180`. Places and angles count on both sides, so take `.abs()`.",
        "Begin with 2 for all if `step >= most`, else 0; then write 1 where `(place.abs() > 2.4) | (angle.abs() > limit)`.",
    ),
)  # fmt: skip


def _counted(ranked):
    return len(ranked), sum(ranked), sum(k * (k - 1) // 2 for k in ranked)


comparisons = Exercise(
    name="my_units",
    title="Prompts, answers, comparisons",
    difficulty=1,
    minutes=10,
    reference=_counted,
    cases=lambda: [([4, 9],), ([2, 2, 2],), ([5],), ([4, 7, 4, 6, 9],)],
    mistakes=(
        (lambda r: (len(r), sum(r), sum(k * (k - 1) for k in r)), "A against B and B against A are one comparison: halve it"),
        (lambda r: (len(r), sum(r), sum(k - 1 for k in r)), "a ranking of K answers compares each with each, not only neighbours"),
        (lambda r: (len(r), sum(r), sum(k * k for k in r)), "no answer is compared with itself, and each pair counts once"),
        (lambda r: (len(r), sum(r), sum(r) * (sum(r) - 1) // 2), "answers to different prompts are not compared with each other"),
    ),
    hints=(
        "Three numbers in order: how many prompts, how many answers in all, how many pairs.",
        "K answers make K(K − 1)/2 pairs: each with each, once.",
        "`len(ranked)`, `sum(ranked)`, and the sum of `k * (k - 1) // 2` over the prompts.",
    ),
)  # fmt: skip

EXERCISES = (trajectory_logp, horizon, kl_objective, terminal, comparisons)
