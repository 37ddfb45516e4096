"""Linear reward models on frozen features: trained in milliseconds, so that a question gets many seeds.

Everything is drawn from one set of answers: four by pocket-sft to each request, with what a fair annotator
would see in each. Labels are drawn anew with each seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...experiments.convex import minimised
from ...experiments.over_optimization import first_layers
from ...lm import Policy
from ...objectives import balanced_comparison_loss, bradley_terry_loss, plackett_luce_loss
from ...rewards import RewardModel
from ...world import PocketWorld

ANSWERS = 4
TRAINED, HELD_OUT = 264, 96
"""Requests to learn from, and others to measure on."""
NOISE = 0.3
"""Temperature of the annotators."""
ITERATIONS, L2 = 60, 0.02
"""Of L-BFGS, at most; and of the penalty on the weights."""


@dataclass(frozen=True)
class Answers:
    """Four answers to each of N requests: features (N, 4, H); seen and gold (N, 4), in gold points.

    seen: the utility that a human annotator perceives, biases and all, before any noise.
    """

    texts: list[str]
    prompts: list
    features: Tensor
    seen: Tensor
    gold: Tensor


def four_answers(policy: Policy, world: PocketWorld, seed: int = 0) -> Answers:
    """Sample the answers and look at them once."""
    prompts = world.prompts(TRAINED, seed=700 + seed)
    prompts += world.prompts(HELD_OUT, seed=701 + seed, split="test")
    texts = policy.sample(prompts, ANSWERS, 40, seed=seed).texts
    asked = [prompt for prompt in prompts for _ in range(ANSWERS)]
    annotator, shape = world.annotator(), (len(prompts), ANSWERS)
    seen = [annotator.perceived(p, t) for p, t in zip(asked, texts, strict=True)]
    gold = [world.gold(p, t) for p, t in zip(asked, texts, strict=True)]
    features = features_of(policy, asked, texts)
    return Answers(texts, asked, features, *(torch.tensor(x).view(shape) for x in (seen, gold)))


def features_of(policy: Policy, prompts: list, texts: list[str]) -> Tensor:
    """What the head of an untrained reward model reads (N, 4, H), each feature with deviation 1."""
    found = RewardModel.from_policy(policy).features_of_texts(prompts, texts).cpu()
    return (found / found.std(0).clamp(min=1e-3)).view(-1, ANSWERS, found.shape[-1])


def with_layers(answers: Answers, policy: Policy, layers: int) -> Answers:
    """The same answers, seen by the policy's first layers only."""
    small = first_layers(policy, layers)
    return replace(answers, features=features_of(small, answers.prompts, answers.texts))


def ranked(answers: Answers, requests: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features (n, 4, H) and utilities (n, 4) of training requests in an annotator's order, best first.

    Utility / temperature plus Gumbel noise, sorted: rankings then follow Plackett-Luce, and pairs of a
    ranking Bradley-Terry.
    """
    dice = torch.Generator().manual_seed(seed)
    rows = torch.randperm(TRAINED, generator=dice)[:requests]
    noise = -torch.log(-torch.log(torch.rand(requests, ANSWERS, generator=dice)))
    order = (answers.seen[rows] / NOISE + noise).argsort(1, descending=True)
    features = answers.features[rows].gather(
        1, order[..., None].expand(-1, -1, answers.features.shape[-1])
    )
    return features.double(), answers.seen[rows].gather(1, order).double()


def one_pair(features: Tensor, seen: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """From each ranking two answers at random: feature differences (n, H), and how much better (n,), 1 to 3."""
    dice = torch.Generator().manual_seed(seed)
    picked = torch.rand(seen.shape, generator=dice).argsort(1)[:, :2].sort(1).values
    rows = torch.arange(len(seen))
    better, worse = picked.unbind(1)
    gap = (seen[rows, better] - seen[rows, worse]).abs()
    degree = 1.0 + (gap > 0.5).double() + (gap > 1.0).double()
    return features[rows, better] - features[rows, worse], degree


def learned(answers: Answers, way: str, seed: int, requests: int = TRAINED) -> dict[str, float]:
    """Train one model in one way and measure it.

    way: 'one pair', 'one pair, margin', 'Plackett-Luce' or 'six pairs'.

    Raises:
        ValueError: another way.
    """
    features, seen = ranked(answers, requests, seed)
    difference, degree = one_pair(features, seen, seed)
    zero = torch.zeros(len(difference), dtype=torch.float64)
    losses = {
        "one pair": lambda w: bradley_terry_loss(difference @ w, zero),
        "one pair, margin": lambda w: bradley_terry_loss(difference @ w, zero, degree),
        "six pairs": lambda w: balanced_comparison_loss(features @ w),
        "Plackett-Luce": lambda w: plackett_luce_loss(features @ w),
    }
    if way not in losses:
        raise ValueError(f"way must be one of {', '.join(losses)}; got {way!r}")
    return worth(answers, minimised(losses[way], features.shape[-1], L2, ITERATIONS))


def worth(answers: Answers, weights: Tensor) -> dict[str, float]:
    """On held-out requests: the share of pairs in the annotators' order, and the gold of the best of four."""
    rewards = answers.features[TRAINED:].double() @ weights
    seen, gold = answers.seen[TRAINED:], answers.gold[TRAINED:]
    above = rewards[:, :, None] > rewards[:, None, :]
    better = seen[:, :, None] > seen[:, None, :]
    picked = gold.gather(1, rewards.argmax(1, keepdim=True))
    return {"order": above[better].double().mean().item(), "gold": picked.mean().item()}
