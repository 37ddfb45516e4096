"""The world of the mental model: a map whose altitude is the immediate reward.

A terrain is a sum of named features with an analytic gradient. Points are (..., 2) tensors of x and
y; the map is the square [-EXTENT, EXTENT]^2 and its edge is a wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

EXTENT = 4.0
KINDS = ("hill", "ridge", "swamp", "plain", "false summit")


@dataclass(frozen=True)
class Feature:
    """One feature: `height` times a profile of the distance to the segment from `start` to `end`.

    With u = distance^2 / (2 width^2) the profiles are: 'hill', 'ridge', 'swamp' exp(-u); 'plain'
    exp(-u^3), flat on top with a steep rim; 'false summit' (1 - u) exp(-u), a peak with a ditch all
    around. A hill's segment is a point, a ridge's is not; a swamp's height is negative.

    Raises:
        ValueError: unknown kind, or width not positive.
    """

    kind: str
    height: float
    start: tuple[float, float]
    end: tuple[float, float]
    width: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
        if not self.width > 0:
            raise ValueError(f"width must be positive; got {self.width}")

    def altitude(self, points: Tensor) -> Tensor:
        """Points (..., 2) -> altitudes (...)."""
        u = self._offset(points).square().sum(-1) / (2 * self.width**2)
        return self.height * self._profile(u)

    def gradient(self, points: Tensor) -> Tensor:
        """Points (..., 2) -> gradients (..., 2) of the altitude."""
        offset = self._offset(points)
        u = offset.square().sum(-1, keepdim=True) / (2 * self.width**2)
        return self.height * self._slope(u) * offset / self.width**2

    def _offset(self, points: Tensor) -> Tensor:
        """Vector (..., 2) from the nearest point of the segment."""
        first, last = points.new_tensor(self.start), points.new_tensor(self.end)
        along = last - first
        length = along.square().sum()
        if length == 0:
            return points - first
        share = ((points - first) @ along / length).clamp(0, 1)
        return points - first - share[..., None] * along

    def _profile(self, u: Tensor) -> Tensor:
        if self.kind == "plain":
            return torch.exp(-(u**3))
        return torch.exp(-u) * (1 - u) if self.kind == "false summit" else torch.exp(-u)

    def _slope(self, u: Tensor) -> Tensor:
        """Derivative of the profile in u."""
        if self.kind == "plain":
            return -3 * u**2 * torch.exp(-(u**3))
        return torch.exp(-u) * (u - 2) if self.kind == "false summit" else -torch.exp(-u)


def hill(x: float, y: float, height: float, width: float) -> Feature:
    """A round hill."""
    return Feature("hill", height, (x, y), (x, y), width)


def swamp(x: float, y: float, depth: float, width: float) -> Feature:
    """A round hollow of this depth, below everything around it."""
    return Feature("swamp", -depth, (x, y), (x, y), width)


def ridge(
    start: tuple[float, float], end: tuple[float, float], height: float, width: float
) -> Feature:
    """A crest from start to end, of the same height all along."""
    return Feature("ridge", height, start, end, width)


def plain(x: float, y: float, height: float, width: float) -> Feature:
    """High ground that is flat on top: a plateau."""
    return Feature("plain", height, (x, y), (x, y), width)


def false_summit(x: float, y: float, height: float, width: float) -> Feature:
    """A peak with a ditch all around it: from its top every way leads down."""
    return Feature("false summit", height, (x, y), (x, y), width)


@dataclass(frozen=True)
class Terrain:
    """A sum of features on a ground of constant altitude `base`."""

    features: tuple[Feature, ...]
    base: float = 0.0

    def altitude(self, points: Tensor) -> Tensor:
        """Immediate reward r(x, y) of stepping onto points (..., 2) -> (...). Equation: [LS-1].

        Raises:
            ValueError: points do not end in a dimension of 2.
        """
        points = as_points(points)
        total = points.new_full(points.shape[:-1], self.base)
        for feature in self.features:
            total = total + feature.altitude(points)
        return total

    def gradient(self, points: Tensor) -> Tensor:
        """Direction (..., 2) in which the altitude at points (..., 2) rises fastest, per unit."""
        points = as_points(points)
        return sum((f.gradient(points) for f in self.features), torch.zeros_like(points))

    def surface(self, n: int = 81) -> tuple[Tensor, Tensor, Tensor]:
        """(xs (n,), ys (n,), heights (n, n)) on a grid over the map; rows are y."""
        return surface_of(self.altitude, n)


def surface_of(height_at, n: int = 81) -> tuple[Tensor, Tensor, Tensor]:
    """(xs (n,), ys (n,), heights (n, n)) of any function of points (..., 2) -> (...); rows are y."""
    axis = grid_axis(n)
    return axis, axis, height_at(grid_points(n)).view(n, n)


def grid_axis(n: int) -> Tensor:
    """n places from one edge of the map to the other.

    Raises:
        ValueError: n < 2.
    """
    if n < 2:
        raise ValueError(f"n must be 2 or more; got {n}")
    return torch.linspace(-EXTENT, EXTENT, n, dtype=torch.float64)


def grid_points(n: int) -> Tensor:
    """The n * n points of the grid, (n * n, 2); x runs fastest."""
    y, x = torch.meshgrid(grid_axis(n), grid_axis(n), indexing="ij")
    return torch.stack((x, y), dim=-1).view(-1, 2)


def grid_products(x: Tensor, y: Tensor) -> Tensor:
    """Products (..., n * n) of bases along x and along y (..., n), in the order of `grid_points`."""
    return (y[..., :, None] * x[..., None, :]).flatten(-2)


def as_points(points: Tensor | Sequence) -> Tensor:
    """Points as a double tensor (..., 2).

    Raises:
        ValueError: the last dimension is not 2.
    """
    points = torch.as_tensor(points, dtype=torch.float64)
    if points.ndim == 0 or points.shape[-1] != 2:
        raise ValueError(f"points must have shape (..., 2), x and y; got {tuple(points.shape)}")
    return points


def on_map(points: Tensor) -> Tensor:
    """Points held at the edge of the map if they are beyond it."""
    return points.clamp(-EXTENT, EXTENT)
