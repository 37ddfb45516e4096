"""A game of writing, small enough to list every text: the words of reinforcement learning with exact values.

A state is what is written so far, an action is the next word, and the game ends at the last of `words` or
after `horizon` words. The next state is certain; all chance is in the policy. Book: `c/appendix-a-definitions`.
Left out: chance in the world, which a language model's text does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .tree import Node, TokenTree, lay_out

Text = tuple[str, ...]
Rule = Callable[[Text], Tensor]
"""A policy: unfinished text -> probabilities (A,) of the next word, in the order of `TextGame.words`."""


@dataclass(frozen=True)
class TextGame:
    """words: the A actions; the last one ends the text. horizon: most words of a text. reward: text -> points
    that its *last* word earns, given the words before it.

    Raises:
        ValueError: fewer than two words, or a horizon below 1.
    """

    prompt: str
    words: Text
    horizon: int
    reward: Callable[[Text], float]

    def __post_init__(self) -> None:
        if len(set(self.words)) < 2 or self.horizon < 1:
            raise ValueError("a game needs two different words and a horizon of 1 or more")

    def over(self, text: Text) -> bool:
        """Whether nothing can be written after this text."""
        return text[-1:] == self.words[-1:] or len(text) == self.horizon

    def next(self, text: Text) -> list[Text]:
        """The A texts that are one word longer."""
        return [(*text, word) for word in self.words]

    def states(self) -> list[Text]:
        """Every text that can go on, shorter ones first; the empty text is the prompt alone."""
        found, level = [], [()]
        while level:
            found += level
            level = [t for text in level for t in self.next(text) if not self.over(t)]
        return found


def uniform(game: TextGame) -> Rule:
    """The policy that takes each word with the same probability."""
    share = torch.full((len(game.words),), 1 / len(game.words), dtype=torch.float64)
    return lambda text: share


@dataclass(frozen=True)
class GameValues:
    """Exact values of a policy. v: unfinished text -> value. q: unfinished text -> (A,), one a next word."""

    v: dict[Text, float]
    q: dict[Text, Tensor]

    def advantage(self, text: Text) -> Tensor:
        """Q - V (A,): how much better each next word is than what the policy does. Equation: [DF-9]."""
        return self.q[text] - self.v[text]


def solve_game(game: TextGame, policy: Rule, gamma: float = 1.0) -> GameValues:
    """V and Q of a policy in every state, backwards from the end.

    Q(s, a) = r + gamma V(s'), with V = 0 where the text is over [DF-8]; V(s) = sum over a of pi(a|s)
    Q(s, a) [DF-7]. Equations: [DF-7], [DF-8].

    Raises:
        ValueError: gamma outside of 0 to 1.
    """
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma must lie between 0 and 1; got {gamma}")
    v: dict[Text, float] = {}
    q: dict[Text, Tensor] = {}
    for text in reversed(game.states()):
        earned = [game.reward(t) + gamma * v.get(t, 0.0) for t in game.next(text)]
        q[text] = torch.tensor(earned, dtype=torch.float64)
        v[text] = float(policy(text) @ q[text])
    return GameValues(v, q)


def improved(game: TextGame, values: GameValues) -> Rule:
    """The policy that always takes the word of highest Q (the first of them, if several tie)."""
    best = {text: int(q.argmax()) for text, q in values.q.items()}
    return lambda text: torch.eye(len(game.words), dtype=torch.float64)[best[text]]


@dataclass(frozen=True)
class Play:
    """A trajectory: the text, its probability under the policy, the reward of each word."""

    text: Text
    probability: float
    rewards: tuple[float, ...]

    def discounted(self, gamma: float = 1.0) -> float:
        """The return: sum over t of gamma^t r_t, with t from 0. Equation: [DF-6]."""
        return sum(gamma**t * r for t, r in enumerate(self.rewards))


def all_plays(game: TextGame, policy: Rule) -> list[Play]:
    """Every trajectory. The probability is the product of the policy's over the words. Equation: [DF-6]."""
    return list(_plays(game, policy, (), 1.0, ()))


def _plays(game: TextGame, policy: Rule, text: Text, chance: float, paid: tuple) -> Iterator[Play]:
    if text and game.over(text):
        yield Play(text, chance, paid)
        return
    for longer, p in zip(game.next(text), policy(text).tolist(), strict=True):
        yield from _plays(game, policy, longer, chance * p, (*paid, game.reward(longer)))


def game_tree(game: TextGame, policy: Rule) -> TokenTree:
    """The whole game as a tree to draw. A text's value is what the policy can expect in all: the points that
    it has earned so far, and V. So `TokenTree.advantage` of a text is the advantage of its last word (gamma 1).
    """
    v = solve_game(game, policy).v
    nodes, places, earned = [Node(-1, "", 0, 1.0, 1.0, value=v[()])], {(): 0}, {(): 0.0}
    for text in game.states():
        parent = places[text]
        for longer, p in zip(game.next(text), policy(text).tolist(), strict=True):
            places[longer], earned[longer] = len(nodes), earned[text] + game.reward(longer)
            ended = longer[-1] == game.words[-1]
            chance, value = nodes[parent].probability * p, earned[longer] + v.get(longer, 0.0)
            nodes.append(Node(parent, longer[-1], len(longer), p, chance, ended, value))
    return TokenTree(game.prompt, lay_out(nodes))
