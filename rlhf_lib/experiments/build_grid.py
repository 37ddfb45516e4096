"""The grid of real runs behind chapter 18's lab: `make grid` (about an hour on one core).

    python -m rlhf_lib.experiments.build_grid          # all seeds; runs that are stored are kept
    python -m rlhf_lib.experiments.build_grid 3 4      # these seeds

Each run labels its comparisons anew and trains its own reward model(s) and policy. The file holds settings of the
training, the values of each axis, and for each cell its runs and its best-of-n curves, one a seed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cache

import torch

from ..evaluation import best_of_n
from ..lm import Policy, Rollout, load_policy
from ..rewards import GoldReward, Reward, RewardModel
from ..runtime import data_path
from ..training import read_preferences
from ..world import PocketWorld
from .over_optimization import (
    LEARNING_RATE,
    Setting,
    calm_settings,
    combined,
    reward_models,
    steps_of,
)

FILE = data_path("over_optimization", "grid.json")
SEEDS = (0, 1, 2)
LOOKS = (0, 5, 10, 15, 20, 25, 30, 40, 50, 60)
"""Steps after which a run is measured."""
REQUESTS = 96
SHOWN = ("fact", "opinion", "unsafe", "open")
"""Kinds of request of which a look keeps an answer."""
FITTING = 0.3
"""Share of the work that is fitting the reward models."""
BASE = Setting(pairs=1000)
CELLS = tuple(
    [
        replace(BASE, pairs=pairs, beta=beta)
        for pairs in (300, 1000, 4000)
        for beta in (0.0, 0.1, 0.3)
    ]
    + [replace(BASE, members=3, beta=beta) for beta in (0.0, 0.1)]
    + [replace(BASE, pairs=pairs, layers=1) for pairs in (1000, 4000)]
    + [replace(BASE, pairs=pairs, bias=0.0) for pairs in (1000, 4000)]
)
AXES = ("pairs", "bias", "members", "layers", "beta")


@cache
def stage() -> tuple[PocketWorld, Policy, list]:
    """What all runs begin with: the world, the SFT policy, the comparisons."""
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    return PocketWorld(), load_policy("pocket-sft"), pairs


def follow(setting: Setting, steps: int = LOOKS[-1]) -> Iterator[tuple[float, list[dict]]]:
    """Train the reward models and a policy of a setting; yield (share done, looks so far) after each and each step."""
    world, sft, pairs = stage()
    models: list[RewardModel] = []
    for model in reward_models(sft, world, pairs, setting):
        models.append(model)
        yield FITTING * len(models) / setting.members, []
    yield from follow_policy(models, setting, steps)


def follow_policy(
    models: list[RewardModel], setting: Setting, steps: int = LOOKS[-1]
) -> Iterator[tuple[float, list[dict]]]:
    """The training of the policy, with reward models that are there."""
    policy = stage()[1].copy()
    looks: list[dict] = []
    settings = calm_settings(steps, setting.beta, setting.seed)
    for step, _ in steps_of(policy, combined(models), settings):
        if step in LOOKS or step == steps:
            looks = [*looks, {"step": step, **look(policy, models[0])}]
        yield FITTING + (1 - FITTING) * step / steps, looks


@torch.no_grad()
def look(policy: Policy, judge: Reward | None = None) -> dict:
    """Means over one answer to each held-out request, and some (request, answer).

    Gold in points, KL to the SFT policy in nats and, with a judge, proxy in standard deviations of the SFT policy's
    answers. An ensemble's proxy is its first member, so that it can be compared with a single reward model.
    """
    world, sft, _ = stage()
    requests = world.prompts(REQUESTS, seed=77, split="test")
    rollout = policy.sample(requests, 1, 40, seed=1)
    drift = (rollout.logp - sft.logprobs(rollout)) * rollout.completion_mask
    proxy = {} if judge is None else {"proxy": judge(rollout).mean().item()}
    return {
        "gold": GoldReward(world)(rollout).mean().item(),
        **proxy,
        "kl": drift.sum(1).mean().item(),
        "answers": shown(rollout),
    }


def shown(rollout: Rollout) -> list[tuple[str, str]]:
    """The first request of each kind in `SHOWN` with its answer."""
    asked = [*zip(rollout.prompts, rollout.texts, strict=True)]
    first = [next(pair for pair in asked if pair[0].kind == kind) for kind in SHOWN]
    return [(prompt.text, text) for prompt, text in first]


def run_cell(models: list[RewardModel], setting: Setting) -> dict:
    """One run: name -> one value a look."""
    *_, (_, looks) = follow_policy(models, setting)
    return {"seed": setting.seed, **{name: [row[name] for row in looks] for name in looks[0]}}


@cache
def sft_answers() -> tuple[list[Rollout], torch.Tensor]:
    """64 answers of the SFT policy to each of 96 held-out requests, and their gold (M, 64)."""
    world, sft, _ = stage()
    asked = world.prompts(REQUESTS, seed=31, split="test")
    parts = range(0, REQUESTS, 8)
    rollouts = [sft.sample(asked[start : start + 8], 64, 40, seed=start) for start in parts]
    return rollouts, scores(GoldReward(world), rollouts)


@torch.no_grad()
def scores(says: Callable[[Rollout], torch.Tensor], rollouts: list[Rollout]) -> torch.Tensor:
    """(M, n): what a judge says of n answers to each of `REQUESTS` requests."""
    return torch.cat([says(rollout) for rollout in rollouts]).view(REQUESTS, -1)


def best_of_n_run(models: list[RewardModel], seed: int) -> dict:
    """Best-of-n by the reward models together: n, KL (nats), gold, and the proxy of the first of them."""
    rollouts, gold = sft_answers()
    picked = scores(combined(models), rollouts)
    curve, seen = best_of_n(picked, gold), best_of_n(picked, scores(models[0], rollouts))
    found = {"n": curve.n, "kl": curve.kl, "proxy": seen.gold, "gold": curve.gold}
    return {"seed": seed, **found}


def axes_of(setting: Setting) -> dict:
    """The part of a setting that the reader can choose."""
    return {name: value for name, value in asdict(setting).items() if name in AXES}


def known_cells() -> dict[Setting, dict]:
    """What is stored: the cells of the file, and empty ones for those that are missing."""
    stored = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    known = {json.dumps(cell["setting"]): cell for cell in stored.get("cells", ())}
    empty = {cell: {"setting": axes_of(cell), "runs": [], "best_of_n": []} for cell in CELLS}
    return {cell: known.get(json.dumps(axes_of(cell)), empty[cell]) for cell in CELLS}


def run_seed(seed: int, cells: dict[Setting, dict]) -> Iterator[Setting]:
    """Add a seed to the cells that lack it; cells which differ in beta alone share their reward models."""
    world, sft, pairs = stage()
    for proxy in dict.fromkeys(replace(cell, beta=0.0, seed=seed) for cell in CELLS):
        family = [cell for cell in CELLS if replace(cell, beta=0.0, seed=seed) == proxy]
        missing = [c for c in family if seed not in [run["seed"] for run in cells[c]["runs"]]]
        if not missing:
            continue
        models = [*reward_models(sft, world, pairs, proxy)]
        best = best_of_n_run(models, seed)
        for cell in missing:
            cells[cell]["runs"].append(run_cell(models, replace(cell, seed=seed)))
            cells[cell]["best_of_n"].append(best)
            yield cell


def write(cells: dict[Setting, dict]) -> None:
    """The cells that have runs, with what they were run with; answers of the first seed only."""
    filled = [cell for cell in cells.values() if cell["runs"]]
    for run in (run for cell in filled for run in cell["runs"][1:]):
        run.pop("answers", None)
    axes = {name: sorted({cell["setting"][name] for cell in filled}) for name in AXES}
    settings = {"steps": LOOKS[-1], "learning_rate": LEARNING_RATE, "requests": REQUESTS}
    content = {"settings": settings, "axes": axes, "cells": filled}
    fresh = FILE.with_suffix(".tmp")
    fresh.write_text(json.dumps(rounded(content), separators=(",", ":")) + "\n", encoding="utf-8")
    os.replace(fresh, FILE)


def rounded(value):
    """Floats with three digits behind the point."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return round(value, 3) if isinstance(value, float) else value


def main(names: list[str]) -> None:
    """Run what is not there yet, and write after each run."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    cells = known_cells()
    for seed in map(int, names or SEEDS):
        for cell in run_seed(seed, cells):
            write(cells)
            gold = cells[cell]["runs"][-1]["gold"]
            print(f"seed {seed} {axes_of(cell)}: gold", [round(g, 2) for g in gold], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
