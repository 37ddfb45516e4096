"""The cart and the language model as worlds to play episodes in: the same two functions as the thermostat's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from ...exact.cart import Rides, push, riding
from ...exact.episodes import Episodes, or_else
from ...lm import Policy
from ...rewards import GoldReward
from ...world import PocketWorld

LONGEST = 40
"""Most tokens of a whole answer."""
PLACES = 11
"""Values that each of the cart's four numbers can start with, from -0.05 to 0.05."""


@dataclass(frozen=True)
class CartWorld:
    """The cart with its pole. Action 1 pushes right, 0 left; slip: the chance that the push goes the other way.

    A point for each step after which it still rides.
    """

    slip: float = 0.0

    def start(self, episodes: int, dice: torch.Generator) -> tuple[Tensor, Tensor]:
        """Near rest: four numbers in hundredths, each of eleven values as likely as any other."""
        places = torch.randint(PLACES, (episodes, 4), generator=dice)
        return (places - PLACES // 2) / 100, torch.full((episodes,), -4 * math.log(PLACES))

    def step(self, states: Tensor, actions: Tensor, dice: torch.Generator):
        """20 ms later."""
        went, logp = or_else(actions, 1 - actions, self.slip, dice)
        moved = push(states, went)
        return moved, logp, riding(moved).float(), ~riding(moved)


def cart_rule(policy: nn.Module):
    """A network's pushes as log-probabilities: states (B, 4) -> (B, 2), left and right."""

    def rule(states: Tensor) -> Tensor:
        logits = policy(states)
        return torch.cat((logsigmoid(-logits), logsigmoid(logits)), -1)

    return rule


@dataclass(frozen=True)
class TextWorld:
    """Requests, and the answer that is written to them token by token. Action: the next token.

    A state is the list of all token ids so far. typo: the chance that another token stands there than was chosen; 0
    for every language model. A step brings what the gold utility of the answer rises by.
    """

    policy: Policy
    requests: Sequence
    typo: float = 0.0

    def start(self, episodes: int, dice: torch.Generator) -> tuple[list, Tensor]:
        """A request, each as likely as any other, in the chat template."""
        drawn = torch.randint(len(self.requests), (episodes,), generator=dice).tolist()
        states = [
            (self.requests[row], self.policy.prompt_ids(self.requests[row]), ()) for row in drawn
        ]
        return states, torch.full((episodes,), -math.log(len(self.requests)))

    def step(self, states: list, actions: Tensor, dice: torch.Generator):
        """The same text with one token more."""
        size = len(self.policy.tokenizer)
        other = torch.randint(size, actions.shape, generator=dice)
        written, logp = or_else(actions, other, self.typo, dice)
        longer = [
            self.longer(state, int(token)) for state, token in zip(states, written, strict=True)
        ]
        points = torch.tensor(
            [self.gold(new) - self.gold(old) for new, old in zip(longer, states, strict=True)]
        )
        return longer, logp, points, written == self.policy.end_token

    def longer(self, state: tuple, token: int) -> tuple:
        """The state with one token more; behind the end token nothing is written."""
        prompt, ids, told = state
        return state if told[-1:] == (self.policy.end_token,) else (prompt, ids, (*told, token))

    def gold(self, state: tuple) -> float:
        """Points of the answer so far; nothing is written yet at the start."""
        prompt, _, told = state
        return PocketWorld().gold(prompt, self.text(state)) if told else 0.0

    def text(self, state: tuple) -> str:
        """The answer so far, as text."""
        return self.policy.decode(torch.tensor([state[2]]))[0]

    def rule(self, states: list) -> Tensor:
        """The model's log-probabilities of the next token, (B, V)."""
        rows = [[*ids, *told] for _, ids, told in states]
        width = max(map(len, rows))
        ids = torch.tensor(
            [[self.policy.pad_token] * (width - len(row)) + row for row in rows],
            device=self.policy.device,
        )
        mask = torch.tensor(
            [[0.0] * (width - len(row)) + [1.0] * len(row) for row in rows],
            device=self.policy.device,
        )
        return self.policy.model(ids, mask)[:, -1].float().log_softmax(-1).cpu()


def all_at_the_end(rides: Rides) -> Tensor:
    """A reward for `train_cart`, (B, T): the points of a whole ride, one a step, at its last step; 0 before it."""
    after = torch.cat((rides.mask[:, 1:], torch.zeros_like(rides.mask[:, :1])), 1)
    return rides.steps[:, None] * (rides.mask - after)


def whole_answers(policy: Policy, requests: Sequence, episodes: int, seed: int = 0) -> Episodes:
    """Text as a bandit: a request is the state, the whole answer the one action, its gold the one reward."""
    dice = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(requests), (episodes,), generator=dice).tolist()
    asked = [requests[row] for row in drawn]
    rollout = policy.sample(asked, max_new_tokens=LONGEST, seed=seed)
    ones = torch.ones(episodes, 1)
    return Episodes(
        states=[asked, [*zip(asked, rollout.texts, strict=True)]],
        actions=torch.arange(episodes)[:, None],
        rewards=GoldReward(PocketWorld())(rollout).cpu()[:, None],
        mask=ones,
        log_start=torch.full((episodes,), -math.log(len(requests))),
        log_policy=(rollout.logp * rollout.completion_mask).sum(1, keepdim=True).cpu(),
        log_world=0 * ones,
    )
