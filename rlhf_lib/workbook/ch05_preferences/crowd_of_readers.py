"""Many readers: a class whose tastes differ, their labels in one pool, and sessions in which a reader tires."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...world import Annotator, Bias, PocketWorld
from .crowds import HELD_OUT, written_answers
from .lab_desk import label_row
from .readers import scale_of
from .showings import Pair, plan
from .taste import Taste, taste_of

READERS, FIRST_KIND = 30, 18
"""Readers in the simulated class, and how many of them like it short."""


def simulated_class(world: PocketWorld, seed: int = 0) -> dict[str, Annotator]:
    """Thirty readers: eighteen like short answers, twelve like long ones and lists, each a little otherwise."""
    dice, found = random.Random(seed), {}
    for number in range(READERS):
        short = number < FIRST_KIND
        length = dice.gauss(-0.05 if short else 0.06, 0.015)
        taste = Bias(length=length, flattery=dice.gauss(-0.2, 0.2), format=0.0 if short else 0.5)
        name = f"{'short' if short else 'long'} {number + 1}"
        found[name] = world.annotator(bias=taste, temperature=0.2)
    return found


def class_labels(readers: dict[str, Annotator], pairs: Sequence[Pair], seed: int = 0) -> list[dict]:
    """The rows that a class leaves, each reader with an order and sides of their own."""
    rows = []
    for number, (name, reader) in enumerate(readers.items()):
        dice = random.Random(1000 * seed + number)
        for showing in plan(pairs, 0, seed=1000 * seed + number):
            scale = scale_of(reader, showing.pair.prompt, *showing.sides, dice)
            rows.append(label_row(showing, scale, name, 5.0))
    return rows


def tastes_by_reader(rows: Sequence[dict], world: PocketWorld) -> dict[str, Taste]:
    """Each reader's taste, from a pool of labels."""
    names = sorted({row["reader"] for row in rows})
    return {name: taste_of([row for row in rows if row["reader"] == name], world) for name in names}


def served(taste: Taste, reader: Annotator, world: PocketWorld, pairs: Sequence[Pair]) -> float:
    """How often a taste orders a reader's pairs as the reader would without dice."""
    prompts = [pair.prompt for pair in pairs]
    first, second = ([getattr(p, side) for p in pairs] for side in ("first", "second"))
    scores = taste.scores(world, prompts, first) - taste.scores(world, prompts, second)
    felt = [
        reader.perceived(p.prompt, p.first) - reader.perceived(p.prompt, p.second) for p in pairs
    ]
    same = [(float(s) > 0) == (f > 0) for s, f in zip(scores, felt, strict=True) if f != 0]
    return sum(same) / len(same)


BLOCK = 40
"""Labels in a block of a session."""


def tiring_session(
    labels: int = 240,
    noise: tuple[float, float] = (0.15, 0.9),
    left: tuple[float, float] = (0.0, 0.5),
    seed: int = 0,
) -> tuple[list[int], dict[str, list[float]]]:
    """A session in which dice and a liking for the left side grow; each pair is judged twice, sides swapped.

    noise, left: temperature and liking (gold points) at the first and the last label. Returns the labels given at
    each block's end, and by name the shares in it: agreement with themselves, and 'left' chosen.

    Raises:
        ValueError: labels is not a multiple of the block.
    """
    if labels % BLOCK or labels <= 0:
        raise ValueError(f"labels must be a multiple of {BLOCK}; got {labels}")
    gaps = session_gaps(labels, seed)
    along = torch.linspace(0, 1, labels, dtype=torch.float64)
    heat = noise[0] + (noise[1] - noise[0]) * along
    liking = left[0] + (left[1] - left[0]) * along
    dice = torch.Generator().manual_seed(seed)

    def presses_left(gap: Tensor) -> Tensor:
        return torch.rand(labels, generator=dice, dtype=torch.float64) < torch.sigmoid(
            (gap + liking) / heat
        )

    first, second = presses_left(gaps), presses_left(-gaps)
    same, leftish = (first != second).double(), (first.double() + second.double()) / 2
    blocks = {"agrees with themselves": same, "chose the left": leftish}
    ends = list(range(BLOCK, labels + 1, BLOCK))
    return ends, {n: v.view(-1, BLOCK).mean(1).tolist() for n, v in blocks.items()}


def session_gaps(count: int, seed: int) -> Tensor:
    """How much better a fair person finds the left of two answers (count,), in gold points."""
    written = written_answers(HELD_OUT, 70 + seed)
    fair = replace(PocketWorld().annotator(bias=Bias()))
    seen = written.seen_by(fair)[:count]
    return seen[:, 0] - seen[:, 1]
