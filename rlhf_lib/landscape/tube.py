"""The safety corridor: where a KL budget lets a walker go, around the path of its baseline.

Two Gaussian step policies of equal sigma differ by KL = |d|^2 / (2 sigma^2), d the difference of their
mean steps. So a budget of eps nats on a step allows |d| <= sigma sqrt(2 eps), and nothing else. Walk and
baseline walk with the same dice: the noise cancels in their difference, which obeys

    delta_{t+1} = (1 - pull) delta_t + d_t.

The walls below are the largest |delta_t| that the budget allows; some walker in budget reaches them. (The
edge of the map can only bring two walks closer.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..objectives import kl_estimate
from .terrain import as_points
from .walker import Walker, Walks, dice, guided_of, mean_path, means_of, step_logp, walk

SCHEDULES = ("steady", "even", "early", "late")
SLACK = 1e-9
"""Rounding that is forgiven at the wall."""


def step_kl(first: Tensor, second: Tensor, sigma: float) -> Tensor:
    """KL(N(first, sigma^2 I) || N(second, sigma^2 I)) in nats, means (..., 2) -> (...). Equation: [LS-7].

    |first - second|^2 / (2 sigma^2): symmetric, because the spreads are equal.

    Raises:
        ValueError: shapes differ, or sigma not positive.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"first and second must have one shape; got {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    if not sigma > 0:
        raise ValueError(f"sigma must be positive; got {sigma}")
    return (first - second).square().sum(-1) / (2 * sigma**2)


def step_radius(budget: float, sigma: float) -> float:
    """sigma sqrt(2 eps): how far a mean step may differ for eps nats. Equation: [LS-7].

    Raises:
        ValueError: budget negative.
    """
    if not budget >= 0:
        raise ValueError(f"budget must be 0 or more nats; got {budget}")
    return sigma * math.sqrt(2 * budget)


def spending(horizon: int, budget: float, schedule: str = "steady") -> Tensor:
    """Nats allowed on each step (T,).

    schedule: 'steady': `budget` on every step. The others split a total of `budget` over the walk:
    'even'; 'early', in proportion to T, T - 1, ..., 1; 'late', to 1, 2, ..., T.

    Raises:
        ValueError: unknown schedule, or horizon < 1.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}; got {schedule!r}")
    if horizon < 1:
        raise ValueError(f"horizon must be 1 or more; got {horizon}")
    shares = torch.ones(horizon, dtype=torch.float64)
    if schedule == "steady":
        return budget * shares
    if schedule != "even":
        shares = shares.cumsum(0)
    shares = shares.flip(0) if schedule == "early" else shares
    return budget * shares / shares.sum()


def tube_radii(
    horizon: int, budget: float, sigma: float, pull: float = 0.0, schedule: str = "steady"
) -> Tensor:
    """Radius (T + 1,) of the tube after t steps. Equation: [LS-8].

    r_0 = 0, r_{t+1} = (1 - pull) r_t + sigma sqrt(2 eps_t). Spent steadily it is
    t sigma sqrt(2 eps) without a pull, and levels off at sigma sqrt(2 eps) / pull with one.

    Raises:
        ValueError: as `spending` and `step_radius`.
    """
    radii = [0.0]
    for nats in spending(horizon, budget, schedule).tolist():
        radii.append((1 - pull) * radii[-1] + step_radius(nats, sigma))
    return torch.tensor(radii, dtype=torch.float64)


def widest_radii(horizon: int, total: float, sigma: float, pull: float = 0.0) -> Tensor:
    """How far a total of `total` nats can bring a walker after t steps, however it is split (T + 1,).

    sigma sqrt(2 E) sqrt(sum over j < t of (1 - pull)^(2 j)), by the Cauchy-Schwarz inequality; without
    a pull sigma sqrt(2 E t), reached at t by spending evenly until then. Equation: [LS-8].

    Raises:
        ValueError: horizon < 1, or total negative.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be 1 or more; got {horizon}")
    shrink = (1 - pull) ** (2 * torch.arange(horizon, dtype=torch.float64))
    reach = torch.cat((shrink.new_zeros(1), shrink.cumsum(0))).sqrt()
    return step_radius(total, sigma) * reach


