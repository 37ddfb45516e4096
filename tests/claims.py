"""The slow tier: each chapter's main experiment over five seeds (`make claims`).

    python -m tests.claims                     # all, and rewrite the bands in data/bands
    python -m tests.claims over_optimization   # one of them

Prints what each seed gave and whether each claim holds on as many seeds as it says.
"""

from __future__ import annotations

import functools
import math
import random
import sys
import time

import numpy as np
import torch

from rlhf_lib.evaluation import (
    ExactSettings,
    Setting,
    TabularPolicy,
    best_of_n,
    best_of_n_exact_kl,
    draw,
    exact_world,
    measure_drift,
    near_pairs,
    qualitative_signs,
    relabel,
    rise_and_fall,
    smooth,
    train_against,
    train_exact,
    train_proxy,
)
from rlhf_lib.evaluation.bands import band_of, load_band, save_band
from rlhf_lib.evaluation.over_optimization import main_settings
from rlhf_lib.landscape import MirageSettings, run_mirage
from rlhf_lib.lm import load_policy
from rlhf_lib.objectives import best_of_n_kl, exact_kl, kl_estimate
from rlhf_lib.rewards import GoldReward, RewardModel, VerifiedAnswer
from rlhf_lib.runtime import data_path
from rlhf_lib.training import (
    PRESETS,
    SELECTIONS,
    DirectSettings,
    DirectTrainer,
    OnlineDirectSettings,
    OnlineTrainer,
    RefreshedJudge,
    RejectionSettings,
    RewardModelSettings,
    SFTSettings,
    annotator_judge,
    document_loss,
    held_out_loss,
    packed_rows,
    preset,
    read_preferences,
    reward_judge,
    score_by_length,
    train_direct,
    train_online,
    train_online_direct,
    train_rejection,
    train_reward_model,
    train_sft,
)
from rlhf_lib.world import Bias, PocketWorld, label_pairs

SEEDS = range(5)
STRONG_BETA = 0.5
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


def first_fine_tuning() -> None:
    """Chapter 03: 40 steps from pocket-base, other demonstrations and batches with each seed."""
    world, base = PocketWorld(), load_policy("pocket-base")
    held_out, asked = world.demonstrations(200, seed=78), world.prompts(64, seed=9, split="test")
    before = math.exp(held_out_loss(base, held_out))
    runs, after, ended = [], [], []
    for seed in SEEDS:
        policy = base.copy()
        settings = SFTSettings(batch_size=32, learning_rate=2e-3, warmup_steps=5, seed=seed)
        history = train_sft(policy, world.demonstrations(1280, seed=3 + seed), settings, held_out)
        runs.append(history.series("loss"))
        after.append(math.exp(history.last("held_out_loss")))
        drawn = policy.sample(asked, max_new_tokens=40, seed=1)
        ended.append(drawn.finished.float().mean().item())
        print(
            f"  seed {seed}: perplexity {before:.1f} -> {after[-1]:.2f}, {ended[-1]:.0%} end",
            flush=True,
        )
    save_band("first_fine_tuning", {"loss": band_of(runs)})
    claim(sum(p < before / 4 for p in after), 5, "perplexity falls to less than a quarter")
    claim(sum(share > 0.5 for share in ended), 5, "and more than half of the answers end")


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


def algorithms() -> None:
    """Chapter 11: all presets, the gold utility as reward."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    requests, gold = world.prompts(1000, seed=5), GoldReward(world)
    start, _ = start_of(world, sft)
    bands = {}
    for name in PRESETS:
        runs = []
        for seed in SEEDS:
            settings = preset(name, steps=9, prompts_per_step=8, learning_rate=6.5e-4, seed=seed)
            runs.append(train_online(sft.copy(), requests, gold, settings).series("proxy"))
        bands[name] = band_of([smooth(run).tolist() for run in runs])
        ends = [float(np.mean(run[-4:])) for run in runs]
        print(f"  {name:10s} last four steps: {[round(end, 2) for end in ends]}", flush=True)
        claim(sum(end > start for end in ends), 4, f"{name} improves the gold utility")
    save_band("algorithms", bands)


def landscape() -> None:
    """Chapter 02: a proxy terrain from other comparisons for each seed; a walker with a tube, one without."""
    seen = [run_mirage(MirageSettings(seed=seed)) for seed in SEEDS]
    pairs = [(m.free.history, m.tubed.history) for m in seen]
    for seed, (free, tubed) in enumerate(pairs):
        print(
            f"  seed {seed}: gold {free.series('gold')[0]:.2f}; without a tube up to "
            f"{max(free.series('gold')):.2f}, then {free.last('gold'):.2f} (proxy "
            f"{free.last('proxy'):.2f}); with it {tubed.last('gold'):.2f} (proxy {tubed.last('proxy'):.2f})",
            flush=True,
        )
    save_band(
        "landscape",
        {
            name: {m: band_of([h[place].series(m) for h in pairs]) for m in ("proxy", "gold")}
            for place, name in enumerate(("free", "tubed"))
        },
    )
    start = [free.series("gold")[0] for free, _ in pairs]
    golds = [free.series("gold") for free, _ in pairs]
    claim(sum(max(g) > g[0] + 0.4 for g in golds), 5, "gold first rises without a tube")
    claim(sum(g[-1] < g[0] for g in golds), 4, "then it falls below the baseline's")
    claim(sum(t.last("gold") > f.last("gold") for f, t in pairs), 4, "the tube's gold ends higher")
    claim(sum(t.last("proxy") < f.last("proxy") for f, t in pairs), 5, "and its proxy lower")
    claim(
        sum(t.last("gold") > s + 0.4 for (_, t), s in zip(pairs, start, strict=True)),
        5,
        "and its gold above the baseline's",
    )


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


EXPERIMENTS = {
    "start_here": start_here,
    "first_fine_tuning": first_fine_tuning,
    "kl_estimators": kl_estimators,
    "regularization": regularization,
    "razor": razor,
    "landscape": landscape,
    "reward_model": reward_model,
    "algorithms": algorithms,
    "best_of_n_exact": best_of_n_exact,
    "rejection": rejection,
    "judges": judges,
    "exact_direct": exact_direct,
    "displacement": displacement,
    "direct_losses": direct_losses,
    "online_direct": online_direct,
    "direct_versus_rl": direct_versus_rl,
    "direct_length": direct_length,
    "gradient_weight": gradient_weight,
    "over_optimization": over_optimization,
    "kl_penalty": kl_penalty,
    "signs": signs,
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
