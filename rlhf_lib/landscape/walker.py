"""The walker: a stochastic policy that takes Gaussian steps, alone or along a drawn path.

State: a point of the map and the number t of steps taken. Action: a step, drawn from N(m(s, t),
sigma^2 I). The mean step is linear in the weights, so that log-probabilities, KL divergences and
natural gradients have closed forms. Glossary: B walks, T steps, M weights' rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .terrain import EXTENT, as_points, grid_points, grid_products, on_map

CENTRES = 9
SPREAD = 0.8
AXIS = torch.linspace(-EXTENT, EXTENT, CENTRES, dtype=torch.float64)


def step_features(points: Tensor) -> Tensor:
    """Normalised radial bases (..., M) on a 9 by 9 grid of centres: positive, with sum 1.

    A weighted mean of the weights' rows is never longer than the longest of them: what bounds the
    rows bounds the mean step everywhere.
    """
    gaps = (on_map(points)[..., None] - AXIS) / SPREAD  # (..., 2, 9)
    bases = torch.exp(-0.5 * gaps.square())
    x, y = (bases / bases.sum(-1, keepdim=True)).unbind(-2)
    return grid_products(x, y)


def centres() -> Tensor:
    """Where the bases stand, (M, 2)."""
    return grid_points(CENTRES)


@dataclass(frozen=True)
class Trail:
    """A drawn path, points (T + 1, 2), and how hard a walker on it is pulled back to it.

    pull: share of the distance to the path that one step makes good, from 0 to 1.

    Raises:
        ValueError: fewer than 2 points, or pull outside [0, 1].
    """

    points: Tensor
    pull: float = 0.3

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or len(self.points) < 2:
            raise ValueError(f"points must be (T + 1, 2); got {tuple(self.points.shape)}")
        if not 0 <= self.pull <= 1:
            raise ValueError(f"pull must be between 0 and 1; got {self.pull}")

    def step(self, points: Tensor, t: int | Tensor) -> Tensor:
        """The path's own step number t, and part of the way back to the path. (..., 2).

        t: one number, or (T,) for points (..., T, 2). After its end the path stays where it is.
        """
        last = len(self.points) - 1
        here, ahead = (
            self.points[i.clamp(max=last) if isinstance(i, Tensor) else min(i, last)]
            for i in (t, t + 1)
        )
        return ahead - here - self.pull * (points - here)


@dataclass(frozen=True)
class Walker:
    """A Gaussian step policy: mean step = the trail's (if any) + features @ weights.

    weights (M, 2). sigma: standard deviation of a step in x and in y. With a trail, weights are what
    the policy has learned on top of its baseline, which is the same walker with weights 0.

    Raises:
        ValueError: weights are not (M, 2), or sigma not positive.
    """

    weights: Tensor
    sigma: float = 0.2
    trail: Trail | None = None

    def __post_init__(self) -> None:
        if self.weights.shape != (CENTRES**2, 2):
            raise ValueError(f"weights must be ({CENTRES**2}, 2); got {tuple(self.weights.shape)}")
        if not self.sigma > 0:
            raise ValueError(f"sigma must be positive; got {self.sigma}")

    def mean(self, points: Tensor, t: int | Tensor = 0) -> Tensor:
        """Mean step (..., 2) of step number t from points (..., 2). Equation: [LS-2].

        t: one number, or (T,) for points (..., T, 2).
        """
        return self.deviation(points) + self.guided(points, t)

    def deviation(self, points: Tensor) -> Tensor:
        """What the weights add to the baseline's mean step at points (..., 2)."""
        return step_features(points) @ self.weights

    def guided(self, points: Tensor, t: int | Tensor = 0) -> Tensor:
        """The baseline's mean step (..., 2): along the trail, or none."""
        return torch.zeros_like(points) if self.trail is None else self.trail.step(points, t)

    def baseline(self) -> Walker:
        """The same walker before it learned anything."""
        return replace(self, weights=torch.zeros_like(self.weights))

    def with_weights(self, weights: Tensor) -> Walker:
        """The same walker with other weights."""
        return replace(self, weights=weights)

    def with_sigma(self, sigma: float) -> Walker:
        """The same walker with more or less noise."""
        return replace(self, sigma=float(sigma))