@dataclass(frozen=True)
class Tube:
    """A corridor: at time t the disc of radius radii[t] around path[t]. path (T + 1, 2)."""

    path: Tensor
    radii: Tensor

    def contains(self, paths: Tensor) -> Tensor:
        """Whether each point of paths (..., T + 1, 2) is inside at its time -> bool (..., T + 1)."""
        return (as_points(paths) - self.path).norm(dim=-1) <= self.radii + SLACK

    def leaving(self, paths: Tensor) -> Tensor:
        """Whether a path (..., T + 1, 2) is ever outside -> bool (...)."""
        return ~self.contains(paths).all(-1)

    def walls(self) -> tuple[Tensor, Tensor]:
        """Left and right wall (T + 1, 2): the radius at right angles to the path."""
        ahead = torch.gradient(self.path, dim=0)[0]
        left = torch.stack((-ahead[:, 1], ahead[:, 0]), -1)
        left = left / left.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return self.path + self.radii[:, None] * left, self.path - self.radii[:, None] * left


def kl_tube(walker: Walker, start, horizon: int, budget: float, schedule: str = "steady") -> Tube:
    """The tube around the mean path of the walker's baseline.

    Raises:
        ValueError: the walker has no trail, so that its baseline's pull is not known.
    """
    if walker.trail is None:
        raise ValueError("walker must have a trail: the tube is drawn around its path")
    radii = tube_radii(horizon, budget, walker.sigma, walker.trail.pull, schedule)
    return Tube(mean_path(walker.baseline(), start, horizon), radii)


def noise_spread(horizon: int, sigma: float, pull: float = 0.0) -> Tensor:
    """Standard deviation (T + 1,), in x and in y, of where the dice alone bring a baseline walk."""
    return widest_radii(horizon, 0.5, sigma, pull)


@dataclass(frozen=True)
class Pairs:
    """Walks and baseline walks with the same dice; shifted (B, T + 1, 2) is without the noise."""

    walks: Walks
    baseline: Walks
    shifted: Tensor


def same_dice(walker: Walker, start, horizon: int, n: int = 64, seed: int = 0) -> Pairs:
    """Let a walker and its baseline walk with the same noise.

    shifted = baseline's mean path + (walk - baseline walk): what the policy chose, not the dice. Of
    a walker that keeps the budget on every step, no `shifted` path leaves the tube.
    """
    noise = dice(n, horizon, seed)
    learned = walk(walker, start, horizon, noise=noise)
    plain = walk(walker.baseline(), start, horizon, noise=noise)
    path = mean_path(walker.baseline(), start, horizon)
    return Pairs(learned, plain, path + learned.states - plain.states)


def kl_of_walks(walker: Walker, walks: Walks) -> Tensor:
    """Closed-form KL to the baseline on each step of some walks (B, T). Equation: [LS-7]."""
    apart = walker.deviation(walks.states[:, :-1])
    return step_kl(apart, torch.zeros_like(apart), walker.sigma)


def kl_between(walker: Walker, other: Walker, walks: Walks) -> Tensor:
    """Closed-form KL(walker || other) on each step of some walks (B, T), both with the same sigma. Equation: [LS-7].

    Raises:
        ValueError: the walkers' sigmas differ: then KL is no length.
    """
    if walker.sigma != other.sigma:
        raise ValueError(
            f"other must have the walker's sigma, {walker.sigma:g}; got {other.sigma:g}"
        )
    return step_kl(means_of(walker, walks), means_of(other, walks), walker.sigma)


def sampled_kl(walker: Walker, walks: Walks) -> Tensor:
    """log pi(a|s) - log pi_baseline(a|s) of the steps as drawn (B, T): k1 of [KL-1]."""
    base_logp = step_logp(walks.steps, guided_of(walker, walks), walker.sigma)
    return kl_estimate(walks.logp, base_logp, "k1")


def tube_mesh(
    tube: Tube, terrain, sides: int = 20, height: float = 0.35, lift: float = 0.0
) -> tuple[Tensor, Tensor]:
    """(vertices (n, 3), triangles (m, 3)) of the tube, swept along its path on a terrain.

    A cross-section is a ring at right angles to the path: as wide as the tube, and `height` times as
    high; each of its points stands over (or under) the ground below it.
    """
    left, _ = tube.walls()
    angles = torch.arange(sides, dtype=torch.float64) * (2 * math.pi / sides)
    reach = left - tube.path  # (T + 1, 2)
    ground = tube.path[:, None] + angles.cos()[None, :, None] * reach[:, None]
    rise = height * tube.radii[:, None] * angles.sin() + lift
    z = terrain.altitude(ground) + rise
    vertices = torch.cat((ground, z[..., None]), -1).view(-1, 3)
    ring, side = torch.meshgrid(
        torch.arange(len(tube.path) - 1), torch.arange(sides), indexing="ij"
    )
    a, b = ring * sides + side, ring * sides + (side + 1) % sides
    first = torch.stack((a, b, a + sides), -1).view(-1, 3)
    second = torch.stack((b, b + sides, a + sides), -1).view(-1, 3)
    return vertices, torch.cat((first, second))
