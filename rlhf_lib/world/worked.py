"""Sums worked out step by step: right, gone wrong at one step, or drafted, checked and corrected."""

from __future__ import annotations

import random

from .answers import spoil
from .prompts import Prompt, solved, split_of
from .records import BAD, GOOD, NEUTRAL, Stepwise
from .splits import operation, side

SLIPS = (-10, -2, -1, 1, 2, 10)
"""By how much a step is wrong; `RARE_SLIPS` where none of these will do."""
RARE_SLIPS = tuple(range(-30, 0)) + tuple(range(1, 31))


def worked_sum(prompt: Prompt, rng: random.Random, slip: int | None = None) -> Stepwise:
    """A worked answer to a 'steps' request, with labels.

    slip: the step that goes wrong, or None. Labels: GOOD; BAD where the arithmetic is wrong; NEUTRAL
    for steps that are right in themselves and go on from a wrong number.
    """
    steps, count = prompt.steps, len(prompt.steps)
    labels = [GOOD] * (count + 1)
    if slip is not None:
        steps = rng.choice(_gone_wrong(prompt, slip))
        labels[slip:] = [BAD] + [NEUTRAL] * (count - slip)
    texts = [*steps, f"so the answer is {_result(steps[-1])}"]
    return Stepwise(prompt, tuple(f"{text}." for text in texts), tuple(labels))


def checked_sum(prompt: Prompt, rng: random.Random) -> str:
    """An answer that drafts its last step, checks it by the inverse sum and corrects it if need be.

    '9 + 8 = 16. check. 16 - 8 = 8. wait. 9 + 8 = 17. so the answer is 17.'
    """
    *before, last = prompt.steps
    draft = spoil(last, rng) if rng.random() < 0.5 else last
    lines = [*before, draft]
    if _allowed(prompt, [inverse(draft)]):
        lines += ["check", inverse(draft)]
    if draft != last:
        lines += ["wait", last]
    return " ".join(f"{line}." for line in (*lines, f"so the answer is {prompt.result}"))


def inverse(step: str) -> str:
    """'9 + 8 = 16' -> '16 - 8 = 8'; '9 - 5 = 4' -> '4 + 5 = 9'."""
    _, sign, number = step.split()[:3]
    return solved(_result(step), "-" if sign == "+" else "+", int(number))


def _result(step: str) -> int:
    return int(step.split(" = ")[1])


def _gone_wrong(prompt: Prompt, slip: int) -> list[tuple[str, ...]]:
    """The steps with a wrong result at `slip` and what follows from it, in every way that is allowed."""
    for errors in (SLIPS, RARE_SLIPS):
        found = [_go_on(prompt.steps, slip, error) for error in errors]
        found = [steps for steps in found if _allowed(prompt, steps)]
        if found:
            return found
    raise ValueError(f"no allowed slip at step {slip} of {prompt.steps}")


def _allowed(prompt: Prompt, steps) -> bool:
    """No negative numbers, and for training requests no number pair of the test side."""
    pairs = [step.split()[:3] for step in steps]
    if any(_result(step) < 0 or int(pair[0]) < 0 for step, pair in zip(steps, pairs, strict=True)):
        return False
    return split_of(prompt) != "train" or all(side(operation(*p)) == "train" for p in pairs)


def _go_on(steps: tuple[str, ...], slip: int, error: int) -> tuple[str, ...]:
    """What is worked out where step `slip` is wrong by `error`."""
    wrong = f"{steps[slip].split(' = ')[0]} = {_result(steps[slip]) + error}"
    gone_on = [*steps[:slip], wrong]
    for step in steps[slip + 1 :]:
        _, sign, number = step.split()[:3]
        gone_on.append(solved(_result(gone_on[-1]), sign, int(number)))
    return tuple(gone_on)