def walker_of(field, sigma: float = 0.2, trail: Trail | None = None) -> Walker:
    """A walker whose mean step is about field(points (..., 2)) -> (..., 2), taken at the centres."""
    return Walker(field(centres()), sigma, trail)


def resting_walker(sigma: float = 0.2, trail: Trail | None = None) -> Walker:
    """A walker with weights 0: it stays about where it is, or follows its trail."""
    return Walker(torch.zeros(CENTRES**2, 2, dtype=torch.float64), sigma, trail)


@dataclass(frozen=True)
class Walks:
    """A batch of walks: states (B, T + 1, 2), steps as drawn (B, T, 2), their logp (B, T), noise."""

    states: Tensor
    steps: Tensor
    logp: Tensor
    noise: Tensor


def step_logp(steps: Tensor, means: Tensor, sigma: float) -> Tensor:
    """log N(step; mean, sigma^2 I) of steps (..., 2) -> (...). Equation: [LS-2]."""
    squares = (steps - means).square().sum(-1)
    return -squares / (2 * sigma**2) - math.log(2 * math.pi * sigma**2)


def dice(n: int, horizon: int, seed: int) -> Tensor:
    """Standard normal noise (n, horizon, 2) of its own generator."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, horizon, 2, generator=generator, dtype=torch.float64)


@torch.no_grad()
def walk(
    walker: Walker, start, horizon: int, n: int = 1, seed: int = 0, noise: Tensor | None = None,
    first_step: int = 0,
) -> Walks:  # fmt: skip
    """n walks of `horizon` steps from start (2,) or (n, 2): a batch of trajectories.

    noise (n, horizon, 2): the dice to use instead of fresh ones of `seed`. first_step: the number of
    the first step, for walks that begin half-way along a trail. A step that would leave the map ends
    at its edge; `steps` are as drawn, before that.

    Raises:
        ValueError: horizon < 1.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be 1 or more; got {horizon}")
    noise = dice(n, horizon, seed) if noise is None else noise
    states, steps = [as_points(start).expand(len(noise), 2)], []
    for t in range(horizon):
        mean = walker.mean(states[-1], first_step + t)
        steps.append(mean + walker.sigma * noise[:, t])
        states.append(on_map(states[-1] + steps[-1]))
    logp = -0.5 * noise.square().sum(-1) - math.log(2 * math.pi * walker.sigma**2)
    return Walks(torch.stack(states, 1), torch.stack(steps, 1), logp, noise)


def means_of(walker: Walker, walks: Walks) -> Tensor:
    """Mean steps (B, T, 2) that a walker would take at the states of some walks."""
    before = walks.states[:, :-1]
    return walker.mean(before, torch.arange(before.shape[1]))


def guided_of(walker: Walker, walks: Walks) -> Tensor:
    """Mean steps (B, T, 2) that the walker's baseline would take at the states of some walks."""
    before = walks.states[:, :-1]
    return walker.guided(before, torch.arange(before.shape[1]))


def mean_path(walker: Walker, start, horizon: int) -> Tensor:
    """The path (T + 1, 2) of a walker whose dice show nothing but zeros."""
    still = torch.zeros(1, horizon, 2, dtype=torch.float64)
    return walk(walker, start, horizon, noise=still).states[0]


def rewards(terrain, walks: Walks) -> Tensor:
    """Immediate rewards (B, T): the altitude of each point stepped onto. Equation: [LS-1]."""
    return terrain.altitude(walks.states[:, 1:])


def discounted_return(rewards: Tensor, gamma: float = 1.0) -> Tensor:
    """r_1 + gamma r_2 + gamma^2 r_3 + ... of rewards (..., T) -> (...). Equation: [LS-3].

    Raises:
        ValueError: gamma outside [0, 1].
    """
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma must be between 0 and 1; got {gamma}")
    powers = gamma ** torch.arange(rewards.shape[-1], dtype=rewards.dtype)
    return (rewards * powers).sum(-1)


def compass(walker: Walker, n: int = 13, t: int = 0) -> tuple[Tensor, Tensor]:
    """(points (n * n, 2), mean steps (n * n, 2)): the arrows of a compass field."""
    points = grid_points(n + 2).view(n + 2, n + 2, 2)[1:-1, 1:-1].reshape(-1, 2)
    return points, walker.mean(points, t)
