"""Intervals for items that are not independent, and how many items a comparison needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .arrays import to_numpy
from .statistics import Estimate

NORMAL = 1.96
POWER = 0.84
"""In standard errors: an effect that is found in four of five evaluations has to be this far beyond 1.96."""


def clustered_error(values: Sequence[float], clusters: Sequence) -> float:
    """Standard error of the mean of values (N,) that come in clusters (N,). Equation: [EV-4].

    What the items of a cluster have in common is counted once: deviations are summed within a cluster before
    they are squared. With one item a cluster it is the plain standard error. Source: Miller (2024); the small-sample factor C / (C - 1) is
    that of statsmodels.

    Raises:
        ValueError: lengths differ, or fewer than two clusters.
    """
    values, names = to_numpy(values, float), np.asarray(clusters)
    if values.shape != names.shape or values.ndim != 1:
        raise ValueError("values and clusters must be of one length")
    _, place = np.unique(names, return_inverse=True)
    count = int(place.max()) + 1 if values.size else 0
    if count < 2:
        raise ValueError(f"clusters must hold at least 2 different names; got {count}")
    sums = np.bincount(place, values - values.mean())
    return float(math.sqrt(count / (count - 1) * (sums**2).sum()) / values.size)


def clustered_interval(values: Sequence[float], clusters: Sequence) -> Estimate:
    """Mean of values (N,) with a 95% interval by `clustered_error`, which see."""
    error, mean = clustered_error(values, clusters), float(to_numpy(values, float).mean())
    return Estimate(mean, mean - NORMAL * error, mean + NORMAL * error)


def paired_error(a: Sequence[float], b: Sequence[float]) -> float:
    """Standard error of mean(a) - mean(b) on the same N items: that of the differences. Equation: [EV-5].

    Raises:
        ValueError: lengths differ, or fewer than two items.
    """
    a, b = to_numpy(a, float), to_numpy(b, float)
    if a.shape != b.shape or a.size < 2:
        raise ValueError("a and b must be of one length, 2 or more")
    return float((a - b).std(ddof=1) / math.sqrt(a.size))


def unpaired_error(a: Sequence[float], b: Sequence[float]) -> float:
    """Standard error of mean(a) - mean(b) on different items, or where the pairing is thrown away."""
    a, b = to_numpy(a, float), to_numpy(b, float)
    return math.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)


def items_needed(spread: float, difference: float) -> int:
    """Items after which a true `difference` of two means shows in four of five evaluations.

    spread: standard deviation over items of what is averaged (of the differences, if paired).

    Raises:
        ValueError: a spread below 0, or a difference of 0.
    """
    if spread < 0 or difference == 0:
        raise ValueError("spread must be 0 or more, and difference must not be 0")
    return max(1, math.ceil(((NORMAL + POWER) * spread / difference) ** 2))
