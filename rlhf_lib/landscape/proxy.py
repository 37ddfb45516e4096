"""The mirage: a reward model of the terrain, fitted to comparisons made near the baseline's path.

Bradley-Terry with a linear head on fixed features, so that a fit takes milliseconds. Two kinds of
features: 'ramps', a layer of random soft ReLUs, which go on rising beyond the data, as networks do;
'bumps', radial bases, which fall back to 0 there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..objectives import bradley_terry_probability
from ..rewards.linear import fit_linear_bradley_terry
from .terrain import EXTENT, Terrain, as_points, grid_axis, grid_products, surface_of
from .walker import Walks

RAMPS = 96
SOFTNESS = 0.35
BUMPS = 13


def ramp_features(points: Tensor, seed: int = 0) -> Tensor:
    """Soft ReLUs (..., RAMPS) of random directions and offsets."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(RAMPS, generator=generator, dtype=torch.float64)
    offset = EXTENT * (2 * torch.rand(RAMPS, generator=generator, dtype=torch.float64) - 1)
    along = points @ torch.stack((angle.cos(), angle.sin())) - offset
    return torch.nn.functional.softplus(along, beta=1 / SOFTNESS)


def bump_features(points: Tensor, seed: int = 0) -> Tensor:
    """Gaussian bumps (..., BUMPS^2) on a grid over the map; they need no seed."""
    width = 2 * EXTENT / (BUMPS - 1)
    bases = torch.exp(-0.5 * ((points[..., None] - grid_axis(BUMPS)) / width).square())
    x, y = bases.unbind(-2)  # a bump is the product of one along x and one along y
    return grid_products(x, y)


FEATURES = {"ramps": ramp_features, "bumps": bump_features}


@dataclass(frozen=True)
class Proxy:
    """A reward model of the terrain: weights (H,) on features. Drawn and climbed like a `Terrain`."""

    weights: Tensor
    kind: str = "ramps"
    seed: int = 0
    offset: float = 0.0
    """Added to all altitudes. Comparisons do not fix it; `level_with` sets it for pictures."""

    def altitude(self, points: Tensor) -> Tensor:
        """Proxy reward of points (..., 2) -> (...)."""
        return FEATURES[self.kind](as_points(points), self.seed) @ self.weights + self.offset

    def surface(self, n: int = 81) -> tuple[Tensor, Tensor, Tensor]:
        """(xs (n,), ys (n,), heights (n, n)) on a grid over the map; rows are y."""
        return surface_of(self.altitude, n)

    def level_with(self, terrain: Terrain, points: Tensor) -> Proxy:
        """The same proxy, moved up or down so that its mean over these points is the terrain's."""
        gap = float((terrain.altitude(points) - self.altitude(points)).mean())
        return Proxy(self.weights, self.kind, self.seed, self.offset + gap)


@dataclass(frozen=True)
class Comparisons:
    """Pairs of points (N, 2), and which of the two was said to be higher (N,) bool."""

    first: Tensor
    second: Tensor
    first_wins: Tensor
    noise: float

    @property
    def chosen(self) -> Tensor:
        """The preferred points (N, 2)."""
        return torch.where(self.first_wins[:, None], self.first, self.second)

    @property
    def rejected(self) -> Tensor:
        """The others (N, 2)."""
        return torch.where(self.first_wins[:, None], self.second, self.first)


def points_near(path: Tensor, n: int, radius: float, seed: int) -> Tensor:
    """n points (n, 2), each uniform in a disc of this radius around a random point of the path."""
    generator = torch.Generator().manual_seed(seed)
    centre = path[torch.randint(len(path), (n,), generator=generator)]
    draws = torch.rand(2, n, generator=generator, dtype=torch.float64)
    angle, reach = 2 * math.pi * draws[0], radius * draws[1].sqrt()
    near = centre + reach[:, None] * torch.stack((angle.cos(), angle.sin()), -1)
    return near.clamp(-EXTENT, EXTENT)


