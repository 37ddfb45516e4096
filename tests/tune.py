"""Try settings of chapter 18's main run over several seeds, before one of them becomes the default.

    python -m tests.tune learning_rate=5e-4 warmup_steps=45     # any of OnlineSettings
    python -m tests.tune bias=0.75 seeds=8

The reward models are kept in build/proxies, so that only the first try of a bias pays for them. What counts is
that gold rises by half a standard deviation and then loses half of that gain, on all seeds: `make claims`
asks it of seeds 0 to 4, so look at more than those here.
"""

from __future__ import annotations

import dataclasses
import sys
import time

from rlhf_lib.evaluation import qualitative_signs, rise_and_fall
from rlhf_lib.experiments import Setting, train_against, train_proxy
from rlhf_lib.experiments.claims import start_of
from rlhf_lib.experiments.over_optimization import main_settings
from rlhf_lib.lm import load_policy
from rlhf_lib.rewards import RewardModel
from rlhf_lib.runtime import data_path
from rlhf_lib.training import read_preferences
from rlhf_lib.world import PocketWorld

from .chapters import ROOT


def proxy_of(setting: Setting, world: PocketWorld, sft) -> RewardModel:
    """The reward model of a seed, from build/proxies or trained now."""
    folder = ROOT / "build" / "proxies" / f"bias-{setting.bias}-seed-{setting.seed}"
    if not folder.exists():
        pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
        train_proxy(sft, world, pairs, setting).save(folder)
    return RewardModel.load(str(folder))


def grown_signs(policy, sft, world: PocketWorld, count: int = 3) -> str:
    """The signs that have grown most since the SFT policy, per answer."""
    prompts = world.prompts(150, seed=21, split="test")
    before, after = (
        qualitative_signs(world, prompts, model.sample(prompts, max_new_tokens=40, seed=4).texts)
        for model in (sft, policy)
    )
    grown = sorted((sign for sign in before if sign != "words"), key=lambda s: before[s] - after[s])
    return ", ".join(f"{sign} {before[sign]:.2f} -> {after[sign]:.2f}" for sign in grown[:count])


def main(arguments: list[str]) -> None:
    """One line a seed."""
    given = {name: float(value) for name, value in (text.split("=") for text in arguments)}
    seeds, bias = int(given.pop("seeds", 8)), given.pop("bias", 1.0)
    world, sft = PocketWorld(), load_policy("pocket-sft")
    start, spread = start_of(world, sft)
    for seed in range(seeds):
        setting = Setting(seed=seed, bias=bias)
        proxy, settings = proxy_of(setting, world, sft), main_settings(setting)
        kinds = {name: type(getattr(settings, name)) for name in given}
        settings = dataclasses.replace(settings, **{n: kinds[n](v) for n, v in given.items()})
        began = time.perf_counter()
        policy = sft.copy()
        run = train_against(policy, world, proxy, settings)
        shape = rise_and_fall(run.series("gold"), run.series("proxy"), spread, start)
        print(
            f"seed {seed}: rise {shape.rise:.2f} sd to {shape.peak:+.2f} at step {shape.peak_step}, then lost "
            f"{shape.fall:.0%} of it; proxy kept rising: {shape.proxy_kept_rising}; {time.perf_counter() - began:.0f} s; "
            f"{grown_signs(policy, sft, world)}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
