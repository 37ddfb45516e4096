"""The property that the chapters live on, seed by seed: at a calm, constant rate gold rises, then falls.

    python -m rlhf_lib.experiments.build_rise          # seeds 0 to 9, about an hour on one core
    python -m rlhf_lib.experiments.build_rise 3 4      # some seeds; the others are kept

Each seed labels the comparisons anew, trains its own reward model on them and then a policy. The runs go to
data/over_optimization/rise.json and a summary to the card of pocket-reward.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import torch

from ..lm import Policy, Rollout, load_policy
from ..rewards import GoldReward, Reward
from ..runtime import data_path
from ..training import read_preferences
from ..world import PocketWorld
from .model_cards import add_figures
from .over_optimization import Setting, calm_settings, steps_of, train_proxy

STEPS, EVERY = 160, 10
SEEDS = tuple(range(10))
FILE = data_path("over_optimization", "rise.json")


def rise_run(seed: int) -> dict:
    """One run with labels and a reward model of its own: seed, and a list for each value of a look."""
    sft = load_policy("pocket-sft")
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    proxy = train_proxy(sft, PocketWorld(), pairs, Setting(seed=seed))
    return {"seed": seed, **rise_curves(sft.copy(), proxy, seed)}


def rise_curves(
    policy: Policy, proxy: Reward, seed: int = 0, steps: int = STEPS, beta: float = 0.0
) -> dict[str, list]:
    """Train `policy` in place; name -> the values of all looks. Arguments as in `rise_looks`."""
    looks = list(rise_looks(policy, proxy, seed, steps, beta))
    return {name: [look[name] for look in looks] for name in looks[0]}


def rise_looks(
    policy: Policy, proxy: Reward, seed: int = 0, steps: int = STEPS, beta: float = 0.0
) -> Iterator[dict[str, float]]:
    """Train `policy` in place on `proxy`, with KL coefficient `beta`; every `EVERY` steps yield what is seen.

    step; gold on 96 held-out requests (points); proxy (standard deviations of SFT answers) and KL (nats) of the
    64 answers of the last training step, 0 before the first.
    """
    world = PocketWorld()
    for step, row in steps_of(policy, proxy, calm_settings(steps, beta, seed)):
        if step % EVERY == 0:
            seen = {name: row.get(name, 0.0) for name in ("proxy", "kl")}
            yield {"step": step, "gold": held_out_gold(world, policy), **seen}


def rise_runs() -> list[dict]:
    """The stored runs, one a seed.

    Raises:
        FileNotFoundError: the file is missing; says how to rebuild it.
    """
    if not FILE.exists():
        raise FileNotFoundError(
            f"no stored runs in {FILE}: fetch data/ or run `python -m rlhf_lib.experiments.build_rise`"
        )
    return json.loads(FILE.read_text(encoding="utf-8"))


def held_out_answers(world: PocketWorld, policy: Policy, n: int = 96) -> Rollout:
    """Two answers to each of the same `n` held-out requests."""
    return policy.sample(world.prompts(n, seed=77, split="test"), 2, 40, seed=1)


@torch.no_grad()
def held_out_gold(world: PocketWorld, policy: Policy) -> float:
    """Mean gold of these answers."""
    return GoldReward(world)(held_out_answers(world, policy)).mean().item()


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
    runs = {run["seed"]: run for run in rise_runs()} if FILE.exists() else {}
    for seed in map(int, names or SEEDS):
        runs[seed] = rise_run(seed)
        print(f"seed {seed}: gold", [round(gold, 2) for gold in runs[seed]["gold"]], flush=True)
        found = [runs[seed] for seed in sorted(runs)]
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    add_figures(data_path("models", "pocket-reward"), summary(list(runs.values())))


if __name__ == "__main__":
    main(sys.argv[1:])
