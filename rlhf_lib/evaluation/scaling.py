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


@dataclass(frozen=True)
class RiseAndFall:
    """How a run's gold reward went: in gold points and relative to one another.

    rise: peak minus start, in standard deviations of single SFT answers. fall: peak minus end, as a
    share of the gain. proxy_kept_rising: the proxy at the end is above its value at gold's peak.
    """

    start: float
    peak: float
    end: float
    peak_step: int
    rise: float
    fall: float
    proxy_kept_rising: bool


def rise_and_fall(gold, proxy, spread: float, start: float | None = None) -> RiseAndFall:
    """Measure a run. gold, proxy: one value a step; spread: gold's standard deviation of SFT answers.

    The peak is that of curves smoothed over five steps; the end is the mean of the last ten steps, since
    single steps scatter. start: gold of the SFT policy, if measured apart.

    Raises:
        ValueError: lengths differ, or spread not positive.
    """
    if len(gold) != len(proxy) or len(gold) == 0:
        raise ValueError("gold and proxy must be of one length, and not empty")
    if not spread > 0:
        raise ValueError(f"spread must be positive; got {spread}")
    smooth_gold, smooth_proxy = smooth(gold), smooth(proxy)
    begin = float(gold[0]) if start is None else start
    top = int(smooth_gold.argmax())
    peak = float(smooth_gold[top])
    end, proxy_end = (float(np.mean(values[-10:])) for values in (gold, proxy))
    gain = peak - begin
    return RiseAndFall(
        start=begin,
        peak=peak,
        end=end,
        peak_step=top,
        rise=gain / spread,
        fall=(peak - end) / gain if gain > 0 else 0.0,
        proxy_kept_rising=bool(proxy_end > smooth_proxy[top]),
    )
