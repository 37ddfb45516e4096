"""The property that the chapters live on, seed by seed: at a calm, constant rate gold rises, then falls.

    python -m rlhf_lib.experiments.build_rise          # seeds 0 to 9, about an hour on one core
    python -m rlhf_lib.experiments.build_rise 3 4      # some seeds; the others are kept

Each seed labels the comparisons anew, trains its own reward model on them and then a policy. The runs go to
data/over_optimization/rise.json and a summary to the card of pocket-reward.
"""

from __future__ import annotations

import json
import sys

import torch

from ..lm import Policy, load_policy
from ..rewards import GoldReward
from ..runtime import data_path
from ..training import OnlineTrainer, preset, read_preferences
from ..world import PocketWorld
from .model_cards import add_figures
from .over_optimization import Setting, train_proxy

STEPS, EVERY = 160, 10
LEARNING_RATE = 2e-4
"""Constant, without a warm-up."""
SEEDS = tuple(range(10))


def rise_run(seed: int, steps: int = STEPS, learning_rate: float = LEARNING_RATE) -> dict:
    """One run: gold on 96 held-out requests, and proxy and KL in training, every `EVERY` steps."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    proxy, policy = train_proxy(sft, world, pairs, Setting(seed=seed)), sft.copy()
    settings = preset("rloo", steps=steps, learning_rate=learning_rate, seed=seed)
    trainer = OnlineTrainer(policy, world.prompts(2000, seed=7), proxy, settings)
    found: dict[str, list] = {"step": [], "gold": [], "proxy": [], "kl": []}
    for step in range(steps + 1):
        if step % EVERY == 0:
            row = trainer.history.rows[-1] if trainer.history.rows else {"proxy": 0.0, "kl": 0.0}
            found["step"].append(step)
            found["gold"].append(held_out_gold(world, policy))
            found["proxy"].append(row["proxy"])
            found["kl"].append(row["kl"])
        if step < steps:
            trainer.step()
    return {"seed": seed, **found}


@torch.no_grad()
def held_out_gold(world: PocketWorld, policy: Policy, n: int = 96) -> float:
    """Mean gold of two answers to each of the same `n` held-out requests."""
    prompts = world.prompts(n, seed=77, split="test")
    return GoldReward(world)(policy.sample(prompts, 2, 40, seed=1)).mean().item()


def summary(runs: list[dict]) -> dict[str, float]:
    """What the card says: how far gold rises and falls, in the mean and at the worst seed."""
    rises = [max(run["gold"]) - run["gold"][0] for run in runs]
    falls = [max(run["gold"]) - sum(run["gold"][-3:]) / 3 for run in runs]
    peaks = sorted(run["step"][run["gold"].index(max(run["gold"]))] for run in runs)
    return {
        "rise then fall: seeds": len(runs),
        "rise of gold to its peak, mean": sum(rises) / len(rises),
        "rise of gold to its peak, smallest": min(rises),
        "fall of gold from its peak, mean": sum(falls) / len(falls),
        "fall of gold from its peak, smallest": min(falls),
        "step of the peak, median": peaks[len(peaks) // 2],
    }


def main(names: list[str]) -> None:
    """Run the seeds, keep the runs, write the card anew."""
    path = data_path("over_optimization", "rise.json")
    runs = (
        {run["seed"]: run for run in json.loads(path.read_text(encoding="utf-8"))}
        if path.exists()
        else {}
    )
    for seed in map(int, names or SEEDS):
        runs[seed] = rise_run(seed)
        print(f"seed {seed}: gold", [round(gold, 2) for gold in runs[seed]["gold"]], flush=True)
        found = [runs[seed] for seed in sorted(runs)]
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    add_figures(data_path("models", "pocket-reward"), summary(list(runs.values())))


if __name__ == "__main__":
    main(sys.argv[1:])
