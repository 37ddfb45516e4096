"""A response space small enough to list: a few hundred answers to one request, in every style.

The writers of `answers` roll dice (`random.Random`). Here the dice are loaded: each roll is played
through all of its outcomes, so that a writer's whole set of answers comes out without a second grammar.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from .answers import STYLES, write_answer
from .prompts import Prompt


class LoadedDice:
    """Dice that fall as `path` says and, beyond it, on 0; `rolls` keeps (outcome, sides) of each roll.

    They have those methods of `random.Random` that the writers use.
    """

    def __init__(self, path: list[int]) -> None:
        self.path, self.rolls = path, []

    def roll(self, sides: int) -> int:
        """The next outcome, from 0 to sides - 1."""
        place = len(self.rolls)
        outcome = self.path[place] if place < len(self.path) else 0
        self.rolls.append((outcome, sides))
        return outcome

    def choice(self, items):
        return items[self.roll(len(items))]

    def randint(self, low: int, high: int) -> int:
        return low + self.roll(high - low + 1)

    def randrange(self, stop: int) -> int:
        return self.roll(stop)

    def sample(self, items, k: int) -> list:
        left = list(items)
        return [left.pop(self.roll(len(left))) for _ in range(k)]


def every_outcome(write: Callable[[LoadedDice], str]) -> Iterator[str]:
    """What `write(dice)` returns for every way in which its dice can fall; texts may come twice."""
    path: list[int] | None = []
    while path is not None:
        dice = LoadedDice(path)
        yield write(dice)
        path = _next_path(dice.rolls)


def _next_path(rolls: list[tuple[int, int]]) -> list[int] | None:
    """Count the last roll that is not yet at its highest one up, as on an odometer."""
    for place in reversed(range(len(rolls))):
        outcome, sides = rolls[place]
        if outcome + 1 < sides:
            return [outcome for outcome, _ in rolls[:place]] + [outcome + 1]
    return None


LARGEST_TREE = 3000
"""A writer with more outcomes than this is drawn from and not played through."""


def style_answers(facts: dict, prompt: Prompt, style: str, size: int) -> list[str]:
    """The distinct answers to `prompt` in one style, in a shuffled order that is always the same.

    All of them, where the writer's dice have at most `LARGEST_TREE` outcomes; else `size` draws.
    """
    rng = random.Random(f"answers {prompt.text} {style}")
    found: dict[str, None] = {}
    outcomes = every_outcome(lambda dice: write_answer(facts, prompt, style, dice))
    for count, text in enumerate(outcomes):
        if count == LARGEST_TREE:
            drawn = (write_answer(facts, prompt, style, rng) for _ in range(2 * size))
            return list(dict.fromkeys(drawn))[:size]
        found[text] = None
    answers = list(found)
    rng.shuffle(answers)
    return answers


def list_answers(facts: dict, prompt: Prompt, size: int = 200) -> list[str]:
    """`size` distinct answers to `prompt`: the styles in turn, each until it has no more to say.

    Right and wrong, short, long, polite, hedged, flattering, ... and off the topic. Always the same
    list for the same request.

    Raises:
        ValueError: size < 2, or more than the writers can say.
    """
    if size < 2:
        raise ValueError(f"size must be 2 or more: there is nothing to choose from; got {size}")
    piles = [style_answers(facts, prompt, style, size)[::-1] for style in STYLES]
    found: dict[str, None] = {}
    while len(found) < size and any(piles):
        for pile in filter(None, piles):
            found[pile.pop()] = None
    if len(found) < size:
        raise ValueError(
            f"size must be at most {len(found)} for this {prompt.kind} request; got {size}"
        )
    return list(found)[:size]
