"""Claims of chapter 11, each an experiment over several seeds: `make claims ONLY=11`."""

from __future__ import annotations

import numpy as np

from ...evaluation import smooth
from ...experiments.bands import band_of, save_band
from ...experiments.claims import SEEDS, claim, start_of
from ...lm import load_policy
from ...rewards import GoldReward
from ...training import (
    PRESETS,
    preset,
    train_online,
)
from ...world import PocketWorld


def algorithms() -> None:
    """Chapter 11: all presets, the gold utility as reward."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    requests, gold = world.prompts(1000, seed=5), GoldReward(world)
    start, _ = start_of(world, sft)
    bands = {}
    for name in PRESETS:
        runs = []
        for seed in SEEDS:
            settings = preset(name, steps=9, prompts_per_step=8, learning_rate=6.5e-4, seed=seed)
            runs.append(train_online(sft.copy(), requests, gold, settings).series("proxy"))
        bands[name] = band_of([smooth(run).tolist() for run in runs])
        ends = [float(np.mean(run[-4:])) for run in runs]
        print(f"  {name:10s} last four steps: {[round(end, 2) for end in ends]}", flush=True)
        claim(sum(end > start for end in ends), 4, f"{name} improves the gold utility")
    save_band("algorithms", bands)


CLAIMS = {"algorithms": algorithms}
