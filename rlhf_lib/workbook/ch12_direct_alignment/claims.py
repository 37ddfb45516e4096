"""Claims of chapter 12, each an experiment over several seeds: `make claims ONLY=12`."""

from __future__ import annotations

import random

import numpy as np
import torch

from ...evaluation import smooth
from ...exact import (
    ExactSettings,
    TabularPolicy,
    exact_world,
    near_pairs,
    train_exact,
)
from ...experiments.bands import band_of, save_band
from ...experiments.claims import SEEDS, claim
from ...lm import load_policy
from ...rewards import GoldReward, RewardModel
from ...runtime import data_path
from ...training import (
    DirectSettings,
    DirectTrainer,
    OnlineDirectSettings,
    RefreshedJudge,
    RewardModelSettings,
    annotator_judge,
    preset,
    read_preferences,
    reward_judge,
    train_direct,
    train_online,
    train_online_direct,
    train_reward_model,
)
from ...world import Bias, PocketWorld


def exact_direct() -> None:
    """Chapter 12: algorithms in the exact world, by their distance to the best policy; other requests each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    kinds = {
        "DPO, unlimited data": dict(algorithm="dpo"),
        "DPO, fresh pairs": dict(algorithm="dpo", samples=16),
        "DPO, fixed pairs": dict(algorithm="dpo", comparisons=64),
        "policy gradient, exact": dict(),
        "policy gradient": dict(samples=32),
    }
    runs: dict[str, list] = {name: [] for name in kinds}
    rewards: dict[str, list] = {name: [] for name in kinds}
    for seed in SEEDS:
        exact = exact_world(world, world.prompts(8, EXACT_KINDS, seed=60 + seed), sft, size=80)
        for name, change in kinds.items():
            settings = ExactSettings(beta=0.3, learning_rate=0.075, seed=seed, **change)
            rows = train_exact(TabularPolicy(exact.ref_logp), exact, settings)
            runs[name].append(rows.series("reverse_kl"))
            rewards[name].append(rows.last("value"))
    for name, found in runs.items():
        print(f"  {name:24s} KL to pi* {[round(run[-1], 4) for run in found]}", flush=True)
    save_band("exact_direct", {name: band_of(found) for name, found in runs.items()})
    fresh, fixed = runs["DPO, fresh pairs"], runs["DPO, fixed pairs"]
    claim(sum(r[-1] < 0.01 for r in runs["DPO, unlimited data"]), 5, "DPO on unlimited data: pi*")
    claim(sum(r[-1] < 0.02 for r in runs["policy gradient, exact"]), 5, "exact gradient: pi*")
    both = zip(fresh, fixed, strict=True)
    claim(sum(a[-1] < 0.5 * b[-1] for a, b in both), 5, "fixed pairs end twice as far off")
    claim(sum(r[-1] > 1.3 * min(r) for r in fixed), 5, "having been nearer before: they overfit")
    both = zip(runs["policy gradient"], fresh, strict=True)
    claim(
        sum(a[-1] < b[-1] for a, b in both),
        4,
        "32 answers a step: the gradient ends nearer than DPO",
    )


EXACT_KINDS = ("fact", "opinion", "unsafe", "lookalike", "sum")


def displacement() -> None:
    """Chapter 12: what becomes of the chosen answers' log-probability; other pairs and batches each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    asked, gold = world.prompts(128, seed=99, split="test"), GoldReward(world)
    start = gold(sft.sample(asked, 2, 40, seed=1)).mean().item()
    changes = {
        "DPO": {},
        "DPO + NLL": {"nll_weight": 1.0},
        "β 0.5": {"beta": 0.5},
        "APO-zero": {"loss": "apo_zero"},
        "NLL alone": {"loss": "orpo", "orpo_weight": 0.0},
        "far pairs": {},
    }
    runs: dict[str, list] = {name: [] for name in changes}
    golds: dict[str, list] = {name: [] for name in changes}
    for seed in SEEDS:
        for name, change in changes.items():
            other = "off_topic" if name == "far pairs" else "wrong"
            pairs = near_pairs(world, 240, 10 + seed, other)
            policy = sft.copy()
            run = train_direct(policy, pairs, displacement_settings(seed, **change))
            runs[name].append(run)
            golds[name].append(gold(policy.sample(asked, 2, 40, seed=1)).mean().item())
    fell = {name: [fall(run) for run in found] for name, found in runs.items()}
    metrics = ("logp_chosen", "logp_rejected", "margin")
    band = {
        n: {m: band_of([h.series(m) for h in found]) for m in metrics} for n, found in runs.items()
    }
    band["gold"] = {name: sorted(found) for name, found in golds.items()} | {"start": start}
    save_band("displacement", band)
    for name, falls in fell.items():
        print(f"  {name:10s} chosen fell by {[round(f, 2) for f in falls]} nats, margin "
              f"{[round(np.mean(r.series('margin')[-4:]), 2) for r in runs[name]]}, gold {start:+.2f} -> "
              f"{[round(g, 2) for g in golds[name]]}", flush=True)  # fmt: skip
    margins = [np.mean(run.series("margin")[-4:]) for run in runs["DPO"]]
    claim(sum(f > -0.5 for f in fell["DPO"]), 5, "DPO does not make the chosen answers likelier")
    claim(sum(m > 0.1 for m in margins), 5, "while the margin grows above 0.1")
    held = zip(fell["DPO + NLL"], fell["DPO"], strict=True)
    claim(sum(a < b - 1 for a, b in held), 5, "an NLL term holds them up by a nat and more")
    claim(sum(f > 5 for f in fell["far pairs"]), 5, "far pairs fall too, where the run is long")
    claim(sum(g < start for g in golds["DPO"]), 4, "DPO on near pairs makes the answers worse")
    claim(sum(g > start for g in golds["DPO + NLL"]), 5, "with the NLL they get better")
    more = sum(a < 0.5 * b for a, b in zip(fell["APO-zero"], fell["DPO"], strict=True))
    print(f"  (no claim) APO-zero halves the fall in {more} of 5 seeds")


