"""Claims of chapter 00, each an experiment over several seeds: `make claims ONLY=00`."""

from __future__ import annotations

from ...evaluation import smooth
from ...experiments.claims import SEEDS, claim
from ...lm import load_policy
from ...rewards import GoldReward, RewardModel
from ...training import (
    RewardModelSettings,
    preset,
    train_online,
    train_reward_model,
)
from ...world import PocketWorld, label_pairs


def start_here() -> None:
    """Chapter 00: RLOO against a reward model of 300 comparisons, with and without a KL penalty."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    gold, asked = GoldReward(world), world.prompts(1000, seed=5)
    runs: dict[float, list] = {0.0: [], 0.1: []}
    for seed in SEEDS:
        requests, annotator = world.prompts(300, seed=1 + seed), world.annotator()
        texts = sft.sample(requests, samples_per_prompt=2, max_new_tokens=40, seed=1 + seed).texts
        pairs = label_pairs(requests, texts[0::2], texts[1::2], annotator, seed)
        proxy = RewardModel.from_policy(sft, seed=seed)
        train_reward_model(proxy, pairs, RewardModelSettings(epochs=2, seed=seed))
        for beta, found in runs.items():
            settings = preset(
                "rloo", steps=60, prompts_per_step=12, learning_rate=3e-4, kl_coefficient=beta, seed=seed
            )  # fmt: skip
            run = train_online(sft.copy(), asked, proxy, settings, gold)
            found.append({m: smooth(run.series(m)) for m in ("proxy", "gold", "kl")})
            shown = {
                m: [round(float(x), 2) for x in (v[0], max(v), v[-1])] for m, v in found[-1].items()
            }
            print(f"  seed {seed}, beta {beta}: first, highest, last {shown}", flush=True)
    free, held = runs.values()
    claim(sum(r["proxy"][-1] > r["proxy"][0] + 0.5 for r in free), 5, "the proxy rises")
    claim(sum(max(r["gold"]) - r["gold"][-1] > 0.2 for r in free), 5, "gold falls from its peak")
    both = list(zip(free, held, strict=True))
    claim(sum(b["kl"][-1] < a["kl"][-1] for a, b in both), 5, "the penalty keeps the KL lower")
    claim(sum(b["gold"][-1] > a["gold"][-1] for a, b in both), 5, "and the gold utility higher")


CLAIMS = {"start_here": start_here}
