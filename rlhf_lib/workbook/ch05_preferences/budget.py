"""One budget of dollars and two kinds of labeller: noisy people, and precise machines with a taste of their own."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ...world import AI_BIAS, HUMAN_BIAS, Bias, PocketWorld
from .crowds import HELD_OUT, Written, order_found, written_answers

HUMAN_COST, AI_COST = 2.0, 0.005
"""Dollars a label."""

COUNTS = (25, 50, 100, 200, 400, 800, 1600)
REQUESTS = 2000
TRUST = 3.0
"""How readily the other labeller's opinion is taken over: its column is that much larger than the others."""

WAYS = ("people", "AI judge", "AI judge, then people")


@functools.lru_cache(maxsize=8)
def unit_gaps(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """What people, a judge without biases and the usual judge perceive between two answers (n,), first minus second."""
    world, written = PocketWorld(), data(seed)
    labellers = (world.annotator(HUMAN_BIAS), world.ai_judge(Bias()), world.ai_judge(AI_BIAS))
    rows = list(zip(written.prompts, written.texts, strict=True))
    return tuple(
        torch.tensor([one.perceived(p, t[0]) - one.perceived(p, t[1]) for p, t in rows]).double()
        for one in labellers
    )


def pair_gaps(seed: int, ai_bias: float = 1.0) -> dict[str, Tensor]:
    """What either labeller perceives between the two answers (n,): it is linear in the factor on the judge's biases."""
    people, fair, usual = unit_gaps(seed)
    return {"people": people, "AI judge": fair + ai_bias * (usual - fair)}


def data(seed: int) -> Written:
    """The answers of one seed."""
    return written_answers(REQUESTS, seed)


def labels_of(gaps: Tensor, temperature: float, dice: torch.Generator) -> Tensor:
    """1.0 where the first answer wins (n,), by the Bradley-Terry coin."""
    return (
        torch.rand(len(gaps), generator=dice, dtype=torch.float64)
        < torch.sigmoid(gaps / temperature)
    ).double()


def fitted(difference: Tensor, wins: Tensor, l2: float = 1.0) -> Tensor:
    """Weights (H,) by Newton's method: Bradley-Terry with a normal prior around 0; wins may be halves."""
    weights, identity = (
        difference.new_zeros(difference.shape[1]),
        torch.eye(difference.shape[1], dtype=difference.dtype),
    )
    for _ in range(20):
        p = torch.sigmoid(difference @ weights)
        curvature = (difference * (p * (1 - p))[:, None]).T @ difference + l2 * identity
        weights = weights + torch.linalg.solve(curvature, difference.T @ (wins - p) - l2 * weights)
    return weights


def corrected(difference: Tensor, wins: Tensor, opinion: Tensor) -> Tensor:
    """Weights (H,) that start from another labeller's `opinion` (H,) and are corrected by these labels.

    The other's score is one more column, so that the labels say how far to trust it.
    """
    score = difference @ opinion
    size = score.std().clamp(min=1e-9)
    found = fitted(torch.cat((difference, score[:, None] / size * TRUST), 1), wins)
    return found[:-1] + found[-1] * TRUST / size * opinion


def weights_bought(
    seed: int, people: int, ai: int, ai_bias: float = 1.0, noise: float = 0.3, draw: int = 0
) -> Tensor:
    """The linear reward (H,) that so many labels of either kind buy.

    With both, the AI's labels come first, and people's labels correct what these gave. ai_bias: factor on the
    judge's biases. noise: temperature of the people.

    Raises:
        ValueError: no labels, or more than there are pairs.
    """
    written, gaps = data(seed), pair_gaps(seed, ai_bias)
    most = REQUESTS - HELD_OUT
    if not people + ai > 0 or max(people, ai) > most:
        raise ValueError(
            f"people and ai must not both be 0, nor above {most}; got {people} and {ai}"
        )
    dice = torch.Generator().manual_seed(1000 * seed + draw)
    difference, weights = written.looks[:, 0] - written.looks[:, 1], None
    for name, count, temperature in (("AI judge", ai, 0.05), ("people", people, noise)):
        if count:
            rows = torch.randperm(most, generator=dice)[:count]
            wins, some = labels_of(gaps[name][rows], temperature, dice), difference[rows]
            weights = fitted(some, wins) if weights is None else corrected(some, wins, weights)
    return weights


def order_bought(seed: int, people: int, ai: int, **settings) -> float:
    """Share of unseen pairs in the order of gold, after labels as in `weights_bought`."""
    return order_of_gold(seed, weights_bought(seed, people, ai, **settings))


def order_of_gold(seed: int, weights: Tensor) -> float:
    """Share of unseen pairs that a linear reward puts in the order of gold."""
    written = data(seed)
    return order_found(weights, written.looks[-HELD_OUT:], written.gold[-HELD_OUT:])


@functools.lru_cache(maxsize=8)
def gold_weights(seed: int) -> Tensor:
    """The reward (H,) from labels by gold itself on all pairs: the best that these counts allow."""
    written, most = data(seed), REQUESTS - HELD_OUT
    gap = written.gold[:most, 0] - written.gold[:most, 1]
    difference = written.looks[:most, 0] - written.looks[:most, 1]
    return fitted(difference, 0.5 + 0.5 * torch.sign(gap))


def ceiling(seed: int) -> float:
    """The order of gold that these weights find."""
    return order_of_gold(seed, gold_weights(seed))
