"""Claims of chapter 07, each an experiment over several seeds: `make claims ONLY=07`."""

from __future__ import annotations

from ...experiments import Setting, relabel
from ...experiments.bands import band_of, save_band
from ...experiments.claims import SEEDS, claim
from ...lm import load_policy
from ...rewards import RewardModel
from ...runtime import data_path
from ...training import (
    RewardModelSettings,
    read_preferences,
    train_reward_model,
)
from ...world import PocketWorld


def reward_model() -> None:
    """Chapter 07: 1,200 comparisons, one epoch, other labels and batches with each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    test = read_preferences(data_path("preferences", "pocket-test.jsonl"))
    curves = []
    for seed in SEEDS:
        labels = relabel(train, world, Setting(pairs=1200, seed=seed))
        model = RewardModel.from_policy(sft, seed=seed)
        settings = RewardModelSettings(seed=seed)
        history = train_reward_model(model, labels, settings, test[:200], evaluate_every=10)
        curves.append(history.series("held_out_accuracy"))
        print(f"  seed {seed}: held-out accuracy {curves[-1][-1]:.3f}", flush=True)
    steps = [row["step"] for row in history.rows if "held_out_accuracy" in row]
    save_band("reward_model", {"step": steps, **band_of(curves)})
    claim(sum(c[-1] > 0.58 for c in curves), 5, "held-out accuracy above 0.58")


CLAIMS = {"reward_model": reward_model}
