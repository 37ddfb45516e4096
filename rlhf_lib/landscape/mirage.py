"""Over-optimization as a picture: comparisons near a path -> proxy terrain -> two walkers, gold looking on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .learning import Learned, WalkSettings, learn
from .proxy import (
    Comparisons,
    Proxy,
    collect_comparisons,
    correlation,
    fit_proxy,
    fit_to_walks,
    judge,
)
from .scenes import Scene, scene
from .terrain import EXTENT, Terrain
from .tube import Tube, kl_tube, same_dice
from .walker import Walks, rewards, walk, walker_of


@dataclass(frozen=True)
class MirageSettings:
    """One mirage: how the proxy is made, and how the walkers climb it.

    comparisons, noise (the judges' temperature, in units of altitude), radius (how far from the path
    points are compared), kind of the proxy's features; beta (KL coefficient of the free walker),
    budget (nats a step of the other one's tube), updates, walks, seed (of labels, proxy and walks).
    """

    comparisons: int = 400
    noise: float = 0.3
    radius: float = 0.6
    kind: str = "ramps"
    beta: float = 0.0
    budget: float = 1.0
    updates: int = 45
    walks: int = 64
    seed: int = 0


@dataclass(frozen=True)
class Mirage:
    """A finished mirage: scene (gold), comparisons, proxy, the walker without a tube and with one."""

    settings: MirageSettings
    scene: Scene
    comparisons: Comparisons
    proxy: Proxy
    free: Learned
    tubed: Learned
    tube: Tube


def learned_proxy(settings: MirageSettings, land: Scene) -> tuple[Comparisons, Proxy]:
    """Compare points near the scene's path and fit a proxy, levelled with gold there."""
    path = land.walker.trail.points
    compared = collect_comparisons(
        land.terrain,
        path,
        settings.comparisons,
        settings.radius,
        settings.noise,
        10 * settings.seed,
    )
    proxy = fit_proxy(compared, settings.kind, seed=settings.seed)
    return compared, proxy.level_with(land.terrain, path)


def climb(settings: MirageSettings, land: Scene, reward, budget: float | None = None) -> Learned:
    """Train the scene's walker on any reward under the settings; gold is only measured."""
    how = WalkSettings(
        algorithm="kl_penalty" if settings.beta > 0 and budget is None else "reinforce",
        beta=settings.beta,
        updates=settings.updates,
        walks=settings.walks,
        horizon=land.horizon,
        gamma=land.gamma,
        budget=budget,
        seed=settings.seed,
    )
    return learn(land.walker, reward, land.start, how, land.terrain.altitude)


def run_mirage(settings: MirageSettings | None = None, land: Scene | None = None) -> Mirage:
    """Fit the proxy and train both walkers on it."""
    settings, land = settings or MirageSettings(), land or scene("mirage")
    compared, proxy = learned_proxy(settings, land)
    free = climb(settings, land, proxy.altitude)
    tubed = climb(settings, land, proxy.altitude, settings.budget)
    walls = kl_tube(land.walker, land.start, land.horizon, settings.budget)
    return Mirage(settings, land, compared, proxy, free, tubed, walls)


def share_outside(learned: Learned, land: Scene, walls: Tube, n: int = 256, seed: int = 0) -> float:
    """Share of a walker's walks that leave the tube, the dice taken out."""
    pairs = same_dice(learned.walker, land.start, land.horizon, n, seed)
    return float(walls.leaving(pairs.shifted).double().mean())


def budget_curve(settings: MirageSettings, land: Scene, reward, budgets) -> list[Learned]:
    """One walker per budget (None: no tube), all trained on the same reward."""
    return [climb(settings, land, reward, budget) for budget in budgets]


def random_walks(n: int, horizon: int, seed: int, sigma: float = 0.35) -> Walks:
    """n walks of a walker that only its dice move, from anywhere on the map."""
    generator = torch.Generator().manual_seed(seed)
    starts = EXTENT * (2 * torch.rand(n, 2, generator=generator, dtype=torch.float64) - 1)
    return walk(walker_of(torch.zeros_like, sigma), starts, horizon, n, seed + 1)


def terrain_from_walks(
    terrain: Terrain, n: int = 1500, horizon: int = 8, noise: float = 0.3, seed: int = 0
) -> tuple[Proxy, float]:
    """(proxy, its correlation with the terrain) from n comparisons of walks, and nothing else.

    The judges see two walks and say which one collected more altitude. Equation: [LS-10].
    """
    first, second = (random_walks(n, horizon, seed + i) for i in (0, 100))
    totals = [rewards(terrain, walks).sum(1) for walks in (first, second)]
    wins = judge(*totals, noise, seed + 200)
    proxy = fit_to_walks(first, second, wins)
    visited = first.states[:, 1:].reshape(-1, 2)
    return proxy, correlation(proxy, terrain, visited)
