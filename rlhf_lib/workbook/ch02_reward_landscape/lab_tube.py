"""Lab: the tube. A KL budget is a corridor around the baseline's path; walkers climb in it, or without it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from ...landscape import (
    Learned,
    MirageSettings,
    Scene,
    Tube,
    climb,
    kl_tube,
    learned_proxy,
    same_dice,
    scene,
    surface_of,
    tube_mesh,
)
from ...plots import COLOURS
from ..kit.lab import Lab, choice, menu, player, side_plot, slider
from ..kit.scene import Stage
from ..kit.words import signed
from ..kit.work import Slowly

BUDGETS = (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.5)
NOISE = (0.15, 0.2, 0.3)
HELD = ("held in the tube", "without a tube")
CLIMBS = ("the proxy", "the gold terrain")
UPDATES, WALKS = 60, 40
BASELINE, INSIDE, OUTSIDE, WALL = "#4A4A4A", "#2BD4A0", "#FF8A3D", "#56B4E9"


@dataclass(frozen=True)
class Held:
    """One walker after some updates: its tube, its paths with the dice taken out, and which of them leave."""

    learned: Learned
    tube: Tube
    paths: torch.Tensor
    leaving: torch.Tensor
    gold: float
    proxy: float


@lru_cache(maxsize=8)
def land_of(sigma: float) -> Scene:
    """The scene of the mirage with this spread of a step."""
    land = scene("mirage")
    return land.with_walker(land.walker.with_sigma(sigma))


@lru_cache(maxsize=128)
def climbed(climbs: str, budget: float | None, sigma: float) -> Learned:
    """Train a walker on the proxy or on gold, in the tube of a budget (None: without one)."""
    land, settings = land_of(sigma), MirageSettings(updates=UPDATES)
    reward = learned_proxy(settings, land)[1] if climbs == CLIMBS[0] else land.terrain
    return climb(settings, land, reward.altitude, budget)


def held(climbs: str, budget: float, rope: str, sigma: float, updates: int) -> Held:
    """The walker after `updates`, and which of its paths leave the tube of `budget` nats a step."""
    land = land_of(sigma)
    learned = climbed(climbs, budget if rope == HELD[0] else None, sigma)
    walker = learned.walker.with_weights(learned.weights[updates])
    tube = kl_tube(land.walker, land.start, land.horizon, budget)
    paths = same_dice(walker, land.start, land.horizon, WALKS).shifted
    gold, proxy = (learned.history.series(name)[updates] for name in ("gold", "proxy"))
    return Held(learned, tube, paths, tube.leaving(paths), gold, proxy)


def describe(found: Held, budget: float, rope: str, sigma: float) -> str:
    """The wall and the walkers in words."""
    out, wall = int(found.leaving.sum()), float(found.tube.radii[-1])
    held_in = "" if rope == HELD[0] else " Nothing holds this walker back:"
    return (
        f"ε = {budget:g} nats a step and σ = {sigma:g} allow a mean step to differ by σ√(2ε) = "
        f"{sigma * (2 * budget) ** 0.5:.2f}, which makes a wall {wall:.2f} from the path.{held_in} "
        f"<b>{out} of {WALKS}</b> paths leave the tube (dice taken out). Gold {signed(found.gold)}, proxy "
        f"{signed(found.proxy)}; the baseline's gold was {signed(found.learned.history.series('gold')[0])}."
    )


def tube_lab() -> Lab:
    """The live lab. Walkers are trained when they are first asked for, and kept."""
    stage, side = Stage(), budget_plot()
    known: dict[tuple, Learned] = {}
    controls, train = tube_controls(), Slowly(train_walkers, known.update)

    def update(climbs, budget, rope, sigma, updates) -> str:
        draw_walls(stage, budget, sigma)
        draw_curve(side, known, climbs, budget, rope, sigma)
        wanted = (climbs, budget if rope == HELD[0] else None, sigma)
        missing = [key for key in curve_of(*wanted) if key not in known]
        if wanted in missing or (missing and train.live):
            train(missing if train.live else [wanted])
        if wanted not in known:
            hide_walks(stage, sigma)
            return "This walker is being trained …"
        found = held(climbs, budget, rope, sigma, updates)
        draw_walks(stage, found, updates)
        return describe(found, budget, rope, sigma)

    tasks = (
        "budget from 0.03 to 0.3, ten times the nats: by which factor does the wall move?",
        "noise σ from 0.15 to 0.30 at the same budget: why is the tube wider now?",
        "“without a tube”, updates to 0, then play: when do paths break out, and when does gold turn down?",
        "climb the gold terrain instead: does the tube still help, or does it only cost?",
    )
    return Lab("The tube: a KL budget as a corridor", controls, stage, update, tasks,
               extra=player(controls["updates"], 200), side=side, work=train)  # fmt: skip


def curve_of(climbs: str, budget: float | None, sigma: float) -> list[tuple]:
    """A walker and those of all other budgets (None: without a tube), which make the curve."""
    return [(climbs, b, sigma) for b in sorted((*BUDGETS, None), key=lambda other: other != budget)]


def train_walkers(missing: list[tuple]):
    """Walkers one after the other, by what they are."""
    before = len(BUDGETS) + 1 - len(missing)
    for number, key in enumerate(missing, start=before + 1):
        yield number / (len(BUDGETS) + 1), {key: climbed(*key)}


def tube_controls() -> dict:
    """The lab's controls by name."""
    return {
        "budget": choice("budget ε", BUDGETS, 0.3, "nats of KL allowed on each step; look how the wall moves with √ε"),
        "rope": menu("walker", HELD, HELD[0], "with the tube as a constraint or without; look for orange paths outside"),
        "climbs": menu("climbs", CLIMBS, CLIMBS[0], "what the walker is trained on; look whether blue follows orange"),
        "sigma": choice("noise σ", NOISE, 0.2, "spread of a step; look how the same nats buy a wider tube"),
        "updates": slider("updates", UPDATES, 0, UPDATES, 1, "how long it has learned; play it and look at the paths"),
    }  # fmt: skip


