"""Experiments of chapter 03: what fine-tuning does in 40 steps, and what temperature does to answers."""

from __future__ import annotations

import math

import torch

from ...experiments.experiment import Experiment, above
from ...lm import load_policy
from ...rewards import GoldReward
from ...training import SFTSettings, held_out_loss, train_sft
from ...world import PocketWorld

WAYS = {
    "τ = 0": {"temperature": 0},
    "τ = 0.5": {"temperature": 0.5},
    "τ = 1": {},
    "τ = 1.5": {"temperature": 1.5},
    "τ = 1, top-p 0.8": {"top_p": 0.8},
}
"""Ways to draw, as `Policy.sample` takes them."""

ASKED, EACH = 96, 4


@torch.no_grad()
def temperatures(seed: int) -> dict:
    """Four answers to each of 96 held-out requests, drawn in several ways; another draw with each seed.

    Way -> mean gold, gold of the best of a request's four answers, how many of the four are different, the
    share that ends.
    """
    world, policy = PocketWorld(), load_policy("pocket-sft")
    asked, gold, found = world.prompts(ASKED, seed=9, split="test"), GoldReward(world), {}
    for name, how in WAYS.items():
        drawn = policy.sample(asked, EACH, 40, seed=1 + seed, **how)
        different = {(place // EACH, text) for place, text in enumerate(drawn.texts)}
        scores = gold(drawn)
        found[name] = {
            "gold": scores.mean().item(),
            "best": scores.view(ASKED, EACH).amax(1).mean().item(),
            "different": len(different) / ASKED,
            "ended": drawn.finished.float().mean().item(),
        }
    return found


def first_settings(seed: int) -> SFTSettings:
    """Forty steps at a rate that suits a pocket model."""
    return SFTSettings(batch_size=32, learning_rate=2e-3, warmup_steps=5, seed=seed)


def fine_tune(seed: int):
    """(policy, history, held-out demonstrations): pocket-base after one pass over 1,280 demonstrations."""
    world, policy = PocketWorld(), load_policy("pocket-base")
    held_out = world.demonstrations(200, seed=78)
    shown = world.demonstrations(1280, seed=3 + seed)
    return policy, train_sft(policy, shown, first_settings(seed), held_out), held_out


def first_fine_tuning(seed: int) -> dict:
    """Forty steps from pocket-base: loss, perplexity on held-out demonstrations, the share of answers that end."""
    policy, history, held_out = fine_tune(seed)
    asked = PocketWorld().prompts(ASKED, seed=9, split="test")
    return {
        "loss": history.series("loss"),
        "before": math.exp(held_out_loss(load_policy("pocket-base"), held_out)),
        "after": math.exp(history.last("held_out_loss")),
        "ended": policy.sample(asked, max_new_tokens=40, seed=1).finished.float().mean().item(),
    }


def _gold(hotter: str, cooler: str):
    """Gold of one way above that of another."""
    return above(lambda r: r[cooler]["gold"] - r[hotter]["gold"])


TEMPERATURE_CLAIMS = {
    "heat costs quality: 0.5 ends above 1, by 0.1 and more": above(
        lambda r: r["τ = 0.5"]["gold"] - r["τ = 1"]["gold"], 0.1
    ),
    "and 1 above 1.5": _gold("τ = 1.5", "τ = 1"),
    "heat brings variety: 1 writes more different answers than 0.5": above(
        lambda r: r["τ = 1"]["different"] - r["τ = 0.5"]["different"]
    ),
    "but the best of four at temperature 1 is better than what 0 says, by 0.2 and more": above(
        lambda r: r["τ = 1"]["best"] - r["τ = 0"]["best"], 0.2
    ),
    "cutting the tail off at temperature 1 helps": _gold("τ = 1", "τ = 1, top-p 0.8"),
}

TUNING_CLAIMS = {
    "perplexity falls to less than a quarter": above(lambda r: r["before"] / r["after"], 4),
    "more than half of the answers end": above(lambda r: r["ended"], 0.5),
}

SEEDS = tuple(range(5))

EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            "temperatures",
            temperatures,
            SEEDS,
            TEMPERATURE_CLAIMS,
            {"requests": ASKED, "answers": EACH, "of four": "best"},
        ),
        Experiment(
            "first_fine_tuning", first_fine_tuning, SEEDS, TUNING_CLAIMS, {"demonstrations": 1280}
        ),
    )
}
