"""Preference displacement on a map: answers are places, and the policy knows them by their places only.

A log-linear policy over K answers, pi(y) ~ pi_ref(y) exp(w . place(y)). A pair moves w along the arrow
from the rejected to the chosen answer, and with it every answer that lies downwind. In a language model
the place is the hidden state. Book: `c/08-direct-alignment`; Razin et al. (2024) for the reason.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from ..training import DirectSettings, PairLogps, direct_loss
from ..world import PocketWorld, Preference

CHOSEN, REJECTED = 0, 1
"""The first two answers of every map."""


@dataclass(frozen=True)
class AnswerMap:
    """K answers on a plane. places (K, 2); ref_logp (K,), the reference's log-probabilities, in nats."""

    places: Tensor
    ref_logp: Tensor

    def policy(self, weights: Tensor) -> Tensor:
        """Log-probabilities (K,) under weights (2,)."""
        return (self.ref_logp + self.places @ weights).log_softmax(0)


def answer_map(distance: float, others: int = 60, seed: int = 0) -> AnswerMap:
    """A chosen answer in the east, a rejected one `distance` to the west of it, others all around.

    The middle lies halfway between the two. The reference prefers the middle: log pi_ref falls with the squared distance from it.

    Raises:
        ValueError: distance not positive, or no others.
    """
    if not distance > 0 or others < 1:
        raise ValueError(
            f"distance must be positive and others 1 or more; got {distance} and {others}"
        )
    dice = torch.randn(others, 2, generator=torch.Generator().manual_seed(seed)).double()
    pair = torch.tensor([[distance / 2, 0.0], [-distance / 2, 0.0]], dtype=torch.float64)
    places = torch.cat((pair, 1.3 * dice))
    return AnswerMap(places, (-places.square().sum(1) / 2).log_softmax(0))


def follow_pair(
    answers: AnswerMap, settings: DirectSettings, steps: int = 40, learning_rate: float = 0.08
) -> Tensor:
    """Log-probabilities (steps + 1, K) while Adam lowers a direct loss on the one pair.

    settings: its loss, beta, nll_weight and so on; an answer counts as one token.

    Raises:
        ValueError: steps not positive.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more; got {steps}")
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([weights], learning_rate)
    path = []
    for _ in range(steps):
        logp = answers.policy(weights)
        path.append(logp.detach())
        optimizer.zero_grad()
        direct_loss(as_pair(logp, answers.ref_logp), settings).backward()
        optimizer.step()
    return torch.stack([*path, answers.policy(weights).detach()])


def as_pair(logp: Tensor, ref_logp: Tensor) -> PairLogps:
    """The batch with the one pair, from log-probabilities (K,) of policy and reference."""
    one = torch.ones(1, dtype=logp.dtype)
    return PairLogps(
        chosen=logp[CHOSEN, None],
        rejected=logp[REJECTED, None],
        ref_chosen=ref_logp[CHOSEN, None],
        ref_rejected=ref_logp[REJECTED, None],
        chosen_length=one,
        rejected_length=one,
        gaps=one,
        kl=(logp.exp() * (logp - ref_logp)).sum().detach(),
    )


def near_pairs(
    world: PocketWorld, count: int, seed: int = 0, other: str = "wrong", split: str = "train"
) -> list[Preference]:
    """Comparisons without noise: a short right answer, and one in style `other` to the same request.

    'wrong' differs in a word or two, so the two answers are near each other; 'off_topic' is far.

    Raises:
        ValueError: unknown style or split.
    """
    rng = random.Random(seed)
    asked = world.prompts(count, ("fact", "sum", "opinion"), seed=seed, split=split)
    return [
        Preference(p, world.answer(p, "short", rng), world.answer(p, other, rng)) for p in asked
    ]
