"""The experiments of chapter 11: one long run, and single changes to a run on short questions.

Every run is `train(seed, task, ...)`: the online loop with some settings, measured every few steps on the same
held-out requests, with dropout and the like off.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...experiments.experiment import Claim, Experiment, above
from ...lm import Policy, Rollout, evaluating, load_policy
from ...objectives import value_loss
from ...rewards import GoldReward, Reward, ValueModel, VerifiedAnswer
from ...training import History, OnlineSettings, OnlineTrainer
from ...world import PocketWorld
from ...world.prompts import SCHOOL_LEVELS

STEPS = 40
HELD_OUT = 96
"""Requests that a run is measured on."""

MAIN = dict(
    advantage="group", algorithm="ppo", aggregate="token", minibatches=4, prompts_per_step=16,
    samples_per_prompt=4, max_new_tokens=40, learning_rate=2e-4,
)  # fmt: skip
"""GRPO on the gold utility of all kinds of request, four updates a batch, no KL penalty."""

SHORT = dict(
    advantage="rloo", algorithm="ppo", aggregate="token", prompts_per_step=16,
    samples_per_prompt=4, max_new_tokens=24,
)  # fmt: skip
"""Leave-one-out advantages on questions that have one right answer, one update a batch."""

RATE = 2e-4
BATCHES = 16
BONUS = 0.05
"""Of the entropy, in reward points for a nat."""

KEPT = (
    "proxy", "kl", "entropy", "length", "finished", "clip_fraction", "ratio_max", "grad_norm",
    "zero_variance_groups",
)  # fmt: skip
"""Metrics of a run that are stored."""


@dataclass(frozen=True)
class Task:
    """Requests to train on and to be measured on, and the reward of both.

    answers: to each held-out request. every: steps between measurements.
    """

    prompts: list
    held_out: list
    reward: Reward
    answers: int = 1
    every: int = 4


@functools.cache
def start() -> Policy:
    """The policy that every run starts from; copy it."""
    return load_policy("pocket-sft")


@functools.cache
def chat() -> Task:
    """All kinds of request, scored by the gold utility."""
    world = PocketWorld()
    held_out = world.prompts(HELD_OUT, seed=9, split="test")
    return Task(world.prompts(2000, seed=5), held_out, GoldReward(world))


@functools.cache
def questions() -> Task:
    """Facts and sums, scored 1 for a right answer and 0 for any other, whatever else it says."""
    world, kinds = PocketWorld(), ("fact", "sum")
    held_out = world.prompts(HELD_OUT, kinds, seed=9, split="test")
    return Task(
        world.prompts(2000, kinds, seed=5), held_out, VerifiedAnswer(world), answers=2, every=8
    )


def train(seed: int, task: Task, steps: int = STEPS, **settings) -> dict:
    """Train a copy of the start policy; settings as in `OnlineSettings`.

    Returns the metrics of `KEPT`, each a curve over the steps, and under "held_out" the curves of
    `measured`, with their own "step".
    """
    policy = start().copy()
    settings = OnlineSettings(steps=steps, seed=seed, **settings)
    trainer = OnlineTrainer(policy, task.prompts, task.reward, settings)
    held_out = [{"step": 0} | measured(policy, task, settings.max_new_tokens)]
    for step in range(1, steps + 1):
        trainer.step()
        if step % task.every == 0:
            row = measured(policy, task, settings.max_new_tokens)
            held_out.append({"step": step} | row)
    return curves(trainer.history) | {"held_out": _columns(held_out)}


def curves(history: History) -> dict[str, list[float]]:
    """The metrics of `KEPT`, by name, and their steps."""
    return {"step": list(range(len(history.rows)))} | {n: history.series(n) for n in KEPT}


@torch.no_grad()
def measured(policy: Policy, task: Task, limit: int) -> dict[str, float]:
    """Mean reward on the held-out requests; mean length (tokens) of good answers and of others, 0 without any."""
    with evaluating(policy):
        rollout = policy.sample(task.held_out, task.answers, limit, seed=123)
    rewards, lengths = task.reward(rollout), rollout.lengths.float()
    return {
        "reward": rewards.mean().item(),
        "length_right": lengths[rewards > 0.5].mean().nan_to_num(0).item(),
        "length_wrong": lengths[rewards <= 0.5].mean().nan_to_num(0).item(),
        "finished": rollout.finished.float().mean().item(),
    }


def _columns(rows: list[dict]) -> dict[str, list]:
    return {name: [row[name] for row in rows] for name in rows[0]}


# --- one long run


def long_run(seed: int, steps: int = STEPS) -> dict:
    """The run of the first section, which is read aloud near the end."""
    return train(seed, chat(), steps, **MAIN)


# --- single changes to the short run


@functools.lru_cache(maxsize=8)
def short_run(seed: int, learning_rate: float) -> dict:
    """What others are compared with, made once for all of them."""
    return changed(seed, learning_rate=learning_rate)


def changed(seed: int, steps: int = STEPS, **changes) -> dict:
    """The short run with some settings replaced."""
    return train(seed, questions(), steps, **SHORT | {"learning_rate": RATE} | changes)


def aggregation(seed: int) -> dict:
    """One mean over all tokens, or a mean for each sequence first."""
    return {"token": short_run(seed, RATE), "sequence": changed(seed, aggregate="sequence")}


def updates(seed: int) -> dict:
    """Sixteen batches: one update each, or eight, with the clip and without."""
    eight = dict(epochs=4, minibatches=2)
    return {
        "one update": first_steps(short_run(seed, RATE), BATCHES),
        "eight, clipped": changed(seed, BATCHES, **eight),
        "eight, not clipped": changed(seed, BATCHES, **eight, clip_low=1.0, clip_high=1e6),
    }


def first_steps(result: dict, steps: int) -> dict:
    """The beginning of a run."""
    held_out = result["held_out"]
    count = sum(step <= steps for step in held_out["step"])
    return {name: curve[:steps] for name, curve in result.items() if name != "held_out"} | {
        "held_out": {name: curve[:count] for name, curve in held_out.items()}
    }


def stale(seed: int) -> dict:
    """A sampler that is eight updates behind, without a correction and with truncated weights."""
    old = dict(algorithm="reinforce", learning_rate=2 * RATE, staleness=8)
    return {
        "fresh": short_run(seed, 2 * RATE),
        "stale": changed(seed, **old),
        "stale, weighted": changed(seed, **old, tis_cap=2.0),
    }


def entropy(seed: int) -> dict:
    """The short run without and with an entropy bonus."""
    return {"no bonus": short_run(seed, RATE), "bonus": changed(seed, entropy_bonus=BONUS)}


def knobs(seed: int) -> dict:
    """Four learning rates, and a batch a quarter as large."""
    rates = {f"{rate:.0e}": short_run(seed, rate) for rate in (RATE / 4, RATE, 2 * RATE, 4 * RATE)}
    return rates | {"2e-04, batch of 16": changed(seed, prompts_per_step=4)}


# --- a value function that can be seen

PLACES = 10
"""Tenths of an answer."""

SOLVED = {
    "right": "7 + 9 = 16. 16 - 6 = 10. so the answer is 10.",
    "wrong": "7 + 9 = 17. 17 - 6 = 11. so the answer is 11.",
}
"""Two answers that the start policy gave to one held-out problem: 7, then 9 more, then 6 lost."""


def value_function(seed: int, updates: int = 72) -> dict:
    """A value function fitted to the start policy's answers to word problems.

    explained: share of the held-out returns' variance that it explains, by update ("step").
    by_place: the same at the end, in each tenth of an answer; right, wrong: its mean there, for
    answers that end right and for those that end wrong. along: the value before each token of the two
    answers of `SOLVED`.
    """
    held_out, outcome = word_problems("test", HELD_OUT, 0)
    found: dict[str, list] = {"step": [], "explained": []}
    for update, model in fitted(seed, updates):
        if update % 24 == 0:
            found["step"].append(update)
            found["explained"].append(explained(model, held_out, outcome))
    return found | by_place(model, held_out, outcome) | {"along": along(model)}


def fitted(seed: int, updates: int) -> Iterator[tuple[int, ValueModel]]:
    """(update, model): a value model with a head of zeros, before and after each update on 64 answers."""
    rollout, rewards = word_problems("train", 192, seed)
    model = ValueModel.from_policy(start(), seed)
    torch.nn.init.zeros_(model.head.weight)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.0)
    order = torch.Generator().manual_seed(seed)
    yield 0, model
    for update in range(1, updates + 1):
        rows = torch.randperm(rollout.batch_size, generator=order)[:64]
        fit_once(model, optimizer, rollout.select(rows), rewards[rows])
        yield update, model


@torch.no_grad()
def word_problems(split: str, count: int, seed: int) -> tuple[Rollout, Tensor]:
    """Four answers to each of `count` word problems, and which of them are right, (B,)."""
    world = PocketWorld()
    prompts = world.prompts(count, ("steps",), seed=50, split=split, levels=SCHOOL_LEVELS)
    rollout = start().sample(prompts, 4, 44, seed=seed)
    return rollout, VerifiedAnswer(world)(rollout)


def fit_once(model: ValueModel, optimizer, rollout: Rollout, rewards: Tensor) -> None:
    """One update of V towards the reward at the end, the return of every token where gamma is 1."""
    values, mask = model.token_scores(rollout), rollout.loss_mask
    loss = value_loss(values, values, rewards[:, None].expand_as(values), mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def explained(model: ValueModel, rollout: Rollout, rewards: Tensor) -> float:
    """1 - variance of (return - V) / variance of the return, over all tokens."""
    inside = rollout.loss_mask.bool()
    returns = rewards[:, None].expand_as(inside)[inside]
    left = returns - model.token_scores(rollout)[inside]
    return (1 - left.var() / returns.var()).item()


@torch.no_grad()
def by_place(model: ValueModel, rollout: Rollout, rewards: Tensor) -> dict[str, list[float]]:
    """What V explains and its mean for right and for wrong answers, by tenth of the answer."""
    mask, values = rollout.loss_mask, model.token_scores(rollout)
    tenth = (PLACES * (mask.cumsum(1) - 1) / mask.sum(1, keepdim=True)).long()
    right = (rewards > 0.5)[:, None].expand_as(tenth)
    rows: list[dict[str, float]] = []
    for place in range(PLACES):
        here = (tenth == place) & mask.bool()
        left = (right.float() - values)[here]
        rows.append(
            {
                "by_place": (1 - left.var() / right[here].float().var()).item(),
                "right": values[here & right].mean().item(),
                "wrong": values[here & ~right].mean().item(),
            }
        )
    return _columns(rows)


def solved() -> Rollout:
    """The two answers of `SOLVED`, behind the problem that they answer."""
    problems = PocketWorld().prompts(
        HELD_OUT, ("steps",), seed=50, split="test", levels=SCHOOL_LEVELS
    )
    asked = next(prompt for prompt in problems if prompt.steps == ("7 + 9 = 16", "16 - 6 = 10"))
    return start().encode_completions([asked] * 2, list(SOLVED.values()))


@torch.no_grad()
def along(model: ValueModel) -> dict[str, list[float]]:
    """The value before each token of the two answers of `SOLVED`."""
    rollout = solved()
    values, lengths = model.token_scores(rollout), rollout.lengths.long()
    return {name: row[:n].tolist() for name, row, n in zip(SOLVED, values, lengths, strict=True)}


# --- what the chapter says of them

SEEDS = (0, 1, 2, 3, 4)


def end(result: dict, name: str, last: int = 8) -> float:
    """Where a run ended: the last held-out measurement, or the mean of a metric's last steps."""
    if name in result["held_out"]:
        return result["held_out"][name][-1]
    return sum(result[name][-last:]) / last


