"""Claims of chapter 03, each an experiment over several seeds: `make claims ONLY=03`."""

from __future__ import annotations

import math

from ...experiments.bands import band_of, save_band
from ...experiments.claims import SEEDS, claim
from ...lm import load_policy
from ...training import (
    SFTSettings,
    held_out_loss,
    train_sft,
)
from ...world import PocketWorld


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


CLAIMS = {"first_fine_tuning": first_fine_tuning}
