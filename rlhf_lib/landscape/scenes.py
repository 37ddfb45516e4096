"""Presets: a terrain, a walker and a start, each of which makes one point."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .terrain import Terrain, false_summit, hill, plain, ridge, swamp
from .walker import Trail, Walker, resting_walker, walker_of

STRIDE = 0.3
"""Length of a mean step of the walkers below, in map units."""

STEPS = 24


@dataclass(frozen=True)
class Scene:
    """A terrain, the walker on it, where it starts, and for how many steps at which discount.

    point: what the scene shows, in one sentence.
    """

    name: str
    point: str
    terrain: Terrain
    walker: Walker
    start: Tensor
    horizon: int = STEPS
    gamma: float = 0.95

    def with_walker(self, walker: Walker) -> Scene:
        """The same scene with another walker."""
        return replace(self, walker=walker)


def _place(x: float, y: float) -> Tensor:
    return torch.tensor([x, y], dtype=torch.float64)


def toward(x: float, y: float, stride: float = STRIDE):
    """A field that points to a place, slower within one unit of it."""
    goal = _place(x, y)

    def field(points: Tensor) -> Tensor:
        gap = goal - points
        return stride * gap / gap.norm(dim=-1, keepdim=True).clamp(min=1.0)

    return field


def one_hill() -> Scene:
    """A hill and a walker that climbs it: altitude is reward, so the return grows with the climb."""
    return Scene(
        "one hill",
        "Altitude is the reward of a step: the walker that climbs collects more with every step.",
        Terrain((hill(1.4, 1.0, 2.4, 1.3), swamp(-1.0, 2.4, 0.7, 1.0), hill(-2.8, -0.4, 0.5, 0.7))),
        walker_of(toward(1.4, 1.0)),
        _place(-3.0, -2.4),
    )


def swamp_ahead() -> Scene:
    """Two roads eastward, from a height into a swamp and from a hollow up a mountain: V is not r."""

    def field(points: Tensor) -> Tensor:
        lane = torch.where(points[:, 1:] > 0, 1.6, -1.6)
        east = torch.full_like(lane, STRIDE) * torch.sigmoid(3 * (2.4 - points[:, :1]))
        return torch.cat((east, 0.25 * (lane - points[:, 1:])), -1)

    return Scene(
        "swamp ahead",
        "High ground from which the road leads into a swamp has a low value; a hollow at the foot "
        "of a mountain has a high one.",
        Terrain(
            (
                hill(-2.0, 1.6, 1.3, 0.8),
                swamp(1.9, 1.7, 1.8, 1.2),
                swamp(-2.0, -1.7, 0.8, 0.8),
                hill(2.1, -1.7, 2.4, 1.1),
            )
        ),  # fmt: skip
        walker_of(field, sigma=0.2),
        _place(-2.0, 1.6),
    )


def two_summits() -> Scene:
    """A low summit close by and a high one far off, the walker on the divide: gamma decides."""
    near, far, start = toward(-2.6, -0.4), toward(2.4, 2.0), _place(-1.2, -1.5)

    def field(points: Tensor) -> Tensor:
        side = (points - start) @ _place(1.0, 0.35)
        share = torch.sigmoid(6 * side)[:, None]
        return share * far(points) + (1 - share) * near(points)

    return Scene(
        "two summits",
        "How far ahead the walker looks (horizon, gamma) decides which first step is best.",
        Terrain(
            (
                false_summit(-2.6, -0.4, 1.5, 0.9),
                hill(2.4, 2.0, 3.0, 1.1),
                swamp(0.6, -0.2, 0.6, 0.8),
            )
        ),
        walker_of(field),
        start,
    )


def narrow_ridge() -> Scene:
    """A crest with a drop on both sides: the same road collects less the noisier the steps are."""
    along = _place(5.6, 3.2) / math.hypot(5.6, 3.2)
    across = torch.stack((-along[1], along[0]))

    def field(points: Tensor) -> Tensor:
        off = (points @ across)[:, None]
        return (
            STRIDE * torch.sigmoid(3 * (3.2 - points @ along))[:, None] * along - 0.3 * off * across
        )

    return Scene(
        "ridge",
        "A policy has a spread as well as a direction: on a narrow ridge every stray step costs.",
        Terrain(
            (
                ridge((-2.9, -1.65), (2.9, 1.65), 2.2, 0.45),
                swamp(-1.0, 1.6, 0.8, 1.0),
                swamp(1.2, -1.4, 0.8, 1.0),
            )
        ),
        walker_of(field, sigma=0.2),
        _place(-2.9, -1.65),
    )


def far_reward() -> Scene:
    """Flat almost everywhere, one peak at the end of the walk: as with an answer that is scored whole."""
    return Scene(
        "plain",
        "Nothing happens for many steps and the reward comes at the end: altitude says nothing here, "
        "value does.",
        Terrain((hill(2.9, 2.5, 3.0, 0.6),)),
        walker_of(toward(2.9, 2.5)),
        _place(-3.2, -2.6),
        gamma=1.0,
    )


def road(bend: float, height: float, turns: float) -> Tensor:
    """A winding path (STEPS + 1, 2) from west to east."""
    share = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    return torch.stack(
        (-3.3 + 6.4 * share, height + bend * torch.sin(2 * math.pi * turns * share)), -1
    )


def trail() -> Scene:
    """A drawn path around a mountain: a walker with a budget can cut across its shoulder."""
    path = road(-1.7, -0.2, 0.5)
    return Scene(
        "trail",
        "The baseline goes round the mountain; how far up its side a walker may go, the KL budget says.",
        Terrain(
            (
                hill(0.1, 0.0, 2.4, 1.1),
                hill(-2.6, 1.9, 0.8, 0.8),
                swamp(2.5, 2.2, 0.9, 1.0),
                plain(0.0, -2.6, 0.4, 1.6),
            )
        ),
        resting_walker(0.2, Trail(path, pull=0.25)),
        path[0],
    )


def mirage_land() -> Scene:
    """A path below a crest, and a swamp beyond it: who has seen only the slope thinks that it goes on."""
    path = road(0.55, -1.3, 0.95)
    return Scene(
        "mirage",
        "Near the path the ground rises to the north. Behind the crest it falls into a swamp, where no "
        "comparison was ever made.",
        Terrain(
            (ridge((-2.6, -0.1), (2.8, 0.0), 1.5, 0.95), hill(0.9, 0.1, 0.8, 0.7),
             plain(-0.3, -1.9, 0.35, 1.9), swamp(-0.4, 2.5, 2.2, 1.25), swamp(2.6, 2.6, 1.8, 1.1),
             swamp(-2.9, 2.3, 1.5, 1.1), swamp(-1.2, -3.6, 0.8, 0.8), swamp(3.4, -3.0, 1.0, 1.0))
        ),
        resting_walker(0.2, Trail(path, pull=0.25)),
        path[0],
    )  # fmt: skip


_BUILDERS = {
    "one hill": one_hill,
    "swamp ahead": swamp_ahead,
    "two summits": two_summits,
    "ridge": narrow_ridge,
    "plain": far_reward,
    "trail": trail,
    "mirage": mirage_land,
}

SCENES = tuple(_BUILDERS)


def scene(name: str) -> Scene:
    """The preset of this name.

    Raises:
        ValueError: there is none; the message lists the names.
    """
    if name not in _BUILDERS:
        raise ValueError(f"no scene {name!r}; there are {', '.join(SCENES)}")
    return _BUILDERS[name]()
