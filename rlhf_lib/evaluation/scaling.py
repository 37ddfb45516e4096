"""Over-optimization in numbers: Gao et al.'s two curves, and how far a run rose and fell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """A fitted curve of gold gain against d = sqrt(KL), with the d at which it peaks."""

    kind: str
    alpha: float
    beta: float

    def __call__(self, distance):
        d = np.asarray(distance, dtype=float)
        if self.kind == "best_of_n":
            return d * (self.alpha - self.beta * d)
        return d * (self.alpha - self.beta * np.log(np.maximum(d, 1e-12)))

    @property
    def peak(self) -> float:
        """d of the highest predicted gold; infinite where the curve never bends down."""
        if self.beta <= 0:
            return float("inf")
        if self.kind == "best_of_n":
            return self.alpha / (2 * self.beta)
        return float(np.exp(self.alpha / self.beta - 1))


def fit_best_of_n_curve(distance, gain) -> Curve:
    """Least squares of R(d) = d (alpha - beta d). Source: Gao et al. (2022). Equation: [OO-1].

    distance (n,): sqrt of the KL in nats. gain (n,): gold minus its value at d = 0.

    Raises:
        ValueError: fewer than 2 points with d > 0.
    """
    d, gain = _points(distance, gain)
    return Curve("best_of_n", *_solve(np.stack((d, -(d**2)), 1), gain))


def fit_rl_curve(distance, gain) -> Curve:
    """Least squares of R(d) = d (alpha - beta log d). Source: Gao et al. (2022). Equation: [OO-2].

    Arguments and errors as `fit_best_of_n_curve`.
    """
    d, gain = _points(distance, gain)
    return Curve("rl", *_solve(np.stack((d, -d * np.log(d)), 1), gain))


def _points(distance, gain):
    d, gain = np.asarray(distance, dtype=float), np.asarray(gain, dtype=float)
    if d.shape != gain.shape:
        raise ValueError("distance and gain must be of one length")
    keep = d > 1e-6
    if keep.sum() < 2:
        raise ValueError("distance must hold at least 2 points above 0")
    return d[keep], gain[keep]


def _solve(columns, gain) -> tuple[float, float]:
    alpha, beta = np.linalg.lstsq(columns, gain, rcond=None)[0]
    return float(alpha), float(beta)


def smooth(values, window: int = 5) -> np.ndarray:
    """Centred moving average; at the ends over what there is."""
    values = np.asarray(values, dtype=float)
    half = window // 2
    return np.array([values[max(0, i - half) : i + half + 1].mean() for i in range(len(values))])
