"""The four kinds of training example: what is shown, compared, judged alone, or judged step by step.

`prompt` is a `Prompt`, a text, or a list of messages. All are plain, frozen records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .prompts import Prompt

Request = Prompt | str | list


@dataclass(frozen=True)
class Demonstration:
    """A request and an answer to imitate; unpacks as (prompt, answer)."""

    prompt: Request
    answer: str

    def __iter__(self) -> Iterator:
        return iter((self.prompt, self.answer))


@dataclass(frozen=True)
class Preference:
    """One comparison. `likert` runs from 0 (a tie) to 3 (much better); `cost` is in dollars.

    chosen_score, rejected_score: the judge's marks, where the data have them.
    stated_margin: how much better the chosen answer is, where the data say so in a number.
    """

    prompt: Request
    chosen: str
    rejected: str
    tie: bool = False
    likert: int = 1
    cost: float = 0.0
    chosen_score: float | None = None
    rejected_score: float | None = None
    stated_margin: float | None = None

    @property
    def margin(self) -> float:
        """For the margin loss: as stated, else the difference of the scores, else the Likert score."""
        if self.stated_margin is not None:
            return float(self.stated_margin)
        if self.chosen_score is not None and self.rejected_score is not None:
            return float(self.chosen_score - self.rejected_score)
        return float(self.likert)


@dataclass(frozen=True)
class Unpaired:
    """An answer judged alone, thumb up or down (KTO); unpacks as (prompt, completion, desirable)."""

    prompt: Request
    completion: str
    desirable: bool

    def __iter__(self) -> Iterator:
        return iter((self.prompt, self.completion, self.desirable))


BAD, NEUTRAL, GOOD = 0, 1, 2


@dataclass(frozen=True)
class Stepwise:
    """An answer in steps with a label for each; unpacks as (prompt, steps, labels).

    labels: GOOD, BAD, or NEUTRAL for a step that is right in itself and goes on from a wrong one.

    Raises:
        ValueError: not one label for each step.
    """

    prompt: Request
    steps: tuple[str, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.labels):
            raise ValueError(
                f"labels must hold one label for each step; got {len(self.labels)} labels for "
                f"{len(self.steps)} steps"
            )

    def __iter__(self) -> Iterator:
        return iter((self.prompt, self.steps, self.labels))

    @property
    def answer(self) -> str:
        """The steps as one text, joined by spaces."""
        return " ".join(self.steps)

    @property
    def right(self) -> bool:
        """No step is bad."""
        return BAD not in self.labels
