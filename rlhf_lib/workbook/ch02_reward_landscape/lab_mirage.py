"""Lab: the mirage. A proxy fitted to comparisons near a path; the walker climbs a summit that is not there."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from ...landscape import (
    Comparisons,
    Learned,
    MirageSettings,
    Proxy,
    climb,
    learned_proxy,
    proxy_error,
    scene,
    surface_of,
)
from ...plots import COLOURS
from ..kit.lab import Lab, choice, menu, player, side_plot, slider
from ..kit.scene import Stage
from ..kit.words import signed
from ..kit.work import Slowly
from .figures import shared_limits

LAND = "mirage"
COMPARISONS = (25, 50, 100, 200, 400, 800, 1600)
BETAS = (0.0, 0.03, 0.1, 0.3, 1.0)
SHOWN = {
    "gold and proxy": "Below is the ground, the sheet above it is what the reward model believes.",
    "gold only": "Only the ground is shown.",
    "proxy only": "This is all that training sees.",
}
BOTH, GROUND, SHEET = SHOWN
FEW, CARELESS = 100, 1.0
"""So few comparisons, or so much noise, that what comes out is a matter of chance."""

UPDATES, N, DOTS = 60, 61, 400
GOLD, PROXY = "#4FB3FF", "#FF8A3D"
"""The colours of gold and proxy, lighter than in plots: they lie on dark ground."""


@lru_cache(maxsize=64)
def fitted(settings: MirageSettings) -> tuple[Comparisons, Proxy]:
    """Comparisons near the path and the proxy fitted to them. `beta` and `updates` play no part."""
    return learned_proxy(settings, scene(LAND))


@lru_cache(maxsize=64)
def climbed(settings: MirageSettings) -> Learned:
    """The walker trained on the proxy of these settings."""
    return climb(settings, scene(LAND), fitted(settings)[1].altitude)


def mirage_settings(comparisons, noise, radius, beta, seed) -> MirageSettings:
    """The lab's controls as settings of the experiment."""
    return MirageSettings(
        comparisons=comparisons, noise=noise, radius=radius, beta=beta, seed=seed, updates=UPDATES
    )


def describe_proxy(settings: MirageSettings) -> str:
    """How good the proxy is, near the path and far from it."""
    land, (_, proxy) = scene(LAND), fitted(settings)
    near, far = proxy_error(proxy, land.terrain, land.walker.trail.points, (0.3, 2.5)).tolist()
    return (
        f"From {settings.comparisons} comparisons within {settings.radius:.1f} of the path the proxy is off "
        f"by {near:.2f} at 0.3 from the path, and by {far:.2f} at 2.5."
    )


def describe_chance(settings: MirageSettings) -> str:
    """A warning where one roll of the dice says little."""
    if settings.comparisons > FEW and settings.noise < CARELESS:
        return ""
    return (
        " A sheet from few or careless comparisons is full of hills by chance: with some dice a near one happens to stop "
        "the walker, with others it is led further astray. Try other dice before you call it safer."
    )


def describe_climb(learned: Learned, updates: int) -> str:
    """What the walker believes, and what is."""
    gold, proxy = (learned.history.series(name) for name in ("gold", "proxy"))
    top = int(np.argmax(gold))
    peak = f"Gold was best after update {top}: {signed(gold[top])}"
    lost = gold[top] - gold[-1]
    ending = (
        f"and {lost:.2f} of it is lost at the end." if lost > 0.05 else "and keeps it to the end."
    )
    return (
        f"After {updates} updates the walker believes in <b>{signed(proxy[updates])}</b> a step, the ground gives "
        f"<b>{signed(gold[updates])}</b>. {peak}, {ending}"
    )


def mirage_lab() -> Lab:
    """The live lab: the proxy is refitted at once, the walker retrained right after."""
    stage, side = Stage(), curves_plot()
    controls, known = mirage_controls(), {}
    train = Slowly(train_walker, known.update)

    def update(shown, updates, **settings) -> str:
        wanted = mirage_settings(**settings)
        draw_lands(stage, wanted, shown)
        if wanted not in known:
            train(wanted)
        learned = known.get(wanted)
        draw_climb(stage, side, learned, shown, updates)
        words = (
            describe_climb(learned, updates) if learned else "The walker is being trained on it …"
        )
        return f"{SHOWN[shown]} {describe_proxy(wanted)} {words}{describe_chance(wanted)}"

    tasks = (
        "play: after which update do the two curves part? What does the ground look like there?",
        "more comparisons, 25 to 1600: does the summit go away? Where were they all made (white dots)?",
        "radius from 0.6 to 2.0: now some comparisons come from behind the crest. What happens to the mirage?",
        "β from 0 to 0.3: which of the two curves pays, and which one gains?",
    )
    return Lab("The mirage: over-optimization as a landscape", controls, stage, update, tasks,
               extra=player(controls["updates"], 200), side=side, work=train)  # fmt: skip


