"""The slow tier: each chapter's main experiment over five seeds (`make claims`).

    python -m tests.claims                     # all, and rewrite the bands in data/bands
    python -m tests.claims over_optimization   # one of them

Prints what each seed gave and whether each claim holds on as many seeds as it says.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from rlhf_lib.evaluation import (
    ExactSettings,
    Setting,
    TabularPolicy,
    best_of_n_exact_kl,
    draw,
    exact_world,
    relabel,
    rise_and_fall,
    smooth,
    train_against,
    train_exact,
    train_proxy,
)
from rlhf_lib.evaluation.bands import band_of, save_band
from rlhf_lib.evaluation.over_optimization import main_settings
from rlhf_lib.lm import load_policy
from rlhf_lib.objectives import best_of_n_kl, exact_kl, kl_estimate
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.runtime import data_path
from rlhf_lib.training import (
    PRESETS,
    DirectSettings,
    RejectionSettings,
    RewardModelSettings,
    document_loss,
    packed_rows,
    preset,
    read_preferences,
    train_direct,
    train_online,
    train_rejection,
    train_reward_model,
)
from rlhf_lib.world import PocketWorld

SEEDS = range(5)
STRONG_BETA = 0.2
failures: list[str] = []


def claim(holds: int, needed: int, sentence: str) -> None:
    """Print and count one claim: `holds` of the seeds, of which `needed` are asked for."""
    good = holds >= needed
    print(f"  {'ok  ' if good else 'FAIL'} {holds} of {len(SEEDS)} seeds: {sentence}", flush=True)
    if not good:
        failures.append(sentence)


def start_of(world: PocketWorld, policy) -> tuple[float, float]:
    """Mean and standard deviation of the gold utility of SFT answers to training requests."""
    rollout = policy.sample(world.prompts(1024, seed=7), max_new_tokens=40, seed=12345)
    gold = GoldReward(world)(rollout)
    return gold.mean().item(), gold.std().item()


def reward_model() -> None:
    """Chapter 07: 1,500 comparisons, one epoch, other labels and batches with each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    test = read_preferences(data_path("preferences", "pocket-test.jsonl"))
    curves = []
    for seed in SEEDS:
        labels = relabel(train, world, Setting(pairs=1500, seed=seed))
        model = RewardModel.from_policy(sft, seed=seed)
        settings = RewardModelSettings(seed=seed)
        history = train_reward_model(model, labels, settings, test, evaluate_every=8)
        curves.append(history.series("held_out_accuracy"))
        print(f"  seed {seed}: held-out accuracy {curves[-1][-1]:.3f}", flush=True)
    steps = [row["step"] for row in history.rows if "held_out_accuracy" in row]
    save_band("reward_model", {"step": steps, **band_of(curves)})
    claim(sum(c[-1] > 0.58 for c in curves), 5, "held-out accuracy above 0.58")