def displacement_settings(seed: int, **change) -> DirectSettings:
    """What chapter 12's section on displacement trains with."""
    fixed = {"beta": 0.05, "epochs": 4.0, "learning_rate": 4e-4, "seed": seed}
    return DirectSettings(**(fixed | change))


def fall(run) -> float:
    """Nats by which the chosen answers' log-probability fell: first two batches against the last four."""
    series = run.series("logp_chosen")
    return float(np.mean(series[:2]) - np.mean(series[-4:]))


@torch.no_grad()
def outcome(policy, sft, world) -> dict[str, float]:
    """gold, length and KL to pocket-sft of 256 answers to unseen requests."""
    rollout = policy.sample(world.prompts(128, seed=99, split="test"), 2, 40, seed=1)
    return {
        "gold": GoldReward(world)(rollout).mean().item(),
        "length": rollout.lengths.mean().item(),
        "kl": (rollout.logp - sft.logprobs(rollout)).sum(1).mean().item(),
    }


LOSS_SETTINGS = {
    "dpo": {"beta": 0.1},
    "cdpo": {"beta": 0.1, "label_smoothing": 0.1},
    "ipo": {"beta": 0.5},
    "kto": {"beta": 0.1},
    "orpo": {"orpo_weight": 0.5},
    "simpo": {"beta": 2.0, "gamma": 0.5},
    "rebel": {"beta": 0.1},
    "apo_zero": {"beta": 0.1},
    "apo_down": {"beta": 0.1},
}
"""Chapter 12's table of runs: one learning rate for all, no search."""