def ahead(name: str, one: str, other: str, factor: float = 1.0) -> Claim:
    """The claim that run `one` ends above `factor` times run `other` in a metric."""
    return above(lambda result: end(result[one], name) - factor * end(result[other], name))


def gained(result: dict) -> list[float]:
    """Held-out reward over that of the start policy."""
    reward = result["held_out"]["reward"]
    return [value - reward[0] for value in reward]


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "long_run", long_run, SEEDS,
            {
                "half of the best gain is there by step 8":
                    above(lambda r: gained(r)[2] - max(gained(r)) / 2),
                "entropy falls by a third": above(lambda r: r["entropy"][0] / 1.5 - end(r, "entropy")),
                "the KL goes on growing in the second half":
                    above(lambda r: end(r, "kl") - sum(r["kl"][16:24]) / 8),
            },
            MAIN,
        ),
        Experiment(
            "aggregation", aggregation, SEEDS,
            {
                "the mean over tokens raises accuracy": above(lambda r: gained(r["token"])[-1]),
                "so does the mean for each sequence": above(lambda r: gained(r["sequence"])[-1]),
            },
            SHORT,
        ),
        Experiment(
            "updates", updates, SEEDS,
            {
                "eight updates without the clip go twice as far as with it":
                    ahead("kl", "eight, not clipped", "eight, clipped", 2.0),
                "and end less accurate": ahead("reward", "eight, clipped", "eight, not clipped"),
                "eight clipped updates go farther than one": ahead("kl", "eight, clipped", "one update"),
            },
            SHORT,
        ),
        Experiment(
            "stale", stale, SEEDS,
            {
                "old data cost accuracy": ahead("reward", "fresh", "stale"),
                "also with weights": ahead("reward", "fresh", "stale, weighted"),
                "but with weights more answers end": ahead("finished", "stale, weighted", "stale"),
            },
            SHORT,
        ),
        Experiment(
            "entropy", entropy, SEEDS,
            {
                "the bonus keeps half as much entropy again": ahead("entropy", "bonus", "no bonus", 1.5),
                "and takes the policy farther": ahead("kl", "bonus", "no bonus"),
            },
            SHORT | {"entropy_bonus": BONUS},
        ),
        Experiment(
            "knobs", knobs, SEEDS,
            {
                "8e-4 ends less accurate than 2e-4": ahead("reward", "2e-04", "8e-04"),
                "2e-4 ends farther than 5e-5": ahead("kl", "2e-04", "5e-05"),
                "8e-4 ends twice as far as 4e-4": ahead("kl", "8e-04", "4e-04", 2.0),
            },
            SHORT,
        ),
        Experiment(
            "value_function", value_function, SEEDS,
            {
                "V explains more halfway than at the start":
                    above(lambda r: r["by_place"][5] - r["by_place"][0], 0.05),
                "V ends higher on right answers than on wrong ones":
                    above(lambda r: r["right"][-1] - r["wrong"][-1], 0.05),
            },
            {"answers": 768, "updates": 72},
        ),
    )
}  # fmt: skip
