"""Build exercise of chapter 01: learning from comparisons of clips."""

from __future__ import annotations

import torch
from torch import nn

from ...exact.cart import ride
from ..kit.build import Build, descend, numbers, weights

STEPS, RIDES = 12, 8


def linear(seed: int) -> nn.Module:
    """One number for a state, (..., 4) -> (..., 1), in double precision."""
    layer = nn.Linear(4, 1).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in layer.parameters():
            values.copy_(torch.randn(values.shape, generator=generator, dtype=torch.float64))
    return layer


def drive(policy: nn.Module, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight short rides: states (B, T, 4) and pushes to the right (B, T)."""
    rides = ride(_single(policy), RIDES, STEPS, seed=seed)
    return 10 * rides.states.double(), rides.right.double()


def _single(policy: nn.Module):
    return lambda states: policy(10 * states.double()).float()


def to_the_right(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """(P,): 1.0 where the first clip ends farther to the right, else 0.0."""
    return (first[:, -1, 0] > second[:, -1, 0]).double()


def _others(totals):
    return totals - (totals.sum() - totals) / (len(totals) - 1)


def _lessons(policy, reward, drive, judge, rounds, learning_rate, **slips):
    """The loop, and what it becomes by a slip."""
    pool, weigh = slips.get("pool", lambda r: r.sum(1)), slips.get("weigh", _others)
    judge_of, sign = slips.get("judge_of", judge), slips.get("sign", 1)
    for_reward = torch.optim.SGD(reward.parameters(), lr=learning_rate)
    for_policy = torch.optim.SGD(policy.parameters(), lr=learning_rate)
    losses = []
    for number in range(rounds):
        states, right = drive(policy, 0 if slips.get("same_rides") else number)
        first, second = states[0::2], states[1::2]
        gap = pool(reward(first).squeeze(-1)) - pool(reward(second).squeeze(-1))
        gap = gap * (2 * judge_of(first, second) - 1)
        loss = -nn.functional.logsigmoid(gap).mean()
        losses.append(descend(for_reward, loss, add_up=slips.get("kept", False)))
        with torch.no_grad():
            advantages = weigh(pool(reward(states).squeeze(-1)))
        logp = nn.functional.logsigmoid((2 * right - 1) * policy(states).squeeze(-1)).sum(1)
        descend(for_policy, -sign * (advantages * logp).mean(), add_up=slips.get("kept", False))
    return losses


def _slip(**slips):
    return lambda *arguments: _lessons(*arguments, **slips)


def _observed(arguments: tuple, result) -> dict[str, torch.Tensor]:
    return {
        "what you return": numbers(result),
        "the reward model at the end": weights(arguments[1]),
        "the policy at the end": weights(arguments[0]),
    }


learning_from_clips = Build(
    name="my_learning_from_clips",
    title="Build the loop: from comparisons to a policy",
    difficulty=3,
    minutes=30,
    reference=lambda policy, reward, drive, judge, rounds, learning_rate: _lessons(
        policy, reward, drive, judge, rounds, learning_rate
    ),
    cases=lambda: [
        (linear(1), linear(2), drive, to_the_right, 3, 0.05),
        (linear(3), linear(4), drive, to_the_right, 4, 0.1),
    ],
    mistakes=(
        (
            _slip(judge_of=lambda first, second: 1 - to_the_right(first, second)),
            "your reward model learns the opposite: 1.0 means that the *first* clip won",
        ),
        (
            _slip(judge_of=lambda first, second: torch.ones(len(first), dtype=torch.float64)),
            "you treat the first clip as the winner always: ask the judge",
        ),
        (
            _slip(pool=lambda r: r.mean(1)),
            "you average over the steps of a clip; a clip's strength is the sum [OV-1]",
        ),
        (
            _slip(weigh=lambda totals: totals),
            "you push by the reward itself: subtract the mean of the other rides",
        ),
        (
            _slip(weigh=lambda totals: totals - totals.mean()),
            "the mean holds the ride itself: take the mean of the *other* rides",
        ),
        (
            _slip(sign=-1),
            "the policy's sign is flipped: it learns to avoid what the reward model likes",
        ),
        (
            _slip(same_rides=True),
            "every round watches the same dice: pass the round's number to `drive`",
        ),
        (_slip(kept=True), "gradients of earlier rounds add up: call `optimizer.zero_grad()`"),
    ),
    observe=_observed,
    hints=(
        "Four parts a round: drive, ask the judge, one update of the reward model, one of the policy.",
        "Pairs are the rows `states[0::2]` and `states[1::2]`. Where the judge says 0.0, turn the gap of "
        "the two totals round, then take `-logsigmoid(gap).mean()`.",
        "For the policy, with the reward model as it is *after* its update: `advantages` are totals minus the "
        "mean of the others, without a gradient; `logp = logsigmoid((2 * right - 1) * policy(states)"
        ".squeeze(-1)).sum(1)`; the loss is `-(advantages * logp).mean()`.",
    ),
    plan=(
        "1. torch.optim.SGD, one for the reward model and one for the policy",
        "2. in each round: states, right = drive(policy, round)",
        "3. ask the judge about rows 0, 2, 4, ... against rows 1, 3, 5, ...; one update of the reward model",
        "4. one update of the policy on the reward model's totals; keep the reward model's loss",
    ),
)

BUILDS = (learning_from_clips,)
