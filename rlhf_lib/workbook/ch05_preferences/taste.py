"""From a reader's labels to numbers with intervals, to a reward, to a policy, and to a blind test of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...evaluation import Estimate, mean_interval, proportion
from ...lm import Policy
from ...rewards import TextReward
from ...training import (
    DirectSettings,
    History,
    OnlineSettings,
    preset,
    train_direct,
    train_online,
)
from ...training.row_forms import preference
from ...world import PocketWorld, Preference
from .looks import LOOKS, looks_of
from .showings import KINDS, Pair

TIE = "a tie"


def verdict(row: dict) -> str:
    """The text that a label prefers, or `TIE`."""
    return TIE if row["tie"] else row["chosen"][0]["content"]


def self_agreement(rows: Sequence[dict]) -> tuple[list[bool], Estimate | None]:
    """For each pair that was judged twice: the same verdict both times? And the share with its interval.

    The sides were swapped in between, so that whoever always presses 'left' agrees with themselves never.
    """
    judged = defaultdict(list)
    for row in rows:
        judged[row["pair"]].append(verdict(row))
    same = [words[0] == words[1] for words in judged.values() if len(words) > 1]
    return same, proportion(sum(same), len(same)) if same else None


def left_share(rows: Sequence[dict]) -> Estimate | None:
    """How often the left answer won, of the labels that are no ties. Sides were random: a half is fair."""
    wins = [row["left"] == "chosen" for row in rows if not row["tie"]]
    return proportion(sum(wins), len(wins)) if wins else None


@dataclass(frozen=True)
class Taste:
    """A linear reward over `LOOKS`: weights and their covariance, in log-odds per unit."""

    weights: Tensor
    covariance: Tensor

    def coefficients(self) -> dict[str, Estimate]:
        """Each weight with its 95% interval (normal, around the most likely weights)."""
        half = 1.96 * self.covariance.diagonal().sqrt()
        triples = zip(LOOKS, self.weights.tolist(), half.tolist(), strict=True)
        return {name: Estimate(w, w - h, w + h) for name, w, h in triples}

    def reward(self, world: PocketWorld) -> TextReward:
        """This taste as a reward for training."""

        def taste(prompts, completions):
            return (looks_of(world, prompts, completions).double() @ self.weights).tolist()

        return TextReward(taste)

    def scores(self, world: PocketWorld, prompts: Sequence, texts: Sequence[str]) -> Tensor:
        """Rewards (n,) of n answers."""
        return looks_of(world, prompts, texts).double() @ self.weights


def fit_taste(gaps: Tensor, wins: Tensor, spread: float = 1.0, steps: int = 25) -> Taste:
    """Bayesian Bradley-Terry: the most likely weights under a normal prior, and the curvature around them.

    gaps (n, len(LOOKS)): looks of the first answer minus those of the second. wins (n,): 1 if the first won, 0 if
    the second, 0.5 for a tie. spread: standard deviation of the prior, in log-odds: with few labels the
    coefficients stay near 0. Chapter 07 derives the loss.

    Raises:
        ValueError: no labels, or shapes that do not fit.
    """
    if gaps.ndim != 2 or wins.shape != gaps.shape[:1] or len(wins) == 0:
        raise ValueError(
            f"gaps must have shape (n, looks) and wins (n,), n >= 1; got {tuple(gaps.shape)} and {tuple(wins.shape)}"
        )
    gaps, wins = gaps.double(), wins.double()
    weights = gaps.new_zeros(gaps.shape[1])
    prior = torch.eye(gaps.shape[1], dtype=gaps.dtype) / spread**2
    for _ in range(steps):
        p = torch.sigmoid(gaps @ weights)
        curvature = (gaps * (p * (1 - p))[:, None]).T @ gaps + prior
        weights = weights + torch.linalg.solve(curvature, gaps.T @ (wins - p) - prior @ weights)
    p = torch.sigmoid(gaps @ weights)
    curvature = (gaps * (p * (1 - p))[:, None]).T @ gaps + prior
    return Taste(weights, torch.linalg.inv(curvature))


def taste_of(rows: Sequence[dict], world: PocketWorld) -> Taste:
    """The taste in labels: a tie counts as half a win for either.

    Raises:
        ValueError: no labels.
    """
    pairs = records(rows)
    prompts = [pair.prompt for pair in pairs]
    better, worse = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
    gaps = looks_of(world, prompts, better) - looks_of(world, prompts, worse)
    return fit_taste(gaps, torch.tensor([0.5 if pair.tie else 1.0 for pair in pairs]))


def predicted_by_others(rows: Sequence[dict], world: PocketWorld, folds: int = 5) -> Estimate:
    """How often a taste that is fitted to the other labels predicts a label; ties are left out of the count.

    Each label is predicted once. A pair that came back stays in one fold with its repeat.

    Raises:
        ValueError: fewer pairs than folds.
    """
    names = list(dict.fromkeys(row["pair"] for row in rows))
    if len(names) < folds:
        raise ValueError(f"rows must hold {folds} pairs or more; got {len(names)}")
    hits = []
    for fold in range(folds):
        held = set(names[fold::folds])
        taste = taste_of([row for row in rows if row["pair"] not in held], world)
        unseen = decided([row for row in rows if row["pair"] in held])
        prompts = [pair.prompt for pair in unseen]
        better, worse = (
            taste.scores(world, prompts, [getattr(p, side) for p in unseen])
            for side in ("chosen", "rejected")
        )
        hits += (better > worse).tolist()
    return proportion(sum(hits), len(hits))


def kappa(first: Sequence[int], second: Sequence[int]) -> float:
    """Agreement beyond chance (Cohen's kappa) of two lists of verdicts, ties among them.

    Raises:
        ValueError: lengths differ, or nothing to compare.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"first and second must be of one length, 1 or more; got {len(first)} and {len(second)}"
        )
    a, b = torch.tensor(list(first)), torch.tensor(list(second))
    same = (a == b).double().mean()
    chance = sum((a == k).double().mean() * (b == k).double().mean() for k in (-1, 0, 1))
    return float((same - chance) / (1 - chance)) if chance < 1 else 1.0


