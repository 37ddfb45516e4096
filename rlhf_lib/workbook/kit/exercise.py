"""What an exercise is: a reference, known mistakes with their names, cases, hints, and a verdict."""

from __future__ import annotations

import copy
import html
import math
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

NOT_YET, RIGHT, WRONG = "not attempted yet", "right", "wrong"


@dataclass(frozen=True)
class Verdict:
    """What a check found. Shows itself in colour in a notebook and as one line of text elsewhere."""

    status: str
    message: str

    def assert_right(self) -> Verdict:
        """Return the verdict if it is 'right'.

        Raises:
            AssertionError: it is not; the message is the verdict's.
        """
        if self.status != RIGHT:
            raise AssertionError(f"{self.status}: {self.message}")
        return self

    def __repr__(self) -> str:
        return (
            f"{ {NOT_YET: '…', RIGHT: '✓', WRONG: '✗'}[self.status] } {self.status}: {self.message}"
        )

    def _repr_html_(self) -> str:
        colour = {NOT_YET: "#767676", RIGHT: "#009E73", WRONG: "#D55E00"}[self.status]
        return (
            f'<div style="border-left:4px solid {colour};padding:.3em .8em">'
            f'<b style="color:{colour}">{self.status}</b> · {html.escape(self.message)}</div>'
        )


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    reference: the right function. mistakes: (wrong function, sentence that names the mistake).
    cases: makes the argument tuples of the check, seeded. hints: from a nudge to nearly all.
    """

    name: str
    title: str
    difficulty: int
    minutes: int
    reference: Callable
    cases: Callable[[], list[tuple]]
    mistakes: tuple[tuple[Callable, str], ...]
    hints: tuple[str, ...]
    tolerance: float = 1e-5

    def check(self, answer: Callable) -> Verdict:
        """Try `answer` on every case and say what is right or wrong with it. Never raises."""
        results = []
        for number, case in enumerate(self.cases(), start=1):
            arguments = copy.deepcopy(case)
            try:
                result = answer(*arguments)
            except NotImplementedError:
                return Verdict(NOT_YET, f"write {self.name}(...) in the cell above, then run both")
            except Exception as error:  # whatever the learner's code raises is told, not thrown
                return Verdict(WRONG, _describe(error, number))
            if result is None or result is ...:
                return Verdict(NOT_YET, f"write {self.name}(...) in the cell above, then run both")
            if not same(arguments, case, 0.0):
                return Verdict(
                    WRONG, "your function changes its arguments in place: copy them first"
                )
            results.append(result)
        return self._judge(results)

    def _judge(self, results: list) -> Verdict:
        expected = [self.reference(*case) for case in self.cases()]
        if all(same(r, e, self.tolerance) for r, e in zip(results, expected, strict=True)):
            return Verdict(RIGHT, f"{self.title}: all {len(results)} cases agree")
        for wrong, sentence in self.mistakes:
            values = [wrong(*case) for case in self.cases()]
            if all(same(r, v, self.tolerance) for r, v in zip(results, values, strict=True)):
                return Verdict(WRONG, sentence)
        pairs = zip(results, expected, strict=True)
        number, (got, want) = next(
            (i, pair) for i, pair in enumerate(pairs, 1) if not same(*pair, self.tolerance)
        )
        return Verdict(WRONG, f"case {number}: {difference(got, want, self.tolerance)}")

    def hint(self, number: int = 1) -> str:
        """Hint `number`, from 1; beyond the last one, the last."""
        return self.hints[min(max(number, 1), len(self.hints)) - 1]


def same(got, want, tolerance: float) -> bool:
    """Equal in kind, shape and value. Nothing is broadcast, squared or rounded first."""
    if isinstance(want, torch.Tensor):
        return (
            isinstance(got, torch.Tensor)
            and got.shape == want.shape
            and torch.allclose(
                got.detach().double(), want.detach().double(), rtol=tolerance, atol=tolerance
            )
        )
    if isinstance(want, tuple | list):
        return (
            isinstance(got, tuple | list)
            and len(got) == len(want)
            and all(same(g, w, tolerance) for g, w in zip(got, want, strict=True))
        )
    got = plain(got)
    if not isinstance(got, int | float) or not isinstance(want, int | float):
        return type(got) is type(want) and got == want
    return math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance)


def plain(value):
    """A single number of torch or NumPy as one of Python; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def difference(got, want, tolerance: float = 1e-5) -> str:
    """One sentence on how an answer differs from what was expected, by more than `tolerance`."""
    if isinstance(want, torch.Tensor):
        if not isinstance(got, torch.Tensor):
            return f"expected a tensor, got {type(got).__name__}"
        if got.shape != want.shape:
            return f"expected shape {tuple(want.shape)}, got {tuple(got.shape)}"
        if not torch.isfinite(got).all():
            return "your result is not finite (NaN or infinity)"
        place = int((got.double() - want.double()).abs().flatten().argmax())
        return (
            f"the largest difference is at entry {place} (counted row by row): expected "
            f"{want.flatten()[place]:.4f}, got {got.flatten()[place]:.4f}"
        )
    if isinstance(want, tuple | list):
        if not isinstance(got, tuple | list) or len(got) != len(want):
            return f"expected {len(want)} values, got {got!r}"
        pairs = zip(got, want, strict=True)
        first = next(pair for pair in pairs if not same(*pair, tolerance))
        return difference(*first, tolerance)
    if isinstance(got, torch.Tensor) and got.numel() > 1:
        return f"expected one number, got a tensor of shape {tuple(got.shape)}"
    value = plain(got)
    if isinstance(value, float) and not math.isfinite(value):
        return "your result is not finite (NaN or infinity)"
    return (
        f"expected {want:.4f}, got {value!r}"
        if isinstance(want, float)
        else f"expected {want}, got {value!r}"
    )


def _describe(error: Exception, number: int) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = frames[-1] if len(frames) > 1 else None
    line = f" (line {place.lineno}: `{place.line}`)" if place and place.line else ""
    return f"case {number}: your function raised {type(error).__name__}: {error}{line}"


def show_hints(exercise: Exercise) -> str:
    """All hints as text, for the `hint` cells of chapters."""
    return "\n".join(f"hint {i}: {text}" for i, text in enumerate(exercise.hints, start=1))


def find_exercise(name: str, exercises: Sequence[Exercise]) -> Exercise:
    """The exercise of this name.

    Raises:
        ValueError: there is none; the message lists the names.
    """
    for exercise in exercises:
        if exercise.name == name:
            return exercise
    raise ValueError(f"no exercise {name!r}; there are {', '.join(e.name for e in exercises)}")
