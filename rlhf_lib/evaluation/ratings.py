"""Ratings from comparisons: Elo, Bradley-Terry, and Bradley-Terry with style held constant.

A vote is a pair of models and a score: 1 if the first wins, 0 if the second does, 1/2 for a tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import to_numpy

POINTS = 400 / np.log(10)
"""Elo points of one nat of log-odds: 400 points are odds of ten to one."""
START = 1000.0
"""The rating of a newcomer, and the mean of fitted ratings."""
ROUNDS = 100


@dataclass(frozen=True)
class Ratings:
    """ratings (K,): in Elo points, with mean 1000. weights (S,): what one standard deviation of each
    style is worth, in nats of log-odds; empty without styles. errors (K,): standard errors of the
    ratings, in points."""

    ratings: np.ndarray
    weights: np.ndarray
    errors: np.ndarray

    def order(self) -> list[int]:
        """Models from the best to the worst."""
        return [int(place) for place in np.argsort(-self.ratings, kind="stable")]


def elo_ratings(first, second, score, models: int, k: float = 32.0) -> np.ndarray:
    """Ratings (models,) after the votes in the order in which they came. Equation: [EV-1].

    first, second (N,): numbers of the models in each vote. score (N,): 1, 0 or 1/2. k: the most that one
    vote can move a rating, in points. Source: Elo (1978); book, chapter Evaluation.

    Raises:
        ValueError: lengths differ, a model out of range or against itself, a score outside [0, 1].
    """
    first, second, score = checked_votes(first, second, score, models)
    ratings = np.full(models, START)
    for a, b, won in zip(first, second, score, strict=True):
        expected = 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400))
        ratings[a] += k * (won - expected)
        ratings[b] -= k * (won - expected)
    return ratings


def bradley_terry(first, second, score, models: int, style=None, ridge: float = 0.0) -> Ratings:
    """The ratings under which the votes are likeliest, by Newton's method. Equation: [EV-2].

    Arguments as in `elo_ratings`. style (N, S): how much more of each style the first answer has than the
    second; each column is divided by its standard deviation, and fitted beside the ratings. Equation:
    [EV-3]. Source: Chiang et al. (2024); LMSYS, "Does style matter?" (2024). ridge: price of squared
    log-odds; 0 is the maximum likelihood.

    Raises:
        ValueError: as `elo_ratings`; style of another length; votes that no finite ratings fit best, such
            as a model that wins always.
    """
    first, second, score = checked_votes(first, second, score, models)
    design = np.zeros((len(score), models))
    rows = np.arange(len(score))
    design[rows, first], design[rows, second] = 1.0, -1.0
    if style is not None:
        design = np.hstack((design, scaled_style(style, len(score))))
    weights, curvature = newton(design, score, models, ridge)
    level = 1 / (models * (1 + ridge))  # of the ratings' common level, which no vote can move
    spread = np.sqrt(np.clip(np.diag(np.linalg.inv(curvature)) - level, 0, None)[:models])
    strength = weights[:models] - weights[:models].mean()
    return Ratings(START + POINTS * strength, weights[models:], POINTS * spread)


def newton(design: np.ndarray, score: np.ndarray, models: int, ridge: float):
    """Weights (K + S,) of the logistic regression without intercept, and its curvature.

    Only differences of ratings count; the curvature gets ones among the ratings, so that it can be
    inverted, and ratings then sum to 0.
    """
    weights = np.zeros(design.shape[1])
    level = np.zeros((design.shape[1],) * 2)
    level[:models, :models] = 1 / models
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (score - chance) - ridge * weights
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design
        curvature += level + ridge * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step * min(1.0, 5 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-10:
            return weights, curvature
        if np.abs(weights).max() > 15:
            break
    raise ValueError(
        "score: no finite ratings fit these votes best. Does a model win (or lose) all its votes, or do two "
        "groups of models never meet? Collect more votes, or give a ridge such as 0.1"
    )


def scaled_style(style, votes: int) -> np.ndarray:
    """Differences of style (N, S), each column in its own standard deviations; a constant one stays."""
    style = to_numpy(style, float)
    if style.ndim != 2 or len(style) != votes:
        raise ValueError(
            f"style must be (N, S) with a row for each of {votes} votes; got {style.shape}"
        )
    spread = style.std(0)
    return style / np.where(spread > 0, spread, 1.0)


def checked_votes(first, second, score, models: int):
    """The votes as arrays. Raises ValueError where they are none."""
    first, second, score = to_numpy(first, int), to_numpy(second, int), to_numpy(score, float)
    if not first.shape == second.shape == score.shape or first.ndim != 1 or first.size == 0:
        raise ValueError("first, second and score must be of one length, 1 or more")
    if min(first.min(), second.min()) < 0 or max(first.max(), second.max()) >= models:
        raise ValueError(f"first and second must lie between 0 and models - 1 = {models - 1}")
    if (first == second).any():
        raise ValueError("first and second must differ: a model cannot be compared with itself")
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("score must be 1 (the first wins), 0 (the second wins) or 0.5 (a tie)")
    return first, second, score


def kendall_tau(a, b) -> float:
    """How far two orders agree: (pairs in the same order - pairs in the other) / all pairs; ties count 0.

    1: the same order; 0: no relation; -1: reversed. Raises ValueError for lengths that differ or are below 2.
    """
    a, b = to_numpy(a, float), to_numpy(b, float)
    if a.shape != b.shape or a.size < 2:
        raise ValueError("a and b must be of one length, 2 or more")
    i, j = np.triu_indices(a.size, 1)
    return float((np.sign(a[i] - a[j]) * np.sign(b[i] - b[j])).mean())