def judge(first: Tensor, second: Tensor, noise: float, seed: int) -> Tensor:
    """Whether the first (N,) wins over the second (N,): Bradley-Terry with this temperature. [RM-1]"""
    generator = torch.Generator().manual_seed(seed)
    chance = bradley_terry_probability(first / max(noise, 1e-9), second / max(noise, 1e-9))
    return torch.rand(len(first), generator=generator, dtype=torch.float64) < chance


def collect_comparisons(
    terrain: Terrain, path: Tensor, n: int = 400, radius: float = 0.6, noise: float = 0.3,
    seed: int = 0,
) -> Comparisons:  # fmt: skip
    """Noisy comparisons of n pairs of points within `radius` of a path.

    Raises:
        ValueError: n < 1, or radius not positive.
    """
    if n < 1 or not radius > 0:
        raise ValueError("n must be 1 or more and radius positive")
    points = points_near(path, 2 * n, radius, seed)
    first, second = points[:n], points[n:]
    wins = judge(terrain.altitude(first), terrain.altitude(second), noise, seed + 1)
    return Comparisons(first, second, wins, noise)


def fit_proxy(
    comparisons: Comparisons, kind: str = "ramps", l2: float = 0.03, seed: int = 0
) -> Proxy:
    """The most likely reward model of these comparisons, weights held small by l2.

    Its unit is the terrain's: a Bradley-Terry reward is in units of the judges' temperature, which
    we know here and nobody does elsewhere.
    """
    features = FEATURES[kind]
    chosen, rejected = (features(p, seed) for p in (comparisons.chosen, comparisons.rejected))
    weights = fit_linear_bradley_terry(chosen, rejected, l2)
    return Proxy(max(comparisons.noise, 0.05) * weights, kind, seed)


def proxy_error(
    proxy: Proxy, terrain: Terrain, path: Tensor, distances, n: int = 400, seed: int = 0
) -> Tensor:
    """Root-mean-square error of the proxy at each distance from a path (len(distances),).

    The constant that comparisons leave open is set where the distance is 0.
    """
    levelled = proxy.level_with(terrain, path)
    generator = torch.Generator().manual_seed(seed)
    place = torch.randint(len(path), (n,), generator=generator)
    angle = 2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
    ray = torch.stack((angle.cos(), angle.sin()), -1)
    errors = []
    for distance in distances:
        points = path[place] + distance * ray
        points = points[_far_enough(points, path, distance)]
        errors.append((levelled.altitude(points) - terrain.altitude(points)).square().mean().sqrt())
    return torch.stack(errors)


def _far_enough(points: Tensor, path: Tensor, distance: float) -> Tensor:
    """Whether points (P, 2) are on the map and no nearer to the path than `distance` (P,) bool."""
    nearest = torch.cdist(points, path).amin(1)
    return (nearest >= 0.95 * distance) & (points.abs() <= EXTENT).all(1)


def fit_to_walks(
    first: Walks, second: Walks, first_wins: Tensor, kind: str = "bumps", l2: float = 0.3
) -> Proxy:
    """A reward model from comparisons of whole walks alone. Equation: [LS-10].

    P(first is preferred) = sigmoid(sum of r over the first - sum over the second); the sum of a linear
    reward is that of the summed features. Source: Christiano et al. (2017), equation 1.
    """
    sums = [FEATURES[kind](walks.states[:, 1:]).sum(1) for walks in (first, second)]
    wins = first_wins[:, None]
    chosen, rejected = torch.where(wins, *sums), torch.where(wins, *sums[::-1])
    return Proxy(fit_linear_bradley_terry(chosen, rejected, l2), kind)


def correlation(proxy: Proxy, terrain: Terrain, points: Tensor) -> float:
    """Correlation of proxy and gold over points (P, 2): comparisons fix neither constant nor scale."""
    both = torch.stack((proxy.altitude(points), terrain.altitude(points)))
    return float(torch.corrcoef(both)[0, 1])
