"""Decide exercises: predict, train, measure, choose. What is judged is the reader's own measurement."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .predict import Prediction
from .verdict import NOT_YET, RIGHT, SOLUTION, WRONG, Verdict

UNDECIDED = "undecided"


@dataclass(frozen=True)
class Decide:
    """A choice between settings that only an experiment can make.

    options: {key: what the reader sees}. better: 'higher' or 'lower'. repeats: seeds that each option
    needs. what: the measured quantity with its unit. usual: what the workbook's own runs speak for (an
    option or 'undecided'). lesson: what to take home, said only where the reader's numbers agree with it.
    measure: (option, seed) -> the number, as the workbook measures it; None if only a chapter's experiment
    can say.
    """

    name: str
    title: str
    difficulty: int
    minutes: int
    question: str
    options: dict[str, str]
    better: str
    repeats: int
    what: str
    hints: tuple[str, ...]
    usual: str
    lesson: str
    measure: Callable[[str, int], float] | None = None
    prediction: Prediction = field(init=False, repr=False, compare=False)
    kind: str = "decide"

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ValueError(f"better must be 'higher' or 'lower'; got {self.better!r}")
        if self.usual not in (*self.options, UNDECIDED):
            raise ValueError(f"usual must be an option or {UNDECIDED!r}; got {self.usual!r}")
        object.__setattr__(self, "prediction", Prediction(self.question, self.options))

    @property
    def level(self) -> str:
        """The difficulty as a word."""
        return ("easy", "medium", "hard")[self.difficulty - 1]

    def measured(self) -> dict[str, list[float]]:
        """The workbook's own numbers: each option under each of `repeats` seeds.

        Raises:
            ValueError: the exercise has no measurement of its own.
        """
        if self.measure is None:
            raise ValueError(
                f"{self.name} has no measurement of its own: its chapter's experiment has"
            )
        return {
            key: [self.measure(key, seed) for seed in range(self.repeats)] for key in self.options
        }

    def ask(self) -> Prediction:
        """The question, before anything is trained."""
        return self.prediction

    def check(self, measured: Mapping[str, Sequence[float]], choice) -> Verdict:
        """Whether the measurement is whole and bears the choice. Never raises.

        measured: {option: a number for each seed}. choice: a key of options, or 'undecided'.
        """
        if choice is ... or not any(len(values) for values in measured.values()):
            return Verdict(
                NOT_YET, f"measure first, then choose: fill in {self.name}, run both cells"
            )
        problem = self._missing(measured) or self._poor_choice(measured, choice)
        if problem:
            return Verdict(WRONG, problem)
        told = f"{self._seen(measured)}. {self._guessed(measured)}{self._closing(choice)}"
        return Verdict(RIGHT, told)

    def check_solution(self, measured: Mapping[str, Sequence[float]], choice: str) -> Verdict:
        """That the workbook's own measurement bears its choice. It says nothing about the reader's.

        Raises:
            AssertionError: it does not.
        """
        self.check(measured, choice).assert_right()
        return Verdict(SOLUTION, f"{self._seen(measured)}. Yours is as you left it")

    def _missing(self, measured: Mapping[str, Sequence[float]]) -> str | None:
        for key in self.options:
            values = list(measured.get(key, ()))
            if len(values) < self.repeats:
                return f"{key!r} has {len(values)} of {self.repeats} numbers, one for each seed"
            if not all(math.isfinite(value) for value in values):
                return f"{key!r} holds a number that is not finite"
            if len(values) > 1 and len(set(values)) == 1:
                return f"all numbers of {key!r} are the same: did the seed reach the training?"
        return None

    def _ranked(self, measured: Mapping[str, Sequence[float]]) -> list[str]:
        """Options from the best mean to the worst."""
        sign = 1 if self.better == "lower" else -1
        return sorted(self.options, key=lambda key: sign * statistics.fmean(measured[key]))

    def clear(self, measured: Mapping[str, Sequence[float]]) -> bool:
        """Whether the best mean is more than two standard errors of the difference from the next."""
        best, second, *_ = (list(measured[key]) for key in self._ranked(measured))
        error = math.sqrt(sum(statistics.variance(v) / len(v) for v in (best, second)))
        return abs(statistics.fmean(best) - statistics.fmean(second)) > 2 * error

    def _poor_choice(self, measured: Mapping[str, Sequence[float]], choice) -> str | None:
        if choice not in (*self.options, UNDECIDED):
            return f"choose one of {', '.join(self.options)}, or {UNDECIDED!r}; got {choice!r}"
        best, clear = self._ranked(measured)[0], self.clear(measured)
        if not clear and choice != UNDECIDED:
            return (
                f"{self._seen(measured)}: the two best lie within two standard errors, so this does not "
                f"tell them apart. Take more seeds, or choose {UNDECIDED!r}"
            )
        if clear and choice != best:
            return (
                f"{self._seen(measured)}: your own numbers speak for {best!r}, by more than chance"
            )
        return None

    def _seen(self, measured: Mapping[str, Sequence[float]]) -> str:
        means = (f"{key}: {statistics.fmean(measured[key]):.3g}" for key in self.options)
        return f"{self.what}, mean over seeds: {', '.join(means)}"

    def _closing(self, choice: str) -> str:
        if choice == self.usual:
            return self.lesson
        return (
            f"Your numbers bear your choice. The workbook's own runs spoke for {self.usual!r}: what did you "
            "do otherwise?"
        )

    def _guessed(self, measured: Mapping[str, Sequence[float]]) -> str:
        if self.prediction.guess is None or not self.clear(measured):
            return ""
        right = self.prediction.guess == self._ranked(measured)[0]
        return "You had predicted it. " if right else "You had predicted otherwise. "

    def hint(self, number: int = 1) -> str:
        """Hint `number`, from 1; beyond the last one, the last."""
        return self.hints[min(max(number, 1), len(self.hints)) - 1]