def train_walker(wanted: MirageSettings):
    """The walker of these settings, by its settings: work of a second, in one piece."""
    yield 1.0, {wanted: climbed(wanted)}


def mirage_controls() -> dict:
    """The lab's controls by name."""
    return {
        "comparisons": choice("comparisons", COMPARISONS, 400,
                              "how many pairs of points are judged; look whether the orange sheet changes"),
        "noise": slider("label noise", 0.3, 0.05, 2.0, 0.05,
                        "temperature of the judges; look how the sheet tilts when they are careless"),
        "radius": slider("radius", 0.6, 0.2, 2.5, 0.1,
                         "how far from the path points are compared; look where sheet and ground agree"),
        "beta": choice("KL penalty β", BETAS, 0.0, "price of leaving the baseline; look how far the walker still goes"),
        "seed": slider("dice", 1, 0, 9, 1, "other labels, other features, other walks; look what stays the same"),
        "updates": slider("updates", UPDATES, 0, UPDATES, 1, "how long it has climbed; play it and look at both paths"),
        "shown": menu("show", list(SHOWN), BOTH, "which of the two landscapes; look at the proxy alone: nothing warns you"),
    }  # fmt: skip


def curves_plot():
    """Proxy and gold while the walker learns."""
    side = side_plot("update", "")
    for name in ("proxy", "gold"):
        side.add_scatter(name=f"{name} a step", line={"color": COLOURS[name], "width": 2.5})
    side.add_vline(UPDATES, line={"color": "#808080", "dash": "dot"})
    side.update_xaxes(range=[0, UPDATES])
    return side


def draw_lands(stage: Stage, settings: MirageSettings, shown: str) -> None:
    """Gold terrain, proxy sheet in the same unit, and the points that were compared."""
    land, (compared, proxy) = scene(LAND), fitted(settings)
    limits = shared_limits(land.terrain)
    stage.surface("gold", land.terrain.surface(N)[2].numpy(), limits)
    stage.sheet("proxy", surface_of(proxy.altitude, N)[2].numpy(), "gold", PROXY)
    stage.axes()
    points = torch.cat((compared.first, compared.second))
    points = points[torch.arange(DOTS) % len(points)]
    stage.dots("compared", points.numpy(), "gold", "#FFFFFF")
    gold, sheet = shown != SHEET, shown != GROUND
    stage.show(gold, "gold", "gold mesh", "gold sides", "compared")
    stage.show(sheet, "proxy", "proxy mesh")
    stage.legend(
        ("altitude", f"gold {limits[0]:.1f} to {limits[1]:.1f}"), (f"~{PROXY}", "proxy: what the reward model sees"),
        (PROXY, "the walk as the proxy scores it"), (GOLD, "the same walk on the ground"), ("o#FFFFFF", "compared"),
    )  # fmt: skip


def draw_climb(stage: Stage, side, learned: Learned | None, shown: str, updates: int) -> None:
    """The mean path on both landscapes, the gap between them at its end, and both curves."""
    path = scene(LAND).walker.trail.points if learned is None else learned.paths[updates]
    stage.path("gold path", path.numpy(), "gold", GOLD)
    stage.path("proxy path", path.numpy(), "proxy", PROXY)
    stage.drop("gap", path[-1].numpy(), "proxy", "gold", "#FFFFFF")
    stage.show(learned is not None and shown != SHEET, "gold path")
    stage.show(learned is not None and shown != GROUND, "proxy path")
    stage.show(learned is not None and shown == BOTH, "gap")
    if learned is None:
        return
    with side.batch_update():
        for trace, name in zip(side.data, ("proxy", "gold"), strict=True):
            trace.y = learned.history.series(name)
        side.layout.shapes[0].x0 = side.layout.shapes[0].x1 = updates
