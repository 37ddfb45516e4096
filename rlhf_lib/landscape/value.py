"""Summit potential: what a walker will still collect from here, by dynamic programming and by walking.

Dynamic programming on a grid: the average over a Gaussian step is a weighted sum over the grid's points
(the trapezoid rule, which is exact to many digits for a smooth function under a Gaussian that is as wide
as the grid's mesh). Steps beyond the edge end at the edge, so the weight beyond it goes there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .terrain import Terrain, as_points, grid_axis, grid_points, on_map
from .walker import Walker, discounted_return, rewards, walk

END_WEIGHTS = (3 / 8, 7 / 6, 23 / 24)
"""Gregory's correction of the trapezoid rule at its ends."""

CHUNK = 8192
"""Places that are looked up at once, so that memory stays bounded."""


def _axis_weights(means: Tensor, axis: Tensor, sigma: float) -> Tensor:
    """Weights (P, n) with which the points of one axis stand for N(mean, sigma^2), held at the edges."""
    mesh = axis[1] - axis[0]
    z = (axis - means[:, None]) / sigma
    weights = torch.exp(-0.5 * z.square()) * (mesh / (sigma * math.sqrt(2 * math.pi)))
    ends = weights.new_tensor(END_WEIGHTS)
    weights[:, : len(ends)] *= ends
    weights[:, -len(ends) :] *= ends.flip(0)
    weights[:, 0] += torch.special.ndtr(z[:, 0])
    weights[:, -1] += torch.special.ndtr(-z[:, -1])
    return weights / weights.sum(1, keepdim=True)


def _expectation(walker: Walker, points: Tensor, t: int, axis: Tensor):
    """A function that averages a grid (n, n) over step t of the walker from points (P, 2) -> (P,)."""
    landing = points + walker.mean(points, t)
    across = _axis_weights(landing[:, 0], axis, walker.sigma)
    up = _axis_weights(landing[:, 1], axis, walker.sigma)
    return lambda grid: ((up @ grid) * across).sum(1)


@dataclass(frozen=True)
class Value:
    """The exact value of a walker's policy. values (T + 1, n, n): values[t] before step t; rows are y.

    values[T] is 0. For a walker without a trail, values[t] is the value with T - t steps to go.
    """

    values: Tensor
    terrain: Terrain
    walker: Walker
    gamma: float

    @property
    def horizon(self) -> int:
        """Number of steps T."""
        return len(self.values) - 1

    def at(self, points, t: int = 0) -> Tensor:
        """V_t at any points (..., 2) -> (...), by one backup of the grid. Equation: [LS-4]."""
        points = as_points(points)
        if t >= self.horizon:
            return points.new_zeros(points.shape[:-1])
        axis, target = grid_axis(self.values.shape[1]), self._target(t)
        parts = points.reshape(-1, 2).split(CHUNK)
        found = [_expectation(self.walker, part, t, axis)(target) for part in parts]
        return torch.cat(found).view(points.shape[:-1])

    def q(self, points, steps, t: int = 0) -> Tensor:
        """Q_t(s, a) of taking steps (..., 2) from points (..., 2), then the policy. Equation: [LS-5]."""
        landing = on_map(as_points(points) + as_points(steps))
        return self.terrain.altitude(landing) + self.gamma * self.at(landing, t + 1)

    def advantage(self, points, steps, t: int = 0) -> Tensor:
        """Q - V: how much better these first steps are than what the policy does. Equation: [LS-6]."""
        return self.q(points, steps, t) - self.at(points, t)

    def _target(self, t: int) -> Tensor:
        """Reward of landing on each grid point, and the discounted value from there (n, n)."""
        n = self.values.shape[1]
        return self.terrain.altitude(grid_points(n)).view(n, n) + self.gamma * self.values[t + 1]


def solve(terrain: Terrain, walker: Walker, horizon: int, gamma: float = 1.0, n: int = 49) -> Value:
    """V of a walker's policy at every point of an n by n grid, backwards in time. Equation: [LS-4].

    V_t(s) = E[ r(s') + gamma V_{t+1}(s') ], from V_T = 0.

    Raises:
        ValueError: horizon < 1, gamma outside [0, 1], or a grid too coarse for the walker's noise.
    """
    axis, points = grid_axis(n), grid_points(n)
    _check(walker, horizon, gamma, float(axis[1] - axis[0]))
    heights = terrain.altitude(points).view(n, n)
    values, average = [heights.new_zeros(n, n)], None
    for t in reversed(range(horizon)):
        if average is None or walker.trail is not None:
            average = _expectation(walker, points, t, axis)
        values.append(average(heights + gamma * values[-1]).view(n, n))
    return Value(torch.stack(values[::-1]), terrain, walker, gamma)


