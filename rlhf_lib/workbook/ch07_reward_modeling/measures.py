"""How the chapter measures a reward model: on held-out comparisons, on faults, and by what it picks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ...evaluation import best_of_n
from ...lm import (
    Policy,
    Rollout,
    encode_answers,
    evaluating,
    load_policy,
    score_answers,
    without_dropout,
)
from ...objectives import bradley_terry_loss
from ...rewards import GoldReward, RewardModel
from ...training import RewardModelSettings, read_preferences, score_pairs
from ...training.guards import optimizer_step
from ...training.loop import adamw, in_parts
from ...training.schedule import linear, set_learning_rate
from ...training.sft import epochs_of_batches
from ...world import CONSTITUTION, PocketWorld, Preference, Prompt
from .faults import FAULTS, changes, plain_answers

HELD_OUT = 240
"""Comparisons on which accuracy and loss are measured: the same ones in all runs."""
REQUESTS = 96
"""Held-out requests of the measurements by faults and by the best of n."""
DRAWN = 8
"""Answers of pocket-sft to each of them, of which a reward model picks the best."""


def train_and_look(
    model: RewardModel,
    pairs: Sequence[Preference],
    settings: RewardModelSettings,
    look: Callable[[int], None],
    steps: int | None = None,
) -> list[float]:
    """Fit `model` to comparisons as `train_reward_model` does; after each step `look(steps done)`.

    steps: to stop early, on the schedule of the whole run. Returns the training loss of each step.
    """
    optimizer, losses = adamw(model, settings), []
    batches = list(epochs_of_batches(len(pairs), settings))
    look(0)
    for step, rows in enumerate(batches[:steps]):
        rate = settings.learning_rate * linear(step, len(batches), settings.warmup_steps)
        set_learning_rate(optimizer, rate)
        with without_dropout(model):
            loss = bradley_terry_loss(*score_pairs(model, [pairs[i] for i in rows]))
        optimizer_step(loss, optimizer, settings.max_grad_norm, f"step {step}")
        losses.append(loss.item())
        look(step + 1)
    return losses


@torch.no_grad()
def differences(model: RewardModel, pairs: Sequence[Preference]) -> Tensor:
    """Reward of the chosen minus that of the rejected answers (n,), in nats of the Bradley-Terry loss."""
    with evaluating(model):
        scored = [score_pairs(model, some) for some in in_parts(pairs, 64)]
    chosen, rejected = (torch.cat(part) for part in zip(*scored, strict=True))
    return ((chosen - rejected) * model.head.scale).cpu()


def on_held_out(model: RewardModel) -> dict[str, float]:
    """Loss (nats), accuracy, and confidence: the probability that it gives to its own choice, on average."""
    gap = differences(model, held_out())
    sure = torch.maximum(torch.sigmoid(gap), torch.sigmoid(-gap))
    return {
        "loss": -torch.nn.functional.logsigmoid(gap).mean().item(),
        "accuracy": (gap > 0).float().mean().item(),
        "confidence": sure.mean().item(),
    }


def on_faults(model: RewardModel) -> dict[str, float]:
    """Fault -> the share of right answers that the model puts above the same answer with the fault."""
    prompts, plain, faulty = spoiled()
    with evaluating(model):
        before = model.score_texts(prompts, plain)
        after = {name: model.score_texts(prompts, texts) for name, texts in faulty.items()}
    return {name: (before > rewards).float().mean().item() for name, rewards in after.items()}


def gold_of_best(model: RewardModel) -> float:
    """Mean gold of the best of `DRAWN` answers of pocket-sft, by this model, to held-out requests."""
    rollout, gold = drawn()
    with evaluating(model), torch.no_grad():
        rewards = model(rollout).view(REQUESTS, DRAWN).cpu()
    return best_of_n(rewards, gold, [DRAWN]).gold[0]


@functools.cache
def held_out() -> list[Preference]:
    """Comparisons that no model of the chapter is trained on."""
    from ...runtime import data_path

    return read_preferences(data_path("preferences", "pocket-test.jsonl"))[:HELD_OUT]


@functools.cache
def spoiled() -> tuple[list, list[str], dict[str, list[str]]]:
    """(requests, right answers, fault -> the same answers with it)."""
    world = PocketWorld()
    prompts = world.prompts(REQUESTS, ("fact", "open"), seed=8, split="test")
    plain, change = plain_answers(world, prompts), changes(world)
    faulty = {
        name: [change[name](p, t) for p, t in zip(prompts, plain, strict=True)] for name in FAULTS
    }
    return prompts, plain, faulty


@functools.cache
def drawn() -> tuple[Rollout, np.ndarray]:
    """Answers of pocket-sft to held-out requests, and their gold (REQUESTS, DRAWN)."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    asked = world.prompts(REQUESTS, seed=31, split="test")
    rollout = sft.sample(asked, DRAWN, 40, seed=1)
    return rollout, GoldReward(world)(rollout).view(REQUESTS, DRAWN).cpu().numpy()


@torch.no_grad()
def keeps(judge: Policy, asked: Sequence[Prompt]) -> Tensor:
    """P(keeps) (n,), from how likely a judge finds either verdict.

    asked: what `world.critique` gives: a request, a draft, and one principle of the constitution.
    """
    names = [prompt.result.split()[1] for prompt in asked]
    texts = [f"it {verb} {name}." for name in names for verb in ("keeps", "breaks")]
    prompts = [prompt for prompt in asked for _ in range(2)]
    parts = [
        score_answers(judge, encode_answers(judge, prompts[i : i + 256], texts[i : i + 256]))
        for i in range(0, len(texts), 256)
    ]
    logp = torch.cat(parts).view(-1, 2).cpu()
    return torch.sigmoid(logp[:, 0] - logp[:, 1])


def by_constitution(
    judge: Policy, world: PocketWorld, prompts: Sequence[Prompt], texts: Sequence[str]
) -> Tensor:
    """A judge's score of each answer (n,): the mean of P(keeps) over the principles."""
    asked = [
        world.critique(p, t, principle)
        for p, t in zip(prompts, texts, strict=True)
        for principle in CONSTITUTION
    ]
    return keeps(judge, asked).view(len(texts), -1).mean(1)