def budget_plot():
    """Gold and proxy at the end of training against the budget."""
    side = side_plot("budget ε", "")
    for name in ("proxy", "gold"):
        side.add_scatter(
            name=f"{name} at the end",
            mode="lines+markers",
            line={"color": COLOURS[name], "width": 2.5},
        )
    ticks = [*(f"{b:g}" for b in BUDGETS), "no tube"]
    side.update_xaxes(
        tickvals=list(range(len(ticks))), ticktext=ticks, range=[-0.5, len(ticks) - 0.5]
    )
    side.add_vline(0, line={"color": "#808080", "dash": "dot"})
    return side


def draw_curve(side, known: dict, climbs: str, budget: float, rope: str, sigma: float) -> None:
    """What is known of the curve, and where on it we are."""
    runs = [known.get((climbs, b, sigma)) for b in (*BUDGETS, None)]
    place = BUDGETS.index(budget) if rope == HELD[0] else len(BUDGETS)
    with side.batch_update():
        for trace, name in zip(side.data, ("proxy", "gold"), strict=True):
            trace.x = [i for i, run in enumerate(runs) if run]
            trace.y = [run.history.last(name) for run in runs if run]
        side.layout.shapes[0].x0 = side.layout.shapes[0].x1 = place


def draw_walls(stage: Stage, budget: float, sigma: float) -> None:
    """Terrain, baseline path and tube."""
    land = land_of(sigma)
    tube = kl_tube(land.walker, land.start, land.horizon, budget)
    low, high = stage.surface("ground", surface_of(land.terrain.altitude, 73)[2].numpy())
    stage.axes()
    stage.path("baseline", tube.path.numpy(), "ground", BASELINE)
    vertices, triangles = tube_mesh(tube, land.terrain)
    stage.tube("tube", vertices.numpy(), triangles.numpy(), "ground", WALL)
    stage.legend(
        ("altitude", f"gold reward {low:.1f} to {high:.1f}"), (BASELINE, "baseline"),
        (f"~{WALL}", "KL tube"), (INSIDE, "walks inside"), (OUTSIDE, "outside"),
    )  # fmt: skip


def hide_walks(stage: Stage, sigma: float) -> None:
    """No walks yet; but the objects for them are made now, before the lab is displayed."""
    path = land_of(sigma).walker.trail.points
    for name, colour in (("inside", INSIDE), ("outside", OUTSIDE)):
        if name not in stage.objects:
            stage.walks(name, path.expand(WALKS, -1, -1).numpy(), "ground", colour)
    if "mean path" not in stage.objects:
        stage.path("mean path", path.numpy(), "ground", INSIDE)
    stage.show(False, "inside", "outside", "mean path")


def draw_walks(stage: Stage, found: Held, updates: int) -> None:
    """The walker's paths by whether they leave the tube, and its mean path."""
    for name, chosen, colour in (
        ("inside", ~found.leaving, INSIDE),
        ("outside", found.leaving, OUTSIDE),
    ):
        paths = torch.where(
            chosen[:, None, None], found.paths, found.tube.path[0]
        )  # the rest: points
        stage.walks(name, paths.numpy(), "ground", colour)
        stage.show(bool(chosen.any()), name)
    mean = found.learned.paths[updates]
    colour = OUTSIDE if bool(found.tube.leaving(mean)) else INSIDE
    stage.path("mean path", mean.numpy(), "ground", colour)
    stage.show(True, "mean path")