def _check(walker: Walker, horizon: int, gamma: float, mesh: float) -> None:
    if horizon < 1:
        raise ValueError(f"horizon must be 1 or more; got {horizon}")
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma must be between 0 and 1; got {gamma}")
    if walker.sigma < 0.7 * mesh:
        raise ValueError(
            f"n is too small for steps of sigma {walker.sigma:g}: the grid's mesh is {mesh:.2f}, and "
            "must be no wider than 1.4 sigma"
        )


def monte_carlo(
    terrain: Terrain, walker: Walker, point, horizon: int, gamma: float = 1.0, n: int = 2000,
    seed: int = 0, t: int = 0,
) -> tuple[float, float]:  # fmt: skip
    """(mean, standard error) of the returns of n walks from one point (2,), steps t to horizon - 1.

    Raises:
        ValueError: n < 2.
    """
    if n < 2:
        raise ValueError(f"n must be 2 or more, to have an error; got {n}")
    walks = walk(walker, point, horizon - t, n, seed, first_step=t)
    returns = discounted_return(rewards(terrain, walks), gamma)
    return float(returns.mean()), float(returns.std() / math.sqrt(n))


def bellman_residual(value: Value, points=None, t: int = 0, nodes: int = 12) -> Tensor:
    """V_t(s) - E_a[Q_t(s, a)] at points (P, 2) -> (P,), with E by Gauss-Hermite quadrature.

    Another way to average over the step than the one that V was made with, so it is a test of V.
    points: those of the grid by default.
    """
    points = grid_points(value.values.shape[1]) if points is None else as_points(points)
    steps, weights = quadrature(nodes)
    actions = value.walker.mean(points, t)[:, None] + value.walker.sigma * steps
    q = value.q(points[:, None].expand_as(actions), actions, t)
    return value.at(points, t) - q @ weights


def quadrature(nodes: int) -> tuple[Tensor, Tensor]:
    """Points (nodes^2, 2) and weights (nodes^2,) of Gauss-Hermite quadrature for N(0, I)."""
    import numpy

    z, w = (torch.from_numpy(x) for x in numpy.polynomial.hermite_e.hermegauss(nodes))
    w = w / w.sum()
    grid = torch.stack(torch.meshgrid(z, z, indexing="ij"), -1).view(-1, 2)
    return grid, torch.outer(w, w).flatten()


def sweep_residuals(value: Value) -> Tensor:
    """Largest |V_{h+1} - V_h| of sweep h = 0, 1, ..., (T,): how far each sweep is from standing still.

    For a walker without a trail. It is at most gamma^h times the largest reward.
    """
    changes = (value.values[:-1] - value.values[1:]).abs().amax(dim=(1, 2))
    return changes.flip(0)


@dataclass(frozen=True)
class Rose:
    """First steps in K directions from a point: where they end, their Q and advantage, and V there."""

    point: Tensor
    angles: Tensor
    ends: Tensor
    q: Tensor
    advantage: Tensor
    value: float
    altitude: float

    @property
    def best(self) -> int:
        """Number of the best direction."""
        return int(self.q.argmax())


def rose(
    value: Value, point, directions: int = 16, length: float | None = None, t: int = 0
) -> Rose:
    """Q of a ring of first steps around a point. Equation: [LS-5].

    length: of the steps; by default that of the walker's mean step there, at least 2 sigma.

    Raises:
        ValueError: fewer than 2 directions.
    """
    if directions < 2:
        raise ValueError(f"directions must be 2 or more; got {directions}")
    here = as_points(point)
    if length is None:
        length = max(float(value.walker.mean(here, t).norm()), 2 * value.walker.sigma)
    angles = torch.arange(directions, dtype=torch.float64) * (2 * math.pi / directions)
    steps = length * torch.stack((angles.cos(), angles.sin()), -1)
    q, v = value.q(here.expand_as(steps), steps, t), value.at(here, t)
    return Rose(
        here, angles, on_map(here + steps), q, q - v, float(v), float(value.terrain.altitude(here))
    )