def over_optimization() -> None:
    """Chapter 18: proxy and policy with other labels, weights and batches for each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    start, spread = start_of(world, sft)
    print(f"  SFT answers: gold {start:.2f}, standard deviation {spread:.2f}")
    free, held = [], []
    for seed in SEEDS:
        proxy = train_proxy(sft, world, pairs, Setting(seed=seed))
        for beta, found in ((0.0, free), (STRONG_BETA, held)):
            history = train_against(
                sft.copy(), world, proxy, main_settings(Setting(seed=seed, beta=beta))
            )
            found.append(history)
            shape = rise_and_fall(history.series("gold"), history.series("proxy"), spread, start)
            print(
                f"  seed {seed}, beta {beta}: gold {shape.start:+.2f} -> {shape.peak:+.2f} at step "
                f"{shape.peak_step} -> {shape.end:+.2f}; rise {shape.rise:.2f} sd, lost "
                f"{shape.fall:.0%} of the gain, proxy at the end {history.last('proxy'):.2f}",
                flush=True,
            )
    shapes = [rise_and_fall(h.series("gold"), h.series("proxy"), spread, start) for h in free]
    held_shapes = [rise_and_fall(h.series("gold"), h.series("proxy"), spread, start) for h in held]
    band = {m: band_of([smooth(h.series(m)) for h in free]) for m in ("proxy", "gold", "kl")}
    band["held"] = {
        m: band_of([smooth(h.series(m)) for h in held]) for m in ("proxy", "gold", "kl")
    }
    save_band("over_optimization", {**band, "start": start, "spread": spread})
    claim(sum(s.rise >= 0.5 for s in shapes), 5, "gold rises by half a standard deviation")
    claim(sum(s.fall >= 0.5 for s in shapes), 5, "then loses half of that gain or more")
    claim(sum(s.proxy_kept_rising for s in shapes), 5, "while the proxy keeps rising")
    claim(sum(s.fall < 0.5 for s in held_shapes), 5, "a strong KL penalty removes the fall")
    claim(sum(s.end > start for s in held_shapes), 5, "and ends above the SFT policy")


def algorithms() -> None:
    """Chapter 11: all presets, the gold utility as reward."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    requests, gold = world.prompts(1000, seed=5), GoldReward(world)
    start, _ = start_of(world, sft)
    bands = {}
    for name in PRESETS:
        runs = []
        for seed in SEEDS:
            settings = preset(name, steps=14, prompts_per_step=8, learning_rate=4e-4, seed=seed)
            runs.append(train_online(sft.copy(), requests, gold, settings).series("proxy"))
        bands[name] = band_of([smooth(run).tolist() for run in runs])
        ends = [float(np.mean(run[-4:])) for run in runs]
        print(f"  {name:10s} last four steps: {[round(end, 2) for end in ends]}", flush=True)
        claim(sum(end > start for end in ends), 4, f"{name} improves the gold utility")
    save_band("algorithms", bands)


def exact_worlds(world: PocketWorld, policy, size: int = 200):
    """Other requests with each seed, every answer listed, pocket-sft as the reference."""
    kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")
    return [
        exact_world(world, world.prompts(8, kinds, seed=50 + s), policy, size=size) for s in SEEDS
    ]


def ends_of(exact, seed: int, **settings) -> list[float]:
    """Distances KL(policy || pi*) along one run of a table that starts at the reference."""
    policy = TabularPolicy(exact.ref_logp)
    history = train_exact(policy, exact, ExactSettings(seed=seed, **settings))
    return history.series("reverse_kl")


def exact_optimum() -> None:
    """Chapters 08, 10 and 12: algorithms in the exact world, by their distance to the best policy."""
    worlds = exact_worlds(PocketWorld(), load_policy("pocket-sft"))
    kinds = {
        "policy gradient, exact": dict(algorithm="policy_gradient"),
        "policy gradient, 16 samples": dict(algorithm="policy_gradient", samples=16),
        "DPO, unlimited data": dict(algorithm="dpo"),
        "DPO, 64 fresh pairs a step": dict(algorithm="dpo", samples=64),
        "DPO, 64 fixed pairs": dict(algorithm="dpo", comparisons=64),
        "REBEL, unlimited data": dict(algorithm="rebel"),
        "best of 4, imitated": dict(algorithm="best_of_n"),
    }
    runs = {}
    for name, settings in kinds.items():
        runs[name] = [ends_of(exact, seed, **settings) for seed, exact in enumerate(worlds)]
        print(f"  {name:28s} {[round(run[-1], 4) for run in runs[name]]}", flush=True)
    save_band("exact_optimum", {name: band_of(found) for name, found in runs.items()})
    pairs = zip(runs["DPO, 64 fresh pairs a step"], runs["DPO, 64 fixed pairs"], strict=True)
    fixed = runs["DPO, 64 fixed pairs"]
    claim(
        sum(r[-1] < 0.01 for r in runs["DPO, unlimited data"]),
        5,
        "DPO on unlimited data reaches pi*",
    )
    claim(
        sum(r[-1] < 0.02 for r in runs["policy gradient, exact"]),
        5,
        "and so does the policy gradient",
    )
    claim(
        sum(a[-1] < 0.2 * b[-1] for a, b in pairs),
        5,
        "fixed pairs end five times as far off as fresh",
    )
    claim(sum(r[-1] > 1.3 * min(r) for r in fixed), 5, "having been nearer before: they overfit")