def direct_losses() -> None:
    """Chapter 12: nine losses on the same comparisons; others, and other batches, with each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    test = read_preferences(data_path("preferences", "pocket-test.jsonl"))[:200]
    start, table = outcome(sft, sft, world), {}
    for loss, change in LOSS_SETTINGS.items():
        rows = []
        for seed in SEEDS:
            policy, pairs = sft.copy(), train[320 * seed : 320 * seed + 320]
            run = train_direct(
                policy, pairs, DirectSettings(loss, seed=seed, **change), held_out=test
            )
            row = {"accuracy": run.last("held_out_accuracy")}
            rows.append(row | outcome(policy, sft, world))
        table[loss] = {m: sorted(row[m] for row in rows) for m in rows[0]}
        golds = [round(row["gold"], 2) for row in rows]
        middle = {m: round(values[2], 2) for m, values in table[loss].items()}
        print(f"  {loss:9s} gold {golds}; medians {middle}", flush=True)
        claim(sum(g > start["gold"] for g in golds), 4, f"{loss} improves the gold utility")
    save_band("direct_losses", {"start": start, **table})


def online_settings(seed: int, **change) -> OnlineDirectSettings:
    """What chapter 12 trains with online."""
    fixed = dict(
        rounds=8,
        prompts_per_round=60,
        batch_size=30,
        beta=0.1,
        learning_rate=3e-4,
        warmup_steps=2,
        seed=seed,
    )
    return OnlineDirectSettings(**(fixed | change))


OFFLINE_RATES = {"offline": 3e-4, "offline, three times the rate": 9e-4}
"""Online the rate does not decay; offline it warms up and decays, so that 3e-4 is a third as much in sum."""


def online_direct() -> None:
    """Chapter 12: 480 labels, on a file's answers and on the policy's own; judges that are models."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    requests, gold = world.prompts(1000, seed=5), GoldReward(world)
    ends: dict[str, list] = {}
    runs: dict[str, list] = {}
    for seed in SEEDS:
        pairs = train[480 * seed : 480 * seed + 480]
        for name, rate in OFFLINE_RATES.items():
            policy, settings = sft.copy(), DirectSettings(learning_rate=rate, seed=seed)
            runs.setdefault(name, []).append(train_direct(policy, pairs, settings))
            ends.setdefault(name, []).append(outcome(policy, sft, world))
        judges = {
            "online": annotator_judge(world.annotator(), seed),
            "frozen judge": reward_judge(RewardModel.load("pocket-reward")),
            "D2PO": RefreshedJudge(
                RewardModel.load("pocket-reward"), world.annotator(), 30, 1e-4, seed
            ),
        }
        for name, judge in judges.items():
            policy = sft.copy()
            run = train_online_direct(policy, requests, judge, online_settings(seed), gold=gold)
            runs.setdefault(name, []).append(run)
            ends.setdefault(name, []).append(outcome(policy, sft, world))
    for name, found in ends.items():
        shown = {m: [round(end[m], 2) for end in found] for m in found[0]}
        print(f"  {name:13s} {shown}", flush=True)
    band = {
        n: {m: band_of([smooth(h.series(m)).tolist() for h in runs[n]]) for m in ("gold",)}
        for n in judges
    }
    band["offline"] = {
        m: band_of([h.series(m) for h in runs["offline"]])
        for m in ("loss", "logp_chosen", "logp_rejected", "accuracy", "margin")
    }
    band["ends"] = {
        n: {m: sorted(e[m] for e in found) for m in found[0]} for n, found in ends.items()
    }
    save_band("online_direct", band)
    start = outcome(sft, sft, world)["gold"]
    both = list(zip(ends["online"], ends["offline"], strict=True))
    claim(sum(e["gold"] > start + 0.1 for e in ends["offline"]), 5, "DPO gains 0.1 and more")
    claim(sum(a["gold"] > b["gold"] for a, b in both), 4, "online DPO ends higher than offline")
    claim(sum(a["kl"] > b["kl"] for a, b in both), 5, "having gone further")
    both = zip(ends["online"], ends["offline, three times the rate"], strict=True)
    more = sum(a["gold"] > b["gold"] for a, b in both)
    print(
        f"  (no claim) online ends higher than offline at three times the rate in {more} of 5 seeds"
    )
    both = zip(ends["D2PO"], ends["frozen judge"], strict=True)
    more = sum(a["gold"] > b["gold"] for a, b in both)
    print(f"  (no claim) D2PO ends higher than a frozen judge in {more} of 5 seeds")


