"""One hill for two summits: a Gaussian fitted to a target with two modes, by either direction of the KL.

Everything is a sum over a grid of places, so nothing is sampled. Book: `c/15-regularization`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..objectives import exact_kl


def grid(points: int = 401, end: float = 8.0) -> Tensor:
    """Places (K,) from -end to end, evenly."""
    return torch.linspace(-end, end, points, dtype=torch.float64)


def gaussian(mean, sd, places: Tensor) -> Tensor:
    """log-probabilities (K,) of a normal distribution over the places of a grid."""
    return (-0.5 * ((places - mean) / sd) ** 2).log_softmax(-1)


def two_modes(
    gap: float, weight: float = 0.5, sd: float = 0.7, places: Tensor | None = None
) -> Tensor:
    """log-probabilities (K,) of two normal summits at -gap / 2 and gap / 2; the right one has `weight`.

    Raises:
        ValueError: a weight outside (0, 1), or an sd that is not positive.
    """
    if not 0 < weight < 1 or not sd > 0:
        raise ValueError(f"weight must lie in (0, 1) and sd above 0; got {weight} and {sd}")
    places = grid() if places is None else places
    left, right = gaussian(-gap / 2, sd, places).exp(), gaussian(gap / 2, sd, places).exp()
    return ((1 - weight) * left + weight * right).log()


@dataclass(frozen=True)
class Fit:
    """A fitted Gaussian, both of its distances to the target, and its log-probabilities (K,)."""

    mean: float
    sd: float
    forward_kl: float
    reverse_kl: float
    logp: Tensor


def fit_gaussian(
    target: Tensor,
    direction: str = "reverse",
    start: tuple[float, float] = (0.0, 1.0),
    places: Tensor | None = None,
    steps: int = 40,
) -> Fit:
    """Fit a Gaussian to target (K,) by descent from start = (mean, sd).

    forward: KL(target || fit), supervised learning. reverse: KL(fit || target), what RL minimises when the
    target is pi*; it may have several minima, and the start decides which is found.

    Raises:
        ValueError: unknown direction.
    """
    if direction not in ("forward", "reverse"):
        raise ValueError(f"direction must be 'forward' or 'reverse'; got {direction!r}")
    places = grid() if places is None else places
    mean, log_sd = (
        torch.tensor(x, dtype=torch.float64, requires_grad=True)
        for x in (float(start[0]), float(torch.tensor(start[1]).log()))
    )
    optimizer = torch.optim.LBFGS(
        (mean, log_sd), lr=0.5, max_iter=steps, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        fitted = gaussian(mean, log_sd.exp(), places)
        kl = exact_kl(target, fitted) if direction == "forward" else exact_kl(fitted, target)
        kl.backward()
        return kl

    optimizer.step(loss)
    with torch.no_grad():
        logp = gaussian(mean, log_sd.exp(), places)
        both = exact_kl(target, logp).item(), exact_kl(logp, target).item()
    return Fit(mean.item(), log_sd.exp().item(), *both, logp)


def mass_between(logp: Tensor, low: float, high: float, places: Tensor | None = None) -> float:
    """Probability that logp (K,) gives to the places between low and high."""
    places = grid() if places is None else places
    return logp.exp()[(places > low) & (places < high)].sum().item()
