"""Exercises of chapter 18."""

from __future__ import annotations

import math

import torch

from ..kit.cases import normal
from ..kit.exercise import Exercise


def _best_of_n_kl(n):
    return math.log(n) - (n - 1) / n


best_of_n_kl = Exercise(
    name="my_best_of_n_kl",
    title="How far is best-of-n? [KL-4]",
    difficulty=1,
    minutes=5,
    reference=_best_of_n_kl,
    cases=lambda: [(1,), (2,), (16,), (1000,)],
    mistakes=(
        (
            lambda n: math.log(n),
            "you have the first term only: taking the best costs log n - (n - 1) / n",
        ),
        (lambda n: math.log(n) + (n - 1) / n, "the second term is subtracted, not added"),
        (lambda n: math.log2(n) - (n - 1) / n, "KL is in nats here: use the natural logarithm"),
        (
            lambda n: math.log(n) - n / (n + 1),
            "the second term is (n - 1) / n: for n = 1 the KL must be 0",
        ),
    ),
    hints=(
        "For n = 1 nothing is chosen, so the KL must be 0.",
        "Two terms: the logarithm of n, and what is taken off again, which grows from 0 to 1.",
        "log n − (n − 1)/n, natural logarithm.",
    ),
)


def _pessimistic(scores, k):
    return scores.mean(0) - k * scores.std(0)


pessimistic = Exercise(
    name="pessimistic_reward",
    title="A cautious ensemble",
    difficulty=1,
    minutes=5,
    reference=_pessimistic,
    cases=lambda: [
        (normal(3, 4, seed=1), 1.0),
        (normal(5, 2, seed=2), 0.5),
        (normal(2, 6, seed=3), 2.0),
    ],
    mistakes=(
        (
            lambda s, k: s.mean(0) + k * s.std(0),
            "you add the disagreement: that seeks out answers on which the models disagree",
        ),
        (
            lambda s, k: s.mean(1) - k * s.std(1),
            "you combine over the wrong dimension: scores is (members, answers)",
        ),
        (lambda s, k: s.mean(0) - s.std(0), "k is missing: it sets how cautious the ensemble is"),
        (
            lambda s, k: s.mean(0) - k * s.var(0),
            "this subtracts the variance; the standard deviation has the units of the reward",
        ),
        (
            lambda s, k: s.mean(0) - k * s.std(0, unbiased=False),
            "close: take the unbiased standard deviation (divide by members - 1), torch's default",
        ),
    ),
    hints=(
        "Dimension 0 runs over the members of the ensemble.",
        "Where the members disagree, their standard deviation is large: that is what is taken off.",
        "`scores.mean(0) - k * scores.std(0)`",
    ),
)


def _fit_best_of_n(distance, gold):
    columns = torch.stack((distance, -distance.square()), dim=1)
    alpha, beta = torch.linalg.lstsq(columns, gold[:, None]).solution.flatten().tolist()
    return alpha, beta


def _fit_columns(columns, gold):
    return tuple(torch.linalg.lstsq(columns, gold[:, None]).solution.flatten().tolist()[:2])


def _curve(alpha, beta, seed):
    d = torch.linspace(0.2, 3, 12, dtype=torch.float64)
    return d, d * (alpha - beta * d) + 0.02 * normal(12, seed=seed)


fit_best_of_n = Exercise(
    name="fit_best_of_n",
    title="Fit the curve [OO-1]",
    difficulty=3,
    minutes=15,
    reference=_fit_best_of_n,
    cases=lambda: [_curve(1.0, 0.2, 1), _curve(0.6, 0.35, 2)],
    mistakes=(
        (
            lambda d, g: _fit_columns(torch.stack((d, d.square()), 1), g),
            "your beta has the wrong sign: R(d) = d (alpha - beta d), so the second column is -d^2",
        ),
        (
            lambda d, g: _fit_columns(torch.stack((d, -d.square(), torch.ones_like(d)), 1), g),
            "you fit an intercept too: at d = 0 nothing has changed, so the curve goes through 0",
        ),
        (
            lambda d, g: _fit_columns(torch.stack((d.square(), -d.square().square()), 1), g),
            "d is the square root of the KL already: do not square it again",
        ),
        (
            lambda d, g: _fit_columns(torch.stack((d, -d * d.log()), 1), g),
            "this is the form for RL, d (alpha - beta log d); best-of-n has d (alpha - beta d)",
        ),
    ),
    hints=(
        "The form is linear in α and β: α · d + β · (−d²).",
        "Build a matrix with the columns d and −d².",
        "`torch.linalg.lstsq(matrix, gold[:, None]).solution` holds α and β.",
    ),
    tolerance=1e-4,
)


def _early_stop(validation, patience):
    best = 0
    for i, value in enumerate(validation):
        if value > validation[best]:
            best = i
        elif i - best >= patience:
            break
    return best


def _stop_index(validation, patience):
    best = 0
    for i, value in enumerate(validation):
        if value > validation[best]:
            best = i
        elif i - best >= patience:
            return i
    return len(validation) - 1


early_stop = Exercise(
    name="early_stop",
    title="Stop before the fall",
    difficulty=2,
    minutes=10,
    reference=_early_stop,
    cases=lambda: [
        ([0.1, 0.3, 0.5, 0.4, 0.2, 0.1], 2),
        ([0.0, 0.2, 0.1, 0.3, 0.2, 0.1, 0.9], 2),
        ([0.0, 0.2, 0.1, 0.3, 0.2, 0.1, 0.9], 4),
        ([0.5, 0.4, 0.6, 0.7], 3),
        ([0.0, 0.3, 0.2, 0.1, 0.4, 0.0, 0.0, 0.0, 0.9], 2),
    ],
    mistakes=(
        (
            _stop_index,
            "this is where you stopped looking; the weights to keep are those of the best checkpoint",
        ),
        (
            lambda v, p: max(range(len(v)), key=v.__getitem__),
            "you looked at the whole run: with patience you stop, and never see what comes later",
        ),
        (
            lambda v, p: _early_stop(v, p + 1),
            "you wait one check too long: stop at the `patience`-th check without a new best",
        ),
        (
            lambda v, p: _early_stop(v, p) + 1,
            "off by one: checkpoints are counted from 0",
        ),
    ),
    hints=(
        "Walk through the checks; remember the index of the best so far.",
        "Stop when `patience` checks have passed since the best one.",
        "Return the best one's index, not the one at which you stopped.",
    ),
)

EXERCISES = (best_of_n_kl, pessimistic, early_stop, fit_best_of_n)
