"""The experiments of chapter 08: a sweep over beta, and pretraining gradients.

Each is one function of a seed. The chapter's cells call the same functions on the way to the stored runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

from ...experiments.experiment import Claim, Experiment, above
from ...lm import Policy, load_policy
from ...rewards import GoldReward, Reward, RewardModel
from ...training import (
    OnlineSettings,
    OnlineTrainer,
    document_loss,
    packed_rows,
    preset,
)
from ...world import PocketWorld

BETAS = (0.0, 0.05, 0.2, 1.0)
STEPS, EVERY, PROMPTS, RATE = 32, 16, 8, 3e-4
UNSEEN = 96
"""Requests on which a policy is measured, two answers each; the same along a run and for all seeds."""


def held_out(world: PocketWorld) -> list:
    """The requests that no run is trained on."""
    return world.prompts(UNSEEN, seed=99, split="test")


@torch.no_grad()
def measure(policy: Policy, start: Policy, asked: list, proxy: Reward, gold: Reward) -> dict:
    """Means over two answers to each request: proxy and gold in points, kl to `start` in nats; the share of
    different texts; and the loss on documents that the base model had learned, in nats a token."""
    rollout = policy.sample(asked, 2, 40, seed=1)
    return {
        "proxy": proxy(rollout).mean().item(),
        "gold": gold(rollout).mean().item(),
        "kl": (rollout.logp - start.logprobs(rollout)).sum(1).mean().item(),
        "distinct": len(set(rollout.texts)) / len(rollout.texts),
        "documents": document_loss(policy, PocketWorld().documents(99), batches=2),
    }


@functools.cache
def start() -> dict:
    """`measure` of pocket-sft, where all runs begin."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    return measure(sft, sft, held_out(world), RewardModel.load("pocket-reward"), GoldReward(world))


def penalised(beta: float, seed: int, steps: int = STEPS, ptx: float = 0.0) -> tuple[Policy, dict]:
    """Train pocket-sft by RLOO on pocket-reward, held by beta in the reward, or by ptx.

    Returns the policy and {"step": [0, EVERY, ...], "proxy": [...], ...}: `measure` on unseen requests, and
    objective = proxy - beta * kl.
    """
    world, sft = PocketWorld(), load_policy("pocket-sft")
    proxy, gold, asked = RewardModel.load("pocket-reward"), GoldReward(world), held_out(world)
    policy = sft.copy()
    documents = packed_rows(policy, world.documents(100 + seed), 8, 64) if ptx else None
    settings = settings_of(beta, seed, steps, ptx)
    trainer = OnlineTrainer(
        policy, world.prompts(1000, seed=5), proxy, settings, None, sft, documents
    )
    rows = [start()]
    for step in range(1, steps + 1):
        trainer.step()
        if step % EVERY == 0:
            rows.append(measure(policy, sft, asked, proxy, gold))
    curves = {name: [row[name] for row in rows] for name in rows[0]}
    value = [row["proxy"] - beta * row["kl"] for row in rows]
    return policy, {"step": list(range(0, steps + 1, EVERY)), **curves, "objective": value}


def settings_of(beta: float, seed: int, steps: int = STEPS, ptx: float = 0.0) -> OnlineSettings:
    """RLOO with 32 answers a step at a constant rate."""
    return preset(
        "rloo",
        steps=steps,
        prompts_per_step=PROMPTS,
        learning_rate=RATE,
        kl_coefficient=beta,
        pretraining_coefficient=ptx,
        seed=seed,
    )


def beta_sweep(seed: int) -> dict:
    """One whole run for each beta."""
    return {f"{beta:g}": penalised(beta, seed)[1] for beta in BETAS}


PTX, PTX_STEPS = 0.3, 16


def pretraining(seed: int) -> dict:
    """beta 0 with pretraining gradients: `beta_sweep` holds the same run without them."""
    return penalised(0.0, seed, PTX_STEPS, PTX)[1]


def _gap(first: str, second: str, metric: str) -> Claim:
    """That the metric ends higher at the first beta than at the second."""
    return above(lambda run: run[first][metric][-1] - run[second][metric][-1])


def _fall(beta: str, metric: str = "gold", since: int = 1) -> Callable[[dict], float]:
    """How far the metric falls from measurement number `since` to the last."""
    return lambda run: run[beta][metric][since] - run[beta][metric][-1]


EXPERIMENTS = {
    "beta_sweep": Experiment(
        "beta_sweep",
        beta_sweep,
        settings={"betas": BETAS, "steps": STEPS, "prompts": PROMPTS, "learning_rate": RATE},
        claims={
            "without a penalty gold falls in the second half": above(_fall("0")),
            "with β = 0.2 gold ends higher than without": _gap("0.2", "0", "gold"),
            "and higher than pocket-sft's": above(lambda run: -_fall("0.2", since=0)(run)),
            "and higher than with β = 0.05": _gap("0.2", "0.05", "gold"),
            "with β = 0.05 the policy stays nearer than without": _gap("0", "0.05", "kl"),
            "with β = 0.2 nearer still": _gap("0.05", "0.2", "kl"),
            "and with β = 1 nearest": _gap("0.2", "1", "kl"),
            "with β = 1 the reward ends lower": _gap("0.2", "1", "proxy"),
            "with β = 1 the objective ends below pocket-sft's": above(_fall("1", "objective", 0)),
        },
    ),
    "pretraining": Experiment(
        "pretraining",
        pretraining,
        settings={"ptx": PTX, "steps": PTX_STEPS, "prompts": PROMPTS, "learning_rate": RATE},
        claims={
            "ptx learns documents anew: their loss falls by 0.1 nats": above(
                lambda run: run["documents"][0] - run["documents"][-1], 0.1
            ),
            "and the reward still rises": above(lambda run: run["proxy"][-1] - run["proxy"][0]),
        },
    ),
}
