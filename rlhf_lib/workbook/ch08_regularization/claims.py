"""Claims of chapter 08, each an experiment over several seeds: `make claims ONLY=08`."""

from __future__ import annotations

import random

import numpy as np
import torch

from ...evaluation import smooth
from ...exact import (
    draw,
    exact_world,
)
from ...experiments import measure_drift
from ...experiments.bands import band_of, save_band
from ...experiments.claims import SEEDS, claim
from ...lm import load_policy
from ...objectives import exact_kl, kl_estimate
from ...rewards import GoldReward, RewardModel, VerifiedAnswer
from ...training import (
    OnlineTrainer,
    SFTSettings,
    document_loss,
    packed_rows,
    preset,
    train_online,
    train_sft,
)
from ...world import PocketWorld


def kl_estimators() -> None:
    """Chapter 08: k1, k2, k3 from samples of a policy near its reference, against the exact KL."""
    world, sft, right, quiet, biased = PocketWorld(), load_policy("pocket-sft"), 0, 0, 0
    kinds = ("fact", "opinion", "unsafe", "lookalike", "sum")
    for seed in SEEDS:
        exact = exact_world(world, world.prompts(8, kinds, seed=50 + seed), sft)
        logp = exact.optimum(2.0)
        index = draw(logp, 20_000, torch.Generator().manual_seed(seed))
        now, ref = logp.gather(1, index), exact.ref_logp.gather(1, index)
        kl = exact_kl(logp, exact.ref_logp).mean().item()
        found = {k: kl_estimate(now, ref, k).flatten() for k in ("k1", "k2", "k3")}
        off = {
            k: (x.mean().item() - kl) / (x.std().item() / len(x) ** 0.5) for k, x in found.items()
        }
        right += abs(off["k1"]) < 3 and abs(off["k3"]) < 3
        quiet += found["k3"].std() < 0.5 * found["k1"].std()
        biased += abs(off["k2"]) > 3
        spread = {k: round(x.std().item(), 3) for k, x in found.items()}
        print(f"  KL {kl:.4f}; off by (standard errors) { {k: round(v, 1) for k, v in off.items()} }; "
              f"standard deviations {spread}", flush=True)  # fmt: skip
    claim(right, 5, "k1 and k3 are unbiased (within 3 standard errors of 160,000 samples)")
    claim(quiet, 5, "k3 scatters less than half as much as k1 near the reference")
    claim(biased, 4, "k2 is biased")


def regularization() -> None:
    """Chapter 08: the same short run without anything, with beta 0.2, and with pretraining gradients."""
    world, sft, proxy = PocketWorld(), load_policy("pocket-sft"), RewardModel.load("pocket-reward")
    requests, gold = world.prompts(1000, seed=5), GoldReward(world)
    start = document_loss(sft, world.documents(99), batches=2)
    changes = {
        "free": {},
        "beta": {"kl_coefficient": 0.2},
        "ptx": {"pretraining_coefficient": 0.3},
    }
    runs: dict[str, list] = {name: [] for name in changes}
    forgot: dict[str, list] = {name: [] for name in changes}
    for seed in SEEDS:
        for name, change in changes.items():
            policy = sft.copy()
            settings = preset(
                "rloo", steps=12, prompts_per_step=6, learning_rate=6e-4, seed=seed, **change
            )
            rows = packed_rows(policy, world.documents(100 + seed), 8, 64)
            run = train_online(policy, requests, proxy, settings, gold, pretraining=rows)
            runs[name].append({m: smooth(run.series(m)).tolist() for m in ("proxy", "gold", "kl")})
            forgot[name].append(document_loss(policy, world.documents(99), batches=2))
    for name in changes:
        ends = {m: [round(r[m][-1], 2) for r in runs[name]] for m in ("proxy", "gold", "kl")}
        lost = [round(x - start, 3) for x in forgot[name]]
        print(f"  {name}: at the end {ends}; documents {start:.3f} + {lost}", flush=True)
    band = {n: {m: band_of([r[m] for r in found]) for m in found[0]} for n, found in runs.items()}
    band |= {"documents": {n: sorted(x) for n, x in forgot.items()}, "documents_start": start}
    save_band("regularization", band)
    free, held, ptx = (runs[name] for name in changes)
    claim(
        sum(b["kl"][-1] < 0.7 * a["kl"][-1] for a, b in zip(free, held, strict=True)),
        4,
        "beta 0.2 keeps the KL below 0.7 of what it is without",
    )
    more = sum(x > start + 0.05 for x in forgot["free"])
    claim(more, 4, "RLOO without a penalty raises the loss on documents by 0.05 and more")
    both = zip(forgot["free"], forgot["ptx"], strict=True)
    claim(sum(b < a - 0.1 for a, b in both), 5, "with ptx it forgets less")
    claim(sum(r["proxy"][-1] > 0.5 for r in ptx), 5, "and the proxy still rises")


