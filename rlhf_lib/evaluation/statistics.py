"""Numbers with intervals: win rates, means, calibration, the ceiling that noisy labels set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import to_numpy


@dataclass(frozen=True)
class Estimate:
    """A value with a 95% interval."""

    value: float
    low: float
    high: float

    def __repr__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def _array(values) -> np.ndarray:
    array = to_numpy(values, float)
    if array.size == 0:
        raise ValueError("values must not be empty")
    return array


def mean_interval(values: Sequence[float]) -> Estimate:
    """Mean with a normal 95% interval, +-1.96 standard errors; no width for a single value.

    Raises:
        ValueError: no values.
    """
    array = _array(values)
    error = 1.96 * array.std(ddof=1) / math.sqrt(array.size) if array.size > 1 else 0.0
    return Estimate(float(array.mean()), float(array.mean() - error), float(array.mean() + error))


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Mean of a - b on the same prompts, with the interval of the differences.

    Narrower than that of two separate means whenever a hard prompt is hard for both.

    Raises:
        ValueError: lengths differ, or nothing to compare.
    """
    a, b = _array(a), _array(b)
    if a.shape != b.shape:
        raise ValueError(f"a and b differ in length: {a.shape} and {b.shape}")
    return mean_interval(a - b)


def proportion(successes: float, n: int) -> Estimate:
    """A share with Wilson's 95% interval, which stays within [0, 1]. `successes` may count halves.

    Raises:
        ValueError: n < 1, or successes outside [0, n].
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and n, n >= 1; got {successes} of {n}")
    p, z2 = successes / n, 1.96**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = 1.96 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Estimate(p, max(0.0, centre - half), min(1.0, centre + half))


def win_rate(scores_a: Sequence[float], scores_b: Sequence[float]) -> Estimate:
    """How often a beats b on the same prompts; ties count half.

    Raises:
        ValueError: lengths differ, or nothing to compare.
    """
    a, b = _array(scores_a), _array(scores_b)
    if a.shape != b.shape:
        raise ValueError(f"scores_a and scores_b differ in length: {a.shape} and {b.shape}")
    return proportion(float((a > b).sum() + 0.5 * (a == b).sum()), a.size)


def accuracy_ceiling(gaps: Sequence[float], temperature: float) -> float:
    """The best accuracy possible on labels of a Bradley-Terry annotator: mean max(p, 1 - p).

    gaps: differences in perceived utility of the pairs; p = sigmoid(gap / temperature).

    Raises:
        ValueError: no gaps, or temperature not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive; got {temperature}")
    p = 1 / (1 + np.exp(-np.clip(_array(gaps) / temperature, -500, 500)))
    return float(np.maximum(p, 1 - p).mean())


def accuracy_by_category(chosen, rejected, categories: Sequence[str]) -> dict[str, Estimate]:
    """Share of pairs that a reward model orders as the annotator did, by category and for 'all'.

    chosen, rejected (n,): rewards. Equal rewards count half.

    Raises:
        ValueError: lengths differ.
    """
    chosen, rejected = _array(chosen), _array(rejected)
    if not len(chosen) == len(rejected) == len(categories):
        raise ValueError("chosen, rejected and categories must be of one length")
    right = (chosen > rejected) + 0.5 * (chosen == rejected)
    names = np.asarray(categories)
    groups = {name: right[names == name] for name in sorted(set(categories))}
    groups["all"] = right
    return {name: proportion(float(hits.sum()), hits.size) for name, hits in groups.items()}


@dataclass(frozen=True)
class Calibration:
    """Bins of predicted probabilities: mean prediction, observed share with interval, count."""

    predicted: list[float]
    observed: list[Estimate]
    counts: list[int]
    error: float
    """Expected calibration error: mean |predicted - observed|, weighted by count."""


def calibration(probabilities, outcomes, bins: int = 10) -> Calibration:
    """Compare predicted probabilities (n,) with what happened (n,) of 0 and 1, in equal-width bins.

    Raises:
        ValueError: lengths differ, probabilities outside [0, 1], or bins < 1.
    """
    p, happened = _array(probabilities), _array(outcomes)
    if p.shape != happened.shape:
        raise ValueError("probabilities and outcomes must be of one length")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities must lie between 0 and 1")
    if bins < 1:
        raise ValueError(f"bins must be 1 or more; got {bins}")
    place = np.minimum((p * bins).astype(int), bins - 1)
    used = [b for b in range(bins) if (place == b).any()]
    predicted = [float(p[place == b].mean()) for b in used]
    counts = [int((place == b).sum()) for b in used]
    observed = [
        proportion(float(happened[place == b].sum()), n) for b, n in zip(used, counts, strict=True)
    ]
    gaps = (n * abs(o.value - q) for n, o, q in zip(counts, observed, predicted, strict=True))
    return Calibration(predicted, observed, counts, sum(gaps) / p.size)