def direct_versus_rl() -> None:
    """Chapter 12: 15 updates on 64 answers, from 480 labels: DPO, or a reward model of them and RLOO."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    requests = world.prompts(1000, seed=5)
    ends: dict[str, list] = {}
    for seed in SEEDS:
        policy, pairs = sft.copy(), train[480 * seed : 480 * seed + 480]
        train_direct(policy, pairs, DirectSettings(seed=seed))
        ends.setdefault("DPO", []).append(outcome(policy, sft, world))
        own = RewardModel.from_policy(sft, seed=seed)
        train_reward_model(own, pairs, RewardModelSettings(seed=seed))
        shipped = RewardModel.load("pocket-reward")
        kinds = {
            "RLOO, β 0.1": (own, 0.1),
            "RLOO, β 0.5": (own, 0.5),
            "RLOO, 3,961 labels": (shipped, 0.1),
        }
        for name, (reward, beta) in kinds.items():
            policy = sft.copy()
            settings = preset(
                "rloo",
                steps=15,
                prompts_per_step=16,
                learning_rate=3e-4,
                warmup_steps=3,
                kl_coefficient=beta,
                seed=seed,
            )
            train_online(policy, requests, reward, settings)
            ends.setdefault(name, []).append(outcome(policy, sft, world))
    for name, found in ends.items():
        shown = {m: [round(end[m], 2) for end in found] for m in found[0]}
        print(f"  {name:18s} {shown}", flush=True)
    save_band(
        "direct_versus_rl",
        {n: {m: sorted(e[m] for e in found) for m in found[0]} for n, found in ends.items()},
    )
    both = zip(ends["DPO"], ends["RLOO, β 0.1"], strict=True)
    claim(
        sum(a["gold"] > b["gold"] for a, b in both),
        4,
        "480 labels: DPO ends higher than RLOO, β 0.1",
    )
    for name in ("RLOO, β 0.5", "RLOO, 3,961 labels"):
        both = zip(ends["DPO"], ends[name], strict=True)
        print(
            f"  (no claim) DPO ends higher than {name} in {sum(a['gold'] > b['gold'] for a, b in both)} of 5"
        )


def gradient_weight() -> None:
    """Chapter 12: the weight of comparisons whose label is against gold, after an epoch of DPO."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train, more = read_preferences(data_path("preferences", "pocket-train.jsonl")), 0
    for seed in SEEDS:
        policy, pairs = sft.copy(), train[480 * seed : 480 * seed + 480]
        trainer = DirectTrainer(policy, DirectSettings(seed=seed))
        train_direct(policy, pairs, trainer.settings, trainer.reference)
        with torch.no_grad():
            found = trainer.logps(trainer.prepare(pairs), range(len(pairs)))
        h = (found.chosen - found.ref_chosen) - (found.rejected - found.ref_rejected)
        golds = [[world.gold(p.prompt, t) for t in (p.chosen, p.rejected)] for p in pairs]
        wrong = torch.tensor([chosen < rejected for chosen, rejected in golds])
        weights = torch.sigmoid(-trainer.settings.beta * h)
        against, others = weights[wrong].mean().item(), weights[~wrong].mean().item()
        more += against > others
        print(f"  seed {seed}: {against:.3f} against {others:.3f}", flush=True)
    claim(more, 4, "labels against gold have the larger weight")


def direct_length() -> None:
    """Chapter 12: annotators who pay 0.15 points a word; log-probabilities summed, and averaged."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    annotator, start = world.annotator(Bias(length=0.15)), outcome(sft, sft, world)["length"]
    changes = {"sums": {"beta": 0.1}, "means": {"beta": 1.5, "length_average": True}}
    lengths: dict[str, list] = {name: [] for name in changes}
    for seed in SEEDS:
        rng, part = random.Random(seed), train[480 * seed : 480 * seed + 480]
        labels = [annotator.prefer(p.prompt, p.chosen, p.rejected, rng) for p in part]
        for name, change in changes.items():
            policy = sft.copy()
            train_direct(policy, labels, DirectSettings(learning_rate=6e-4, seed=seed, **change))
            lengths[name].append(outcome(policy, sft, world)["length"])
    for name, found in lengths.items():
        print(f"  {name}: tokens {start:.1f} -> {[round(x, 1) for x in found]}", flush=True)
        claim(sum(x > start + 2 for x in found), 5, f"{name}: answers grow by 2 tokens and more")
    save_band("direct_length", {"start": start, **{n: sorted(x) for n, x in lengths.items()}})


CLAIMS = {
    "exact_direct": exact_direct,
    "displacement": displacement,
    "direct_losses": direct_losses,
    "online_direct": online_direct,
    "direct_versus_rl": direct_versus_rl,
    "direct_length": direct_length,
    "gradient_weight": gradient_weight,
}
