"""Make `data/landscape/plane.json`: `python -m rlhf_lib.experiments.build_plane` (some minutes).

Repeats the run of chapter 18 (seed 0) against the shipped reward model and keeps its weights at every
step. Three of them span the plane: the SFT policy, the step where gold peaks, and the last.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from ..evaluation import rise_and_fall
from ..lm import Policy, load_policy
from ..rewards import GoldReward, RewardModel
from ..training import OnlineTrainer
from ..world import PocketWorld
from .over_optimization import Setting, main_settings
from .plane import Axes, Plane, measure_policy, weights_of, with_weights

COLUMNS, ROWS = 11, 9
PROMPTS = 192
MARGIN = 0.22
EVERY = 2
"""The path is measured at every second step."""


def train_and_keep(sft: Policy, world: PocketWorld, proxy) -> tuple[OnlineTrainer, list[Tensor]]:
    """Chapter 18's run; the weights before it and after each step."""
    trainer = OnlineTrainer(
        sft.copy(), world.prompts(2000, seed=7), proxy, main_settings(Setting(seed=0)), GoldReward(world)
    )  # fmt: skip
    kept = [weights_of(trainer.policy)]
    for _ in range(trainer.settings.steps):
        trainer.step()
        kept.append(weights_of(trainer.policy))
    return trainer, kept


def span(places: list[tuple], count: int, index: int) -> Tensor:
    """An axis that covers all places, with a margin."""
    values = [place[index] for place in places]
    room = MARGIN * (max(values) - min(values))
    return torch.linspace(min(values) - room, max(values) + room, count, dtype=torch.float64)


def build() -> Plane:
    """Train, then measure the plane."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    proxy, gold = RewardModel.load("pocket-reward"), GoldReward(world)
    prompts = world.prompts(PROMPTS, seed=77, split="test")
    trainer, kept = train_and_keep(sft, world, proxy)
    history = trainer.history
    peak = 1 + rise_and_fall(history.series("gold"), history.series("proxy"), 1.0).peak_step
    axes = Axes.through(kept[0], kept[peak], kept[-1])

    def measured(weights: Tensor) -> dict[str, float]:
        return measure_policy(with_weights(sft, weights), sft, proxy, gold, prompts)

    path = [_row(step, kept[step], axes, measured) for step in _steps(len(kept), peak)]
    by_step = {row["step"]: row for row in path}
    names = {"SFT": 0, "gold peak": peak, "over-optimized": len(kept) - 1}
    places = [axes.place(weights) for weights in kept]
    a, b = span(places, COLUMNS, 0), span(places, ROWS, 1)
    grid = [[_told(measured(axes.weights(x, y)), x, y) for x in a.tolist()] for y in b.tolist()]
    tables = {
        name: torch.tensor([[cell[name] for cell in row] for row in grid], dtype=torch.float64)
        for name in ("gold", "proxy", "kl")
    }
    meta = {
        "prompts": PROMPTS, "steps": len(kept) - 1, "peak_step": peak, "seed": 0,
        "unit": float(axes.u.norm()), "sft_norm": float(kept[0].norm()),
    }  # fmt: skip
    checkpoints = {name: by_step[step] for name, step in names.items()}
    return Plane(a, b, **tables, checkpoints=checkpoints, path=path, meta=meta)


def _steps(count: int, peak: int) -> list[int]:
    """The steps of the run that are measured."""
    return sorted({*range(0, count, EVERY), peak, count - 1})


def _row(step: int, weights: Tensor, axes: Axes, measured) -> dict[str, float]:
    """One step of the real run: where it is in the plane, and what its real weights give."""
    a, b, share = axes.place(weights)
    row = {"step": step, "a": a, "b": b, "share": share, **measured(weights)}
    print(" ".join(f"{k} {v:.3f}" for k, v in row.items()), flush=True)
    return row


def _told(values: dict[str, float], a: float, b: float) -> dict[str, float]:
    print(f"a {a:+.2f} b {b:+.2f}", " ".join(f"{k} {v:.2f}" for k, v in values.items()), flush=True)
    return values


if __name__ == "__main__":
    started = time.perf_counter()
    build().to_json()
    print(f"{time.perf_counter() - started:.0f} s")