def sides_of(rows: Sequence[dict], pairs: Sequence[Pair]) -> list[int]:
    """The first verdict on each pair: -1 for its first answer, 1 for its second, 0 for a tie.

    Raises:
        ValueError: a pair without a label.
    """
    seen: dict[str, str] = {}
    for row in rows:
        seen.setdefault(row["pair"], verdict(row))
    missing = [pair.name for pair in pairs if pair.name not in seen]
    if missing:
        raise ValueError(f"rows hold no label of {len(missing)} of the pairs")
    words = {-1: "first", 1: "second"}
    return [
        next((k for k, side in words.items() if seen[pair.name] == getattr(pair, side)), 0)
        for pair in pairs
    ]


def records(rows: Sequence[dict]) -> list[Preference]:
    """Rows of a label file as `Preference`s, ties among them."""
    return [preference(row) for row in rows]


def decided(rows: Sequence[dict]) -> list[Preference]:
    """Those that are no ties: what DPO and TRL can use."""
    return records([row for row in rows if not row["tie"]])


def policy_by_dpo(
    sft: Policy, pairs: Sequence[Preference], seed: int = 0
) -> tuple[Policy, History]:
    """A copy of `sft` after six passes of DPO over a reader's own comparisons, and its history.

    Raises:
        ValueError: no comparisons.
    """
    policy = sft.copy()
    settings = DirectSettings(
        "dpo", beta=0.1, epochs=6, batch_size=16, learning_rate=2e-4, warmup_steps=4, seed=seed
    )
    return policy, train_direct(policy, pairs, settings)


def rl_settings(seed: int = 0, steps: int = 24) -> OnlineSettings:
    """RLOO with a KL penalty that holds the policy within some nats of the SFT model."""
    return preset(
        "rloo", steps=steps, prompts_per_step=12, learning_rate=4e-4, warmup_steps=4,
        kl_coefficient=0.3, seed=seed,
    )  # fmt: skip


def policy_by_rl(
    sft: Policy, taste: Taste, world: PocketWorld, seed: int = 0, steps: int = 24
) -> tuple[Policy, History]:
    """A copy of `sft` after policy gradients on a reader's own reward model, and its history."""
    policy, prompts = sft.copy(), world.prompts(600, kinds=KINDS, seed=61 + seed)
    return policy, train_online(policy, prompts, taste.reward(world), rl_settings(seed, steps))


def blind_pairs(
    sft: Policy, policy: Policy, world: PocketWorld, count: int = 20, seed: int = 0
) -> list[Pair]:
    """Held-out requests answered by both, greedily apart: `first` is the SFT model's answer, `second` the new one's.

    Requests with equal answers are left out, so there may be fewer than `count`.
    """
    prompts = list(
        {p.text: p for p in world.prompts(3 * count, KINDS, 900 + seed, "test")}.values()
    )[:count]
    sides = [
        model.sample(prompts, 1, max_new_tokens=40, seed=seed + i).texts
        for i, model in enumerate((sft, policy))
    ]
    triples = zip(prompts, *sides, strict=True)
    return [Pair(prompt, first, second) for prompt, first, second in triples if first != second]


def two_answers(policy: Policy, prompts: Sequence, seed: int = 0) -> list[Pair]:
    """Two answers of a policy to each prompt, as they come; equal ones are left out."""
    texts = policy.sample(prompts, 2, max_new_tokens=40, seed=seed).texts
    triples = zip(prompts, texts[0::2], texts[1::2], strict=True)
    return [Pair(prompt, first, second) for prompt, first, second in triples if first != second]


@torch.no_grad()
def drift(policy: Policy, sft: Policy, pairs: Sequence[Pair]) -> Estimate:
    """How much likelier these answers are for `policy` than for `sft`: mean log pi/pi_sft in nats."""
    prompts = [pair.prompt for pair in pairs] * 2
    rollout = sft.encode_completions(prompts, [p.first for p in pairs] + [p.second for p in pairs])
    gaps = (policy.logprobs(rollout) - sft.logprobs(rollout)) * rollout.completion_mask
    return mean_interval(gaps.sum(1).cpu())


def felt_gaps(taste: Taste, world: PocketWorld, pairs: Sequence[Pair]) -> Estimate:
    """How far the two answers of a pair lie apart for a taste: mean size of the difference, in log-odds."""
    prompts = [pair.prompt for pair in pairs]
    first, second = (
        taste.scores(world, prompts, [getattr(p, side) for p in pairs])
        for side in ("first", "second")
    )
    return mean_interval((first - second).abs())


def blind_result(rows: Sequence[dict], pairs: Sequence[Pair]) -> Estimate:
    """How often the new policy's answer won; a tie is half a win.

    Raises:
        ValueError: no labels of these pairs.
    """
    second = {pair.name: pair.second for pair in pairs}
    wins = [
        0.5 if row["tie"] else float(verdict(row) == second[row["pair"]])
        for row in rows if row["pair"] in second
    ]  # fmt: skip
    if not wins:
        raise ValueError("rows hold no label of these pairs: label some first")
    return proportion(sum(wins), len(wins))
