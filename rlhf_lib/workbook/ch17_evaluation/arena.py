"""An arena: eight assistants made of ways of answering, a crowd that votes, and what can be fitted to its votes.

All answers are written once and read once; votes are then a few numbers each, so that thousands are drawn at a time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from ...evaluation import Ratings, bradley_terry, elo_ratings
from ...world import HUMAN_BIAS, Bias, PocketWorld, Prompt

ASSISTANTS = {
    "terse": {"short": 1.0},
    "plain": {"short": 0.6, "long": 0.2, "polite": 0.2},
    "chatty": {"long": 0.45, "polite": 0.25, "flattering": 0.3},
    "lister": {"listed": 0.8, "wrong": 0.2},
    "flatterer": {"flattering": 0.7, "wrong": 0.3},
    "sure": {"confident": 0.7, "wrong": 0.3},
    "careful": {"hedged": 0.5, "short": 0.5},
    "sloppy": {"short": 0.4, "wrong": 0.3, "off_topic": 0.2, "repetitive": 0.1},
}
"""Assistant -> how often it answers in which way."""

KINDS = ("fact", "open", "opinion", "steps", "story")
STYLE = ("length", "bullets", "flattery", "confidence")
"""What style control holds constant: words, bullets, flattering sentences, sentences said with confidence."""
NOISE = 0.3
"""Temperature of a human's vote, as `PocketWorld.annotator` has it."""


@dataclass(frozen=True)
class Pool:
    """One answer of each of K assistants to each of N requests.

    gold (N, K): points. style (N, K, 4): counts of `STYLE`. agreement (N, K): 1 where a false claim is agreed to.
    """

    prompts: list[Prompt]
    texts: list[list[str]]
    gold: np.ndarray
    style: np.ndarray
    agreement: np.ndarray

    def perceived(self, bias: Bias) -> np.ndarray:
        """What a voter sees (N, K): gold, and what the bias adds. Equal to `Annotator.perceived`."""
        prices = np.array([bias.length, bias.format, bias.flattery, bias.confidence])
        return self.gold + self.style @ prices + bias.agreement * self.agreement


@dataclass(frozen=True)
class Votes:
    """N votes: assistants (N,), score (N,) of the first, difference of style (N, 4) first minus second."""

    first: np.ndarray
    second: np.ndarray
    score: np.ndarray
    style: np.ndarray

    def take(self, places) -> Votes:
        """Some of the votes, or all in another order."""
        return Votes(
            self.first[places], self.second[places], self.score[places], self.style[places]
        )

    def fitted(self, style_control: bool = False, ridge: float = 0.0) -> Ratings:
        """Bradley-Terry ratings, with or without style held constant."""
        style = self.style if style_control else None
        return bradley_terry(self.first, self.second, self.score, len(ASSISTANTS), style, ridge)

    def elo(self, k: float = 32.0, order=None) -> np.ndarray:
        """Elo ratings after the votes in this order."""
        votes = self if order is None else self.take(order)
        return elo_ratings(votes.first, votes.second, votes.score, len(ASSISTANTS), k)


def fill_pool(world: PocketWorld, requests: int = 400, seed: int = 0) -> Pool:
    """Let every assistant answer every request, and read all answers."""
    rng = random.Random(f"arena {seed}")
    prompts = world.prompts(requests, KINDS, seed=seed, split="test")
    texts = [
        [world.answer(p, drawn(mix, rng), rng) for mix in ASSISTANTS.values()] for p in prompts
    ]
    gold = np.array(
        [[world.gold(p, t) for t in row] for p, row in zip(prompts, texts, strict=True)]
    )
    read = np.array(
        [[seen(world, p, t) for t in row] for p, row in zip(prompts, texts, strict=True)]
    )
    return Pool(prompts, texts, gold, read[..., :4], read[..., 4])


def drawn(mix: dict[str, float], rng: random.Random) -> str:
    """A way of answering, drawn from a mixture."""
    return rng.choices(list(mix), list(mix.values()))[0]


def seen(world: PocketWorld, prompt: Prompt, text: str) -> list[float]:
    """The counts of `STYLE`, and whether the answer agrees to a false claim."""
    sentences = world.parse(prompt, text)
    agrees = prompt.claim_is_true is False and any(s.kind == "yes" for s in sentences)
    return [
        len(text.split()),
        sum(s.bullet for s in sentences),
        sum(s.kind == "flattery" for s in sentences),
        sum(s.confident for s in sentences),
        float(agrees),
    ]


def vote(
    pool: Pool, count: int, bias: Bias = HUMAN_BIAS, noise: float = NOISE, seed: int = 0
) -> Votes:
    """`count` votes: a request and two assistants by lot, and the choice of a Bradley-Terry voter.

    Raises:
        ValueError: count < 1, or noise not positive.
    """
    if count < 1 or not noise > 0:
        raise ValueError(f"count must be 1 or more and noise positive; got {count} and {noise}")
    rng, models = np.random.default_rng(seed), len(ASSISTANTS)
    row = rng.integers(len(pool.prompts), size=count)
    first = rng.integers(models, size=count)
    second = (first + rng.integers(1, models, size=count)) % models
    utility = pool.perceived(bias)
    gap = (utility[row, first] - utility[row, second]) / noise
    score = (rng.random(count) < 0.5 * (1 + np.tanh(gap / 2))).astype(float)
    return Votes(first, second, score, pool.style[row, first] - pool.style[row, second])
