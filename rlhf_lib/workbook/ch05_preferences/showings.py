"""Which pairs are shown, in which order, on which side, and which come back in secret."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...lm import Policy
from ...world import PocketWorld, Prompt
from .looks import LOOKS, looks_of

KINDS = ("fact", "open", "opinion", "story", "lookalike")
"""Requests whose answers can differ in taste, and not in arithmetic."""

REPEAT_AFTER = 8
"""At least so many other pairs stand between a pair and its return."""


@dataclass(frozen=True)
class Pair:
    """A request and two answers, in an order of their own; a reader sees them on random sides."""

    prompt: Prompt
    first: str
    second: str

    @property
    def name(self) -> str:
        """The same ten letters for the same texts, whichever comes first."""
        whole = "\n".join([self.prompt.text, *sorted((self.first, self.second))])
        return hashlib.sha256(whole.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Showing:
    """One place of the plan: a pair, and which of its answers stands on the left."""

    pair: Pair
    first_is_left: bool

    @property
    def sides(self) -> tuple[str, str]:
        """(left answer, right answer)."""
        pair = self.pair
        return (pair.first, pair.second) if self.first_is_left else (pair.second, pair.first)


def pairs_to_label(
    policy: Policy, world: PocketWorld, count: int = 40, seed: int = 0
) -> list[Pair]:
    """`count` pairs of the policy's own answers, one to a request: half as they come, half picked for what they can tell.

    For the second half, of six answers to each request the two that differ most in length, praise and lists are
    taken, then the requests whose pair differs most.

    Raises:
        ValueError: count < 1.
    """
    if count < 1:
        raise ValueError(f"count must be 1 or more; got {count}")
    prompts = _distinct(world.prompts(6 * count, kinds=KINDS, seed=500 + seed))[: 3 * count]
    texts = policy.sample(prompts, 6, max_new_tokens=40, seed=seed).texts
    plain, telling = [], []
    for place, prompt in enumerate(prompts):
        answers = list(dict.fromkeys(t for t in texts[6 * place : 6 * place + 6] if t.strip()))
        if len(answers) > 1 and len(plain) < count - count // 2:
            plain.append(Pair(prompt, *answers[:2]))
        elif len(answers) > 1:
            telling.append(_most_telling(world, prompt, answers))
    telling.sort(key=lambda one: -one[0])
    return plain + [pair for _, pair in telling[: count // 2]]


def _distinct(prompts: Sequence[Prompt]) -> list[Prompt]:
    return list({prompt.text: prompt for prompt in prompts}.values())


def _most_telling(world: PocketWorld, prompt: Prompt, answers: Sequence[str]) -> tuple[float, Pair]:
    """The two answers that differ most in the looks that the chapter asks about, and by how much."""
    seen = looks_of(world, [prompt] * len(answers), answers)
    weights = seen.new_tensor([TELLING.get(name, 0.0) for name in LOOKS])
    gaps = ((seen[:, None] - seen[None]).abs() * weights).sum(-1)
    place = int(gaps.argmax())
    first, second = divmod(place, len(answers))
    return float(gaps.max()), Pair(prompt, answers[first], answers[second])


TELLING = {"ten words": 0.5, "praise": 1.0, "list": 1.0}


def plan(pairs: Sequence[Pair], repeats: int = 6, seed: int = 0) -> list[Showing]:
    """All pairs in random order on random sides; `repeats` of them come back later with sides swapped.

    Raises:
        ValueError: no pairs, or repeats out of range.
    """
    if not pairs or not 0 <= repeats <= len(pairs):
        raise ValueError(
            f"pairs must hold one or more, and repeats lie between 0 and their number; got {len(pairs)} pairs "
            f"and {repeats} repeats"
        )
    dice = random.Random(seed)
    order = dice.sample(list(pairs), len(pairs))
    shown = [Showing(pair, dice.random() < 0.5) for pair in order]
    again = [Showing(one.pair, not one.first_is_left) for one in shown[:repeats]]
    first_place = min(len(shown), repeats + REPEAT_AFTER)
    for number, showing in enumerate(again):
        room = (len(shown) - first_place) // max(1, repeats)
        shown.insert(min(len(shown), first_place + number * room + number), showing)
    return shown


def still_to_show(shown: Sequence[Showing], rows: Sequence[dict]) -> list[Showing]:
    """The showings that no label answers yet: a pair's k-th showing waits for its k-th label."""
    answered, left = Counter(row["pair"] for row in rows), []
    for showing in shown:
        name = showing.pair.name
        if answered[name] > 0:
            answered[name] -= 1
        else:
            left.append(showing)
    return left
