"""Make `data/landscape/plane.json`: `python -m rlhf_lib.experiments.build_plane` (some minutes).

One run climbs the shipped reward model with RLOO at a constant rate and no KL penalty; its weights are kept at
every step. Three of them span the plane: the SFT policy, the measured step with the most gold, and the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..lm import Policy, load_policy
from ..rewards import GoldReward, RewardModel
from ..world import PocketWorld
from .over_optimization import LEARNING_RATE, calm_settings, steps_of
from .plane import MEASURES, Axes, Plane, measure_policy, weights_of, with_weights

STEPS = 60
COLUMNS, ROWS = 9, 7
PROMPTS = 192
MARGIN = 0.22
EVERY = 2
"""The path is measured at every second step."""


def train_and_keep(sft: Policy, proxy) -> list[Tensor]:
    """The weights of the run, before it and after each step."""
    policy = sft.copy()
    return [weights_of(policy) for _ in steps_of(policy, proxy, calm_settings(STEPS))]


def span(places: list[tuple], count: int, index: int) -> Tensor:
    """An axis that covers all places, with a margin."""
    values = [place[index] for place in places]
    room = MARGIN * (max(values) - min(values))
    return torch.linspace(min(values) - room, max(values) + room, count, dtype=torch.float64)


def measurer(world: PocketWorld, sft: Policy, proxy) -> Callable[[Tensor], dict[str, float]]:
    """weights (W,) -> gold, proxy and KL on the same held-out requests."""
    prompts, gold = world.prompts(PROMPTS, seed=77, split="test"), GoldReward(world)

    def measured(weights: Tensor) -> dict[str, float]:
        found = measure_policy(with_weights(sft, weights), sft, proxy, gold, prompts)
        print(" ".join(f"{name} {value:.2f}" for name, value in found.items()), flush=True)
        return found

    return measured


def build() -> Plane:
    """Train, then measure the run and the plane."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    proxy = RewardModel.load("pocket-reward")
    kept = train_and_keep(sft, proxy)
    measured = measurer(world, sft, proxy)
    run = {step: measured(kept[step]) for step in range(0, STEPS + 1, EVERY)}
    peak = max(run, key=lambda step: run[step]["gold"])
    axes = Axes.through(kept[0], kept[peak], kept[-1])
    path = [_row(step, axes.place(kept[step]), numbers) for step, numbers in run.items()]
    names = {"SFT": 0, "gold peak": peak, "over-optimized": STEPS}
    places = [axes.place(weights) for weights in kept]
    a, b = span(places, COLUMNS, 0), span(places, ROWS, 1)
    meta = {
        "prompts": PROMPTS, "steps": STEPS, "peak_step": peak, "seed": 0,
        "learning_rate": LEARNING_RATE,
        "unit": float(axes.u.norm()), "sft_norm": float(kept[0].norm()),
    }  # fmt: skip
    by_step = {row["step"]: row for row in path}
    checkpoints = {name: by_step[step] for name, step in names.items()}
    tables = measure_grid(axes, a, b, measured)
    return Plane(a, b, **tables, checkpoints=checkpoints, path=path, meta=meta)


def measure_grid(axes: Axes, a: Tensor, b: Tensor, measured) -> dict[str, Tensor]:
    """Each measure at each point of the grid, (nb, na)."""
    grid = [[measured(axes.weights(x, y)) for x in a.tolist()] for y in b.tolist()]
    return {
        name: torch.tensor([[cell[name] for cell in row] for row in grid], dtype=torch.float64)
        for name in MEASURES
    }


def _row(step: int, place: tuple, numbers: dict[str, float]) -> dict[str, float]:
    """One step of the run: where it is in the plane, and what its own weights give."""
    return {"step": step, **dict(zip(("a", "b", "share"), place, strict=True)), **numbers}


if __name__ == "__main__":
    started = time.perf_counter()
    build().to_json()
    print(f"{time.perf_counter() - started:.0f} s")
