"""Claims of chapter 10, each an experiment over several seeds: `make claims ONLY=10`."""

from __future__ import annotations

import torch

from ...evaluation import best_of_n
from ...exact import (
    best_of_n_exact_kl,
    exact_world,
)
from ...experiments import Setting, relabel
from ...experiments.bands import band_of, save_band
from ...experiments.claims import SEEDS, claim
from ...lm import load_policy
from ...objectives import best_of_n_kl
from ...rewards import GoldReward, RewardModel
from ...runtime import data_path
from ...training import (
    SELECTIONS,
    RejectionSettings,
    RewardModelSettings,
    read_preferences,
    score_by_length,
    train_rejection,
    train_reward_model,
)
from ...world import PocketWorld


def exact_worlds(world: PocketWorld, policy, size: int = 200):
    """Other requests with each seed, every answer listed, scored by pocket-reward."""
    kinds, proxy = (
        ("fact", "opinion", "unsafe", "lookalike", "sum"),
        RewardModel.load("pocket-reward"),
    )
    return [
        exact_world(world, world.prompts(8, kinds, seed=50 + s), policy, proxy, size) for s in SEEDS
    ]


def best_of_n_exact() -> None:
    """Chapter 10: the exact KL of best-of-n against the formula, by a proxy and by gold, which ties often."""
    ns, below, near = [2, 4, 16, 64, 256], 0, 0
    for seed, exact in enumerate(exact_worlds(PocketWorld(), load_policy("pocket-sft"))):
        kls = [torch.stack([best_of_n_exact_kl(exact.ref_logp, rewards, n) for n in ns])
               for rewards in (exact.rewards, exact.gold)]  # fmt: skip
        formula = torch.tensor([best_of_n_kl(n) for n in ns], dtype=torch.float64)[:, None]
        below += all(bool((kl <= formula + 1e-9).all()) for kl in kls)
        noise = torch.randn(1, 4000, generator=torch.Generator().manual_seed(seed)).double()
        rare = best_of_n_exact_kl(torch.zeros_like(noise), noise, 16).item()
        near += abs(rare - best_of_n_kl(16)) < 0.02
        print(f"  seed {seed}: formula {formula[:, 0].numpy().round(2)}, by the proxy "
              f"{kls[0].mean(1).numpy().round(2)}, by gold {kls[1].mean(1).numpy().round(2)}; 4,000 answers "
              f"without ties, n = 16: {rare:.3f} of {best_of_n_kl(16):.3f}", flush=True)  # fmt: skip
    claim(below, 5, "the KL of best-of-n is at most log n - (n - 1) / n")
    claim(near, 5, "and close to it where answers are many and never tie")


def rejection() -> None:
    """Chapter 10: three rounds by pocket-reward against the same without looking at the reward."""
    world, sft, proxy = PocketWorld(), load_policy("pocket-sft"), RewardModel.load("pocket-reward")
    requests, gold = world.prompts(1000, seed=5), GoldReward(world)
    asked = world.prompts(128, seed=99, split="test")
    bands, ends = {}, {}
    for selection in SELECTIONS:
        runs, ends[selection] = [], []
        for seed in SEEDS:
            policy, settings = sft.copy(), rejection_settings(selection, seed)
            runs.append(train_rejection(policy, requests, proxy, settings, gold))
            rollout = policy.sample(asked, 2, 40, seed=1)
            ends[selection].append((proxy(rollout).mean().item(), gold(rollout).mean().item()))
        bands[selection] = {m: band_of([run.series(m) for run in runs]) for m in ("proxy", "gold")}
        shown = [tuple(round(x, 2) for x in end) for end in ends[selection]]
        print(f"  {selection:18s} proxy, gold on unseen requests: {shown}", flush=True)
    save_band("rejection", bands)
    for best, control in zip(SELECTIONS[:2], SELECTIONS[2:], strict=True):
        both = list(zip(ends[best], ends[control], strict=True))
        claim(sum(a[0] > b[0] + 0.3 for a, b in both), 5, f"{best} beats {control} in the proxy")
        claim(sum(a[1] > b[1] + 0.1 for a, b in both), 5, f"{best} beats {control} in gold too")


def rejection_settings(selection: str, seed: int) -> RejectionSettings:
    """What chapter 10 trains with."""
    return RejectionSettings(rounds=3, prompts_per_round=32, selection=selection, seed=seed)


def judges() -> None:
    """Chapter 10: gold of the best of 8 of the same answers, by pocket-reward, a poor model, and length."""
    world, sft, proxy = PocketWorld(), load_policy("pocket-sft"), RewardModel.load("pocket-reward")
    pairs, gold = (
        read_preferences(data_path("preferences", "pocket-train.jsonl")),
        GoldReward(world),
    )
    good = worse = 0
    for seed in SEEDS:
        poor = RewardModel.from_policy(sft, seed=seed)
        noisy = relabel(pairs, world, Setting(pairs=100, noise=1.0, seed=seed))
        train_reward_model(poor, noisy, RewardModelSettings(epochs=4, seed=seed))
        rollout = sft.sample(world.prompts(96, seed=21 + seed, split="test"), 16, 40, seed=2 + seed)
        true, found = gold(rollout).view(96, 16), {}
        for name, judge in (("pocket", proxy), ("poor", poor), ("length", lambda r: r.lengths)):
            found[name] = best_of_n(score_by_length(judge, rollout).view(96, 16), true, [1, 8]).gold
        print(f"  seed {seed}: gold of any answer {found['pocket'][0]:+.2f}, of the best of 8 by "
              f"{ {name: round(values[1], 2) for name, values in found.items()} }", flush=True)  # fmt: skip
        good += found["pocket"][1] > found["poor"][1]
        worse += found["length"][1] < found["length"][0]
    claim(good, 5, "pocket-reward chooses better than a model of 100 noisy comparisons")
    claim(worse, 5, "and length chooses worse than chance")


CLAIMS = {"best_of_n_exact": best_of_n_exact, "rejection": rejection, "judges": judges}
