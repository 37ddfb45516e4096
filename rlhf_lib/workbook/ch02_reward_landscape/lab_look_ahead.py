"""Lab: look ahead. The same map by reward and by value, and the Q of every first step around the walker."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ...landscape import Rose, Value, mean_path, rose, scene, solve, surface_of
from ...plots import COLOURS
from ..kit.lab import Lab, menu, side_plot, slider
from ..kit.scene import Stage
from ..kit.words import signed

PLACES = ("swamp ahead", "two summits", "one hill", "ridge", "plain")
"""Scenes whose walker needs no trail, so that one sweep of dynamic programming serves all its steps."""

SURFACES = ("reward: the altitude here", "value: what lies ahead")
WINDS = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
BETTER, WORSE, PATH = "#8CCBFF", "#FF9A5A", "#E3008C"
N, DIRECTIONS = 61, 16


@dataclass(frozen=True)
class Ahead:
    """What a walker at a point has in front of it: rose, mean path (T + 1, 2), rank of its value."""

    rose: Rose
    path: torch.Tensor
    higher_than: float
    """Share of the map whose value is lower."""


@lru_cache(maxsize=32)
def solved(place: str, horizon: int, gamma: float) -> Value:
    """Exact value of the scene's policy."""
    land = scene(place)
    return solve(land.terrain, land.walker, horizon, gamma)


def look_ahead(place: str, x: float, y: float, horizon: int, gamma: float) -> Ahead:
    """Rose of first steps, mean path and rank of the value at (x, y)."""
    value, point = solved(place, horizon, gamma), torch.tensor([x, y], dtype=torch.float64)
    found = rose(value, point, DIRECTIONS)
    lower = float((value.values[0] < found.value).double().mean())
    return Ahead(found, mean_path(value.walker, point, horizon), lower)


def wind(rose: Rose, direction: int) -> str:
    """Name of a direction of the rose."""
    return WINDS[round(direction * len(WINDS) / len(rose.angles)) % len(WINDS)]


def describe(found: Ahead) -> str:
    """The numbers of the place in words."""
    petals, best, worst = found.rose, found.rose.best, int(found.rose.q.argmin())
    x, y = petals.point.tolist()
    return (
        f"At ({x:.1f}, {y:.1f}) the altitude is {signed(petals.altitude)}, but the value is "
        f"<b>V = {signed(petals.value)}</b>: {found.higher_than:.0%} of the map has less ahead of it. Best first "
        f"step: {wind(petals, best)}, Q = {signed(float(petals.q[best]))}, so A = Q − V = "
        f"{signed(float(petals.advantage[best]))}. Worst: {wind(petals, worst)}, A = "
        f"{signed(float(petals.advantage[worst]))}."
    )


def look_ahead_lab() -> Lab:
    """The live lab."""
    stage, side = Stage(), rose_plot()
    controls = look_ahead_controls()

    def update(place, surface, x, y, horizon, gamma) -> str:
        found = look_ahead(place, x, y, horizon, gamma)
        draw(stage, place, surface, solved(place, horizon, gamma), found)
        petals = found.rose
        with side.batch_update():
            better = petals.advantage.numpy() > 0
            for trace, chosen in zip(side.data, (better, ~better), strict=False):
                trace.y = np.where(chosen, petals.q.numpy(), np.nan)
            side.data[2].y = [petals.value] * 2
        height = (
            "The height shows the value. "
            if surface == SURFACES[1]
            else "The height shows the reward. "
        )
        return height + describe(found)

    def to_the_start(_) -> None:
        controls["x"].value, controls["y"].value = scene(controls["place"].value).start.tolist()

    controls["place"].observe(to_the_start, names="value")
    tasks = (
        "the walker stands on a hill: guess the sign of its value before you switch the surface to value.",
        "move it to the hollow at (−2.0, −1.7): the altitude is below 0. And the value?",
        "γ to 0: value now looks almost like reward. What is the difference, and why?",
        "“two summits”: raise γ from 0.50. At which γ does the best first step turn away from the near summit?",
    )
    return Lab("Look ahead: value is not altitude", controls, stage, update, tasks, side=side)


def look_ahead_controls() -> dict:
    """The lab's controls by name."""
    return {
        "place": menu("landscape", PLACES, PLACES[0], "another world and policy; look for high ground with low value"),
        "surface": menu("surface", SURFACES, SURFACES[0],
                        "what the height shows; look where reward and value disagree"),
        "x": slider("west to east", -2.0, -3.9, 3.9, 0.1, "move the walker; look at V and at the arrows around it"),
        "y": slider("south to north", 1.6, -3.9, 3.9, 0.1, "move the walker; look at V and at the arrows around it"),
        "horizon": slider("horizon", 24, 1, 40, 1, "steps still to go; look how far a summit makes itself felt"),
        "gamma": slider("discount γ", 0.95, 0.0, 1.0, 0.01,
                        "how much later rewards count; look when a far summit beats a near one"),
    }  # fmt: skip


def rose_plot():
    """Q of the first steps by direction, and V as a line."""
    side = side_plot("direction of the first step", "")
    for name, colour in (("Q better than V", COLOURS["gold"]), ("worse", COLOURS["proxy"])):
        side.add_bar(x=np.arange(DIRECTIONS), name=name, marker={"color": colour})
    side.update_layout(barmode="overlay")
    side.add_scatter(
        x=[-0.6, DIRECTIONS - 0.4],
        name="V",
        mode="lines",
        line={"color": PATH, "dash": "dash"},
    )
    quarter = DIRECTIONS // 4
    side.update_xaxes(
        tickvals=[0, quarter, 2 * quarter, 3 * quarter], ticktext=["east", "north", "west", "south"]
    )
    return side


def draw(stage: Stage, place: str, surface: str, value: Value, found: Ahead) -> None:
    """The surface, the walker with its rose, and where its policy leads it."""
    by_value = surface == SURFACES[1]
    height_at = value.at if by_value else scene(place).terrain.altitude
    colours, name = ("value", "value") if by_value else ("altitude", "reward")
    low, high = stage.surface("ground", surface_of(height_at, N)[2].numpy(), colours=colours)
    stage.axes("west to east", "south to north")
    petals = found.rose
    share = petals.advantage.abs() / petals.advantage.abs().max().clamp(min=1e-9)
    ray = torch.stack((petals.angles.cos(), petals.angles.sin()), -1)
    reach = (0.35 + 0.85 * share)[:, None] * ray
    start = petals.point.expand_as(reach) + 0.12 * ray
    colour = [_colour(a) for a in petals.advantage.tolist()]
    stage.arrows("rose", start.numpy(), reach.numpy(), "ground", colour)
    stage.path("path", found.path.numpy(), "ground", PATH)
    stage.pin("walker", petals.point.numpy(), "ground", PATH, f"V = {signed(petals.value, 1)}")
    stage.legend(
        (colours, f"{name} {low:.1f} to {high:.1f}"), (PATH, "where the policy leads"),
        (BETTER, "first step better than the policy"), (WORSE, "worse"),
    )  # fmt: skip


def _colour(advantage: float) -> str:
    return BETTER if advantage > 0 else WORSE
