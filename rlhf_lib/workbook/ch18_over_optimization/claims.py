"""Claims of chapter 18, each an experiment over several seeds: `make claims ONLY=18`."""

from __future__ import annotations

import functools

from ...evaluation import qualitative_signs, rise_and_fall, smooth
from ...experiments import Setting, train_against, train_proxy
from ...experiments.bands import band_of, load_band, save_band
from ...experiments.claims import SEEDS, claim, start_of
from ...experiments.over_optimization import main_settings
from ...lm import load_policy
from ...rewards import RewardModel
from ...runtime import data_path
from ...training import (
    read_preferences,
)
from ...world import PocketWorld

STRONG_BETA = 0.5


@functools.cache
def main_proxy(seed: int):
    """Chapter 18's reward model with this seed's labels; the KL penalty has no part in it."""
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    return train_proxy(load_policy("pocket-sft"), PocketWorld(), pairs, Setting(seed=seed))


def main_runs(beta: float) -> tuple[list, dict]:
    """Chapter 18's run with each seed's labels, reward model and batches: shapes and band."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    start, spread = start_of(world, sft)
    print(f"  SFT answers: gold {start:.2f}, standard deviation {spread:.2f}")
    histories, shapes = [], []
    for seed in SEEDS:
        setting = Setting(seed=seed, beta=beta)
        run = train_against(sft.copy(), world, main_proxy(seed), main_settings(setting))
        shape = rise_and_fall(run.series("gold"), run.series("proxy"), spread, start)
        print(
            f"  seed {seed}, beta {beta}: gold {shape.start:+.2f} -> {shape.peak:+.2f} at step "
            f"{shape.peak_step} -> {shape.end:+.2f}; rise {shape.rise:.2f} sd, lost "
            f"{shape.fall:.0%} of the gain, proxy at the end {run.last('proxy'):.2f}",
            flush=True,
        )
        histories.append(run)
        shapes.append(shape)
    band = {m: band_of([smooth(h.series(m)) for h in histories]) for m in ("proxy", "gold", "kl")}
    ends = [shape.end for shape in shapes]
    return shapes, {**band, "ends": ends, "start": start, "spread": spread, "beta": beta}


def over_optimization() -> None:
    """Chapter 18: without a KL penalty gold rises and falls."""
    shapes, band = main_runs(0.0)
    save_band("over_optimization", band)
    claim(sum(s.rise >= 0.5 for s in shapes), 5, "gold rises by half a standard deviation")
    claim(sum(s.fall >= 0.5 for s in shapes), 5, "then loses half of that gain or more")
    claim(sum(s.proxy_kept_rising for s in shapes), 5, "while the proxy keeps rising")


def kl_penalty() -> None:
    """Chapter 18: the same with a strong KL penalty."""
    shapes, band = main_runs(STRONG_BETA)
    save_band("kl_penalty", band)
    claim(
        sum(s.fall < 0.5 for s in shapes), 5, "a strong KL penalty keeps more than half of the gain"
    )
    claim(sum(s.end > s.start for s in shapes), 5, "and ends above the SFT policy")
    free = load_band("over_optimization")["ends"]
    both = zip(shapes, free, strict=True)
    claim(sum(s.end > end for s, end in both), 5, "and above the same seed without it")


def signs() -> None:
    """Chapter 18: praise per answer after 44 steps against pocket-reward; other batches with each seed."""
    world, sft, proxy = PocketWorld(), load_policy("pocket-sft"), RewardModel.load("pocket-reward")
    asked = world.prompts(150, seed=21, split="test")

    def praise(policy) -> float:
        texts = policy.sample(asked, max_new_tokens=40, seed=4).texts
        return qualitative_signs(world, asked, texts)["flattery"]

    start, found = praise(sft), []
    for seed in SEEDS:
        policy = sft.copy()
        train_against(policy, world, proxy, main_settings(Setting(seed=seed), steps=44))
        found.append(praise(policy))
    print(f"  praise per answer: {start:.2f} -> {[round(x, 2) for x in found]}", flush=True)
    claim(sum(x > start + 0.5 for x in found), 5, "answers turn into praise")


CLAIMS = {"over_optimization": over_optimization, "kl_penalty": kl_penalty, "signs": signs}