def razor_runs(world, sft, seed: int) -> dict[str, list]:
    """RL, SFT on written answers and SFT on the policy's own right answers: a `Drift` at each checkpoint."""
    train = world.prompts(600, ("sum",), seed=5 + seed)
    task = world.prompts(64, ("sum",), seed=9, split="test")
    kinds = ("fact", "open", "opinion", "unsafe", "lookalike")
    others = world.prompts(96, kinds, seed=9, split="test")
    gold, right, rng = GoldReward(world), VerifiedAnswer(world), random.Random(seed)
    before = sft.sample(task, 2, 40, seed=0)

    def measured(policy):
        return measure_drift(policy, sft, world, task, others, right, gold, before=before)

    written = [(prompt, world.answer(prompt, "short", rng)) for prompt in train[:128]]
    tried = sft.sample(train[:400], 1, 40, seed=seed)
    triples = zip(tried.prompts, tried.texts, right(tried).tolist(), strict=True)
    own = [(prompt, text) for prompt, text, good in triples if good][:128]
    found: dict[str, list] = {"RL": []}
    policy = sft.copy()
    settings = preset("rloo", steps=18, prompts_per_step=12, learning_rate=3e-4, seed=seed)
    trainer = OnlineTrainer(policy, train, right, settings)
    for step in range(1, 19):
        trainer.step()
        if step % 6 == 0:
            found["RL"].append(measured(policy))
    for name, data in (("SFT, written answers", written), ("SFT, own right answers", own)):
        policy, found[name] = sft.copy(), []
        for epoch in range(3):
            rate = SFTSettings(batch_size=16, learning_rate=1e-4, warmup_steps=1, seed=epoch)
            train_sft(policy, data, rate)
            found[name].append(measured(policy))
    return found


def razor() -> None:
    """Chapter 08: does forgetting follow KL, and does RL move less than SFT?"""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    follows = rl_nearer = compared = 0
    everything = []
    for seed in SEEDS:
        found = razor_runs(world, sft, seed)
        points = [drift for run in found.values() for drift in run]
        ranks = [np.argsort(np.argsort([getattr(d, m) for d in points])) for m in ("forward_kl", "documents")]  # fmt: skip
        rank = float(np.corrcoef(*ranks)[0, 1])
        first = {n: next((d for d in run if d.task >= 0.75), None) for n, run in found.items()}
        rl, written, _ = first.values()
        follows += rank > 0.5
        compared += bool(rl and written)
        rl_nearer += bool(rl and written and rl.forward_kl < written.forward_kl)
        print(f"  seed {seed}: rank correlation of document loss and KL {rank:.2f}", flush=True)
        for name, run in found.items():
            rows = [(d.task, d.others, d.documents, d.kl, d.forward_kl) for d in run]
            print(f"    {name}: {[tuple(round(x, 2) for x in row) for row in rows]}", flush=True)
        everything.append({n: [vars(d) for d in run] for n, run in found.items()})
    save_band("razor", {"runs": everything})
    claim(
        follows, 4, "document loss follows the KL over all checkpoints (rank correlation above 0.5)"
    )
    print(
        f"  (no claim) RL moved less than SFT on written answers in {rl_nearer} of {compared} seeds"
    )


CLAIMS = {"kl_estimators": kl_estimators, "regularization": regularization, "razor": razor}
