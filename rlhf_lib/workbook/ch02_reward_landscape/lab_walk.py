"""Lab: a walk. Terrain, compass, one walk step by step, and the reward and return that it has collected so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...landscape import SCENES, compass, dice, discounted_return, rewards, scene, surface_of, walk
from ...plots import COLOURS
from ..kit.lab import Lab, menu, player, side_plot, slider
from ..kit.scene import Stage
from ..kit.words import plain, signed

WALK, OTHERS = "#E3008C", 12
"""Colour of the walk that is followed; number of walks with other dice."""

LONGEST = 40


@dataclass(frozen=True)
class Walked:
    """One walk (T + 1, 2) and others (B, T + 1, 2) with other dice; rewards and returns so far (T,) of the one."""

    path: torch.Tensor
    others: torch.Tensor
    rewards: torch.Tensor
    returns: torch.Tensor
    mean: float
    spread: float


def walked(place: str, horizon: int, gamma: float, noise: float, seed: int) -> Walked:
    """Walk once, and 200 times more with other dice to see what is luck.

    returns[t] is the discounted return of the first t + 1 steps. noise: sigma of a step in map units.
    """
    land = scene(place)
    walker = land.walker.with_sigma(noise)
    walks = walk(walker, land.start, horizon, noise=dice(201, LONGEST, seed)[:, :horizon])
    given = rewards(land.terrain, walks)
    powers = gamma ** torch.arange(horizon, dtype=given.dtype)
    totals = discounted_return(given[1:], gamma)
    return Walked(
        walks.states[0], walks.states[1 : 1 + OTHERS], given[0], (given[0] * powers).cumsum(0),
        float(totals.mean()), float(totals.std()),
    )  # fmt: skip


def describe(found: Walked, step: int, gamma: float) -> str:
    """What the walk has collected after `step` steps, in words."""
    horizon = len(found.rewards)
    others = (
        f"With 200 other dice the whole walk brings {plain(found.mean, 1)} ± {found.spread:.1f}."
    )
    if step == 0:
        return (
            f"The pin is the state, the arrows are the policy's mean steps: no reward yet. {others}"
        )
    here, so_far = float(found.rewards[step - 1]), float(found.returns[step - 1])
    weight = gamma ** (step - 1)
    return (
        f"Step {step} of {horizon}: the walker stepped onto altitude {signed(here)}. That is its reward; with "
        f"γ = {gamma:.2f} it counts {weight:.2f} times. The return so far is <b>{plain(so_far)}</b>. {others}"
    )


def walk_lab() -> Lab:
    """The live lab."""
    stage, side = Stage(), side_plot("step", "")
    side.add_bar(name="reward of a step", marker={"color": COLOURS["gold"]})
    side.add_scatter(name="return so far", line={"color": WALK, "width": 2.5})
    controls = walk_controls()

    def update(place, step, horizon, gamma, noise, seed) -> str:
        controls["step"].max = horizon
        step = min(step, horizon)
        found = walked(place, horizon, gamma, noise, seed)
        draw(stage, place, found, step)
        with side.batch_update():
            side.data[0].x = side.data[1].x = np.arange(1, horizon + 1)
            so_far = np.arange(1, horizon + 1) <= step
            for trace, series in zip(side.data, (found.rewards, found.returns), strict=True):
                trace.y = np.where(so_far, series.numpy(), np.nan)
            side.layout.xaxis.range = (0.3, horizon + 0.7)
        return f"<i>{scene(place).point}</i> {describe(found, step, gamma)}"

    tasks = (
        "press Step a few times: which steps add most to the return, the high ones or the early ones?",
        "γ from 0.95 to 0.60: after which step does the return hardly grow any more?",
        "“ridge”, noise 0.05 against 0.40: the arrows stay the same. What happens to the return?",
        "“plain”: how long must the walker go before it earns anything? That is an answer scored as a whole.",
    )
    return Lab("Walk: a policy on a landscape of rewards", controls, stage, update, tasks,
               extra=player(controls["step"]), side=side)  # fmt: skip


def walk_controls() -> dict:
    """The lab's controls by name."""
    return {
        "place": menu("landscape", SCENES, "one hill", "look for: where it is high, and where the arrows lead"),
        "step": slider("step", 8, 0, 24, 1, "how far the walk has come; look at the bars and at the return"),
        "horizon": slider("horizon", 24, 4, LONGEST, 1, "steps in a whole walk; look at how late the reward comes"),
        "gamma": slider("discount γ", 0.95, 0.5, 1.0, 0.01,
                        "what a reward one step later is worth; look at where the return levels off"),
        "noise": slider("noise σ", 0.2, 0.02, 0.6, 0.02,
                        "spread of a step around its arrow; look at the white walks with other dice"),
        "seed": slider("dice", 1, 1, 20, 1, "another roll of the dice, same policy; look at how the return changes"),
    }  # fmt: skip


def draw(stage: Stage, place: str, found: Walked, step: int) -> None:
    """Terrain, compass, other walks, the walk so far and the pin."""
    land = scene(place)
    low, high = stage.surface("ground", surface_of(land.terrain.altitude, 73)[2].numpy())
    stage.axes()
    points, steps = (part.numpy() for part in compass(land.walker, 11, step))
    stage.arrows("compass", points, 1.3 * steps, "ground", "#FFFFFF")
    others = found.others.numpy()
    still = others[:, -1:].repeat(LONGEST + 1 - others.shape[1], 1)  # arrived: no longer lines
    stage.walks("others", np.concatenate((others, still), 1), "ground", "#FFFFFF", opacity=0.45)
    path = found.path.numpy()[: max(step, 1) + 1]
    stage.path("walk", path if step else path[:1].repeat(2, 0), "ground", WALK)
    stage.pin("walker", found.path[step].numpy(), "ground", WALK, f"step {step}")
    stage.legend(
        ("altitude", f"reward {low:.1f} to {high:.1f}"), ("#FFFFFF", "policy: mean step"),
        (WALK, "the walk so far"), ("~#FFFFFF", "other dice"),
    )  # fmt: skip
