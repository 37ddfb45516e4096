"""Episodes: what a policy and a world write down together, and how likely it was, term by term.

A world says where an episode starts and what follows an action; a policy says which action. Shapes: B episodes
side by side, T steps, A actions. Book: `c/03-training-overview`. Left out: worlds of which the policy sees a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from ..objectives.advantage import reward_to_go

Rule = Callable[[Any], Tensor]
"""A policy: the states of B episodes -> log-probabilities (B, A) of their actions."""


class World(Protocol):
    """What an episode is played in. `dice` is the generator of all chance in it."""

    def start(self, episodes: int, dice: torch.Generator) -> tuple[Any, Tensor]:
        """(states, log-probability of each (B,)): where the episodes begin."""

    def step(
        self, states: Any, actions: Tensor, dice: torch.Generator
    ) -> tuple[Any, Tensor, Tensor, Tensor]:
        """(next states, their log-probability (B,), rewards (B,), whether the episode is over (B,) of bool)."""


@dataclass(frozen=True)
class Episodes:
    """B episodes of at most T steps.

    states: T + 1 of them, each for all B episodes. actions (B, T). rewards (B, T), points. mask (B, T): 1.0 on
    steps that were played, 0.0 after the end. log_start (B,), log_policy (B, T) and log_world (B, T): the logarithms
    of the three kinds of factors in the probability of an episode, in nats; 0 after the end.
    """

    states: list
    actions: Tensor
    rewards: Tensor
    mask: Tensor
    log_start: Tensor
    log_policy: Tensor
    log_world: Tensor

    def logp(self) -> Tensor:
        """log p(tau) of each episode (B,), nats: start, policy and world, added up. Equation: [TO-1]."""
        return self.log_start + self.log_policy.sum(1) + self.log_world.sum(1)

    def returns(self, gamma: float = 1.0) -> Tensor:
        """Discounted return of each episode (B,): the sum of gamma^t r_t, with t from 0. Equation: [TO-2].

        Their mean estimates the objective J of the policy that played.

        Raises:
            ValueError: gamma outside [0, 1].
        """
        return reward_to_go(self.rewards, self.mask, gamma)[:, 0]

    def paid_at_the_end(self) -> Episodes:
        """The same episodes, with all points of an episode paid at its last step."""
        last = self.mask - torch.cat((self.mask[:, 1:], torch.zeros_like(self.mask[:, :1])), 1)
        return replace(self, rewards=self.rewards.sum(1, keepdim=True) * last)


@torch.no_grad()
def play(world: World, policy: Rule, episodes: int, horizon: int, seed: int = 0) -> Episodes:
    """Let the policy act until all episodes are over, or for `horizon` steps.

    Raises:
        ValueError: no episode, or no step.
    """
    if episodes < 1 or horizon < 1:
        raise ValueError(f"episodes and horizon must be 1 or more; got {episodes} and {horizon}")
    dice = torch.Generator().manual_seed(seed)
    now, log_start = world.start(episodes, dice)
    states, alive = [now], torch.ones(episodes)
    columns: list[tuple[Tensor, ...]] = []
    while len(columns) < horizon and alive.any():
        logp = policy(now)
        actions = torch.multinomial(logp.exp(), 1, generator=dice)[:, 0]
        chosen = logp.gather(1, actions[:, None])[:, 0]
        now, moved, rewards, over = world.step(now, actions, dice)
        columns.append((actions, rewards * alive, alive, chosen * alive, moved * alive))
        states.append(now)
        alive = alive * (~over).float()
    actions, rewards, mask, log_policy, log_world = (
        torch.stack(c, 1) for c in zip(*columns, strict=True)
    )
    return Episodes(states, actions, rewards, mask, log_start, log_policy, log_world)


def or_else(
    planned: Tensor, other: Tensor, chance: float, dice: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What really happens: `other` with this chance, else what was planned; (it (B,), its log-probability (B,))."""
    slipped = torch.rand(len(planned), generator=dice) < chance
    likely = torch.where(slipped, torch.tensor(chance), torch.tensor(1 - chance))
    return torch.where(slipped, other, planned), likely.log()


COLDEST, WARMEST, WANTED = 14, 26, 20
"""Degrees Celsius of the room."""


@dataclass(frozen=True)
class Thermostat:
    """A room of whole degrees with a heater. Action 1 is on, 0 is off: a degree up, a degree down.

    draught: the chance that a step goes the other way. A step that ends within a degree of `WANTED` brings a point.
    """

    draught: float = 0.0

    def start(self, episodes: int, dice: torch.Generator) -> tuple[Tensor, Tensor]:
        """Each temperature is as likely as any other."""
        count = WARMEST - COLDEST + 1
        degrees = COLDEST + torch.randint(count, (episodes,), generator=dice)
        return degrees, torch.full((episodes,), -math.log(count))

    def step(self, states: Tensor, actions: Tensor, dice: torch.Generator):
        """A degree warmer or colder; the walls of the house hold at the coldest and the warmest."""
        went, logp = or_else(2 * actions - 1, 1 - 2 * actions, self.draught, dice)
        degrees = (states + went).clamp(COLDEST, WARMEST)
        return (
            degrees,
            logp,
            ((degrees - WANTED).abs() <= 1).float(),
            torch.zeros(len(states), dtype=torch.bool),
        )


def switch(degrees: Tensor, sharpness: float = math.inf) -> Tensor:
    """The thermostat's policy, (B,) -> log-probabilities (B, 2): on below `WANTED`, off from there on.

    sharpness: per degree; infinite is a switch that never errs, 0 a coin.
    """
    below = WANTED - 0.5 - degrees.float()
    logits = below * sharpness if math.isfinite(sharpness) else below.sign() * math.inf
    return torch.stack(
        (torch.nn.functional.logsigmoid(-logits), torch.nn.functional.logsigmoid(logits)), 1
    )