def best_of_n_exact() -> None:
    """Chapter 10: the exact KL of best-of-n against the formula, in worlds with and without ties."""
    worlds = exact_worlds(PocketWorld(), load_policy("pocket-sft"))
    below = near = 0
    for exact in worlds:
        ns = [1, 2, 4, 16, 64, 256]
        kls = [best_of_n_exact_kl(exact.ref_logp, exact.rewards, n) for n in ns]
        below += all(
            bool((kl <= best_of_n_kl(n) + 1e-9).all()) for n, kl in zip(ns, kls, strict=True)
        )
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, 4000, generator=generator, dtype=torch.float64)
        rare = best_of_n_exact_kl(torch.zeros_like(noise), noise, 16).item()
        near += abs(rare - best_of_n_kl(16)) < 0.02
        shown = [
            (round(kl.mean().item(), 2), round(best_of_n_kl(n), 2))
            for n, kl in zip(ns, kls, strict=True)
        ]
        print(f"  exact KL and formula: {shown}; 4,000 answers without ties {rare:.3f}", flush=True)
    claim(below, 5, "the KL of best-of-n is at most log n - (n - 1) / n")
    claim(near, 5, "and close to it where answers are many and never tie")


def kl_estimators() -> None:
    """Chapter 08: k1, k2, k3 from samples of a policy near its reference, against the exact KL."""
    worlds, right, quiet, bias = exact_worlds(PocketWorld(), load_policy("pocket-sft")), 0, 0, 0
    for seed, exact in enumerate(worlds):
        logp = exact.optimum(2.0)
        index = draw(logp, 20_000, torch.Generator().manual_seed(seed))
        now, ref = logp.gather(1, index), exact.ref_logp.gather(1, index)
        kl = exact_kl(logp, exact.ref_logp).mean().item()
        found = {k: kl_estimate(now, ref, k).flatten() for k in ("k1", "k2", "k3")}
        error = {k: x.std().item() / len(x) ** 0.5 for k, x in found.items()}
        off = {k: (x.mean().item() - kl) / error[k] for k, x in found.items()}
        right += abs(off["k1"]) < 3 and abs(off["k3"]) < 3
        quiet += found["k3"].std() < 0.5 * found["k1"].std()
        bias += abs(off["k2"]) > 3
        spread = {k: round(x.std().item(), 3) for k, x in found.items()}
        print(f"  KL {kl:.4f}; off by (standard errors) { {k: round(v, 1) for k, v in off.items()} }; "
              f"standard deviations {spread}", flush=True)  # fmt: skip
    claim(right, 5, "k1 and k3 are unbiased (within 3 standard errors of 160,000 samples)")
    claim(quiet, 5, "k3 scatters less than half as much as k1 near the reference")
    claim(bias, 4, "k2 is biased")


