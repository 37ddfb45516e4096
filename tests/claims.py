"""The slow tier: each chapter's main experiment over five seeds (`make claims`).

    python -m tests.claims                     # all, and rewrite the bands in data/bands
    python -m tests.claims over_optimization   # one of them

Prints what each seed gave and whether each claim holds on as many seeds as it says.
"""

from __future__ import annotations

import math
import sys
import time

import numpy as np

from rlhf_lib.evaluation import Setting, relabel, rise_and_fall, smooth, train_against, train_proxy
from rlhf_lib.evaluation.bands import band_of, save_band
from rlhf_lib.evaluation.over_optimization import main_settings
from rlhf_lib.landscape import MirageSettings, run_mirage
from rlhf_lib.lm import load_policy
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.runtime import data_path
from rlhf_lib.training import (
    PRESETS,
    RewardModelSettings,
    SFTSettings,
    held_out_loss,
    preset,
    read_preferences,
    train_online,
    train_reward_model,
    train_sft,
)
from rlhf_lib.world import PocketWorld

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
    """Chapter 07: 1,500 comparisons, one epoch, other labels and batches with each seed."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    train = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    test = read_preferences(data_path("preferences", "pocket-test.jsonl"))
    curves = []
    for seed in SEEDS:
        labels = relabel(train, world, Setting(pairs=1500, seed=seed))
        model = RewardModel.from_policy(sft, seed=seed)
        settings = RewardModelSettings(seed=seed)
        history = train_reward_model(model, labels, settings, test[:300], evaluate_every=8)
        curves.append(history.series("held_out_accuracy"))
        print(f"  seed {seed}: held-out accuracy {curves[-1][-1]:.3f}", flush=True)
    steps = [row["step"] for row in history.rows if "held_out_accuracy" in row]
    save_band("reward_model", {"step": steps, **band_of(curves)})
    claim(sum(c[-1] > 0.58 for c in curves), 5, "held-out accuracy above 0.58")


def main_runs(beta: float) -> tuple[list, dict]:
    """Chapter 18's run with each seed's labels, reward model and batches: shapes and band."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    start, spread = start_of(world, sft)
    print(f"  SFT answers: gold {start:.2f}, standard deviation {spread:.2f}")
    histories, shapes = [], []
    for seed in SEEDS:
        setting = Setting(seed=seed, beta=beta)
        proxy = train_proxy(sft, world, pairs, setting)
        run = train_against(sft.copy(), world, proxy, main_settings(setting))
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
    return shapes, {**band, "start": start, "spread": spread, "beta": beta}


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
        sum(s.fall < 0.5 for s in shapes), 4, "a strong KL penalty keeps more than half of the gain"
    )
    claim(sum(s.end > s.start for s in shapes), 5, "and ends above the SFT policy")


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


EXPERIMENTS = {
    "first_fine_tuning": first_fine_tuning,
    "landscape": landscape,
    "reward_model": reward_model,
    "algorithms": algorithms,
    "over_optimization": over_optimization,
    "kl_penalty": kl_penalty,
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
