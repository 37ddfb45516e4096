"""Simulated readers: they press the same keys at the same desk, so that a chapter runs through without a person."""

from __future__ import annotations

import math
import random
import tempfile
from pathlib import Path

from ...world import Annotator, Bias, PocketWorld, Prompt
from .lab_desk import Desk, sentence_of
from .labels import LabelError, LabelFile

READERS = {
    "brief": Bias(length=-0.04, flattery=-0.6, format=-0.1),
    "warm": Bias(length=0.03, flattery=0.9),
    "lists": Bias(length=0.02, flattery=-0.2, format=0.5),
}
"""Three tastes beside what is good: short and plain, long and flattering, lists."""

BOUNDS = (0.15, 0.5, 1.2)
"""Gold points of a felt difference: below the first a tie, then slightly, better, much better."""


def simulated_reader(world: PocketWorld, name: str = "brief", noise: float = 0.2) -> Annotator:
    """One of `READERS`. noise: the spread of what they feel at each look, in gold points.

    Raises:
        ValueError: unknown name.
    """
    if name not in READERS:
        raise ValueError(f"name must be one of {', '.join(READERS)}; got {name!r}")
    return world.annotator(bias=READERS[name], temperature=noise)


def scale_of(reader: Annotator, prompt: Prompt, left: str, right: str, dice: random.Random) -> int:
    """The key from 1 to 7 that a reader presses: the perceived difference plus logistic noise, in seven bins."""
    chance = min(max(dice.random(), 1e-9), 1 - 1e-9)
    felt = reader.perceived(prompt, right) - reader.perceived(prompt, left)
    felt += reader.temperature * math.log(chance / (1 - chance))
    degree = sum(abs(felt) > bound for bound in BOUNDS)
    return 4 + int(math.copysign(degree, felt))


def label_all(desk: Desk, reader: Annotator, seed: int = 0) -> Desk:
    """Press keys until the desk has nothing more to show, or cannot keep a label. Returns the desk."""
    dice = random.Random(seed)
    while (showing := desk.current) is not None:
        before = len(desk.waiting)
        scale = scale_of(reader, showing.pair.prompt, *showing.sides, dice)
        desk.press(str(scale))
        if len(desk.waiting) == before:
            break
    return desk


def labels_or_simulated(
    desk: Desk, reader: Annotator, least: int = 20, seed: int = 0
) -> tuple[list[dict], str]:
    """Your labels from a desk, if there are enough; else those that a simulated reader leaves at an equal desk.

    Returns the rows and whose they are. The simulated reader's file is in a temporary folder and is deleted.
    """
    try:
        rows = desk.rows()
    except LabelError as error:
        print(sentence_of(error))
        rows = []
    if len(rows) >= least:
        return rows, "you"
    with tempfile.TemporaryDirectory() as folder:
        file = LabelFile(Path(folder) / desk.file.path.name)
        other = Desk(desk.showings, file, "simulated", desk.title)
        return label_all(other, reader, seed).rows(), "a simulated reader"