def displacement() -> None:
    """Chapters 08 and 12: DPO with a small beta, without and with an NLL term; other pairs each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    asked, gold = world.prompts(128, seed=99, split="test"), GoldReward(world)
    start = gold(sft.sample(asked, 2, 40, seed=1)).mean().item()
    beta, plain, held = 0.05, [], []
    for seed in SEEDS:
        for weight, runs in ((0.0, plain), (1.0, held)):
            policy = sft.copy()
            settings = DirectSettings(beta=beta, nll_weight=weight, seed=seed)
            history = train_direct(policy, pairs[500 * seed : 500 * seed + 1600], settings)
            end = gold(policy.sample(asked, 2, 40, seed=1)).mean().item()
            # log pi - log pi_ref of the batches' answers: the same answers under both, so little noise
            drift = {
                m: smooth(np.array(history.series(f"reward_{m}")) / beta)
                for m in ("chosen", "rejected")
            }
            runs.append((drift, end))
            print(
                f"  seed {seed}, NLL weight {weight:.0f}: log-probability of chosen answers "
                f"{drift['chosen'][-1]:+.2f}, of rejected {drift['rejected'][-1]:+.2f} nats; gold "
                f"{start:+.2f} -> {end:+.2f}",
                flush=True,
            )
    for runs, name in ((plain, "displacement"), (held, "displacement_nll")):
        save_band(
            name,
            {m: band_of([drift[m].tolist() for drift, _ in runs]) for m in ("chosen", "rejected")},
        )
    fell = [
        (-a["chosen"][-1], -b["chosen"][-1]) for (a, _), (b, _) in zip(plain, held, strict=True)
    ]
    claim(
        sum(a > 2 for a, _ in fell),
        5,
        "DPO makes the chosen answers less likely, by 2 nats and more",
    )
    claim(
        sum(d["chosen"][-1] > d["rejected"][-1] + 1 for d, _ in plain),
        5,
        "and the rejected still less",
    )
    claim(
        sum(end > start + 0.1 for _, end in plain), 5, "while the policy's own answers get better"
    )
    claim(sum(b < 0.5 * a for a, b in fell), 5, "an NLL term takes more than half of the fall away")


def rejection() -> None:
    """Chapter 10: two rounds by pocket-reward against the same without looking at the reward."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    requests, gold = world.prompts(1000, seed=5), GoldReward(world)
    asked, proxy = world.prompts(192, seed=99, split="test"), RewardModel.load("pocket-reward")
    ends: dict[str, list] = {}
    for selection in ("best_per_prompt", "random_per_prompt", "top_overall", "random_overall"):
        for seed in SEEDS:
            policy = sft.copy()
            settings = RejectionSettings(
                rounds=2, prompts_per_round=96, selection=selection, seed=seed
            )
            train_rejection(policy, requests, proxy, settings)
            rollout = policy.sample(asked, 2, 40, seed=1)
            ends.setdefault(selection, []).append(
                (proxy(rollout).mean().item(), gold(rollout).mean().item())
            )
        print(
            f"  {selection:18s} proxy, gold: {[tuple(round(x, 2) for x in e) for e in ends[selection]]}",
            flush=True,
        )
    for best, control in (
        ("best_per_prompt", "random_per_prompt"),
        ("top_overall", "random_overall"),
    ):
        both = list(zip(ends[best], ends[control], strict=True))
        claim(
            sum(a[0] > b[0] + 0.3 for a, b in both),
            5,
            f"{best} beats its random control in the proxy",
        )
        claim(
            sum(a[1] > b[1] + 0.1 for a, b in both), 5, f"{best} beats it in the gold utility too"
        )


def forgetting() -> None:
    """Chapter 08: the loss on documents after 16 steps of RLOO, without and with pretraining gradients."""
    world, sft, proxy = PocketWorld(), load_policy("pocket-sft"), RewardModel.load("pocket-reward")
    requests = world.prompts(1000, seed=5)
    start = document_loss(sft, world.documents(99))
    ends: dict[float, list] = {0.0: [], 0.3: []}
    rewards: dict[float, list] = {0.0: [], 0.3: []}
    for seed in SEEDS:
        for weight in ends:
            policy = sft.copy()
            settings = preset(
                "rloo", steps=16, learning_rate=4e-4, pretraining_coefficient=weight, seed=seed
            )
            rows = packed_rows(policy, world.documents(100 + seed), 8, 64)
            history = train_online(policy, requests, proxy, settings, pretraining=rows)
            ends[weight].append(document_loss(policy, world.documents(99)))
            rewards[weight].append(float(np.mean(history.series("proxy")[-4:])))
    for weight in ends:
        print(f"  coefficient {weight}: loss on documents {start:.2f} -> {[round(x, 2) for x in ends[weight]]}, "
              f"proxy {[round(x, 2) for x in rewards[weight]]}", flush=True)  # fmt: skip
    claim(sum(end > start + 0.05 for end in ends[0.0]), 4, "RLOO forgets documents")
    claim(
        sum(b < a - 0.1 for a, b in zip(ends[0.0], ends[0.3], strict=True)),
        5,
        "with ptx it forgets less",
    )
    claim(sum(r > 0.5 for r in rewards[0.3]), 5, "and the proxy still rises")


EXPERIMENTS = {
    "reward_model": reward_model,
    "algorithms": algorithms,
    "exact_optimum": exact_optimum,
    "best_of_n_exact": best_of_n_exact,
    "kl_estimators": kl_estimators,
    "displacement": displacement,
    "rejection": rejection,
    "forgetting": forgetting,
    "over_optimization": over_optimization,
}


def main(names: list[str]) -> int:
    """Run the named experiments, or all; 1 if a claim does not hold."""
    for name in names or EXPERIMENTS:
        started = time.perf_counter()
        print(f"== {name} ==", flush=True)
        EXPERIMENTS[name]()
        print(f"  {time.perf_counter() - started:.0f} s", flush=True)
    print(f"\n{len(failures)} claims failed" if failures else "\nall claims hold")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
