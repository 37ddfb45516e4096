"""What an exercise is: a reference, known mistakes with their names, cases, hints, and a verdict."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .attempt import LIMIT, EndlessLoop, limited, prints, told, untouched, wrong_arguments
from .compare import constant_factor, difference, negated, plain, same
from .verdict import NOT_YET, RIGHT, SOLUTION, WRONG, Failure, Verdict

__all__ = [
    "Exercise", "Failure", "NOT_YET", "RIGHT", "SOLUTION", "Verdict", "WRONG", "difference",
    "find_exercise", "plain", "same", "show_hints",
]  # fmt: skip

CUT_OFF = (
    "the value is right, but nothing would learn from it: no gradient comes back to `{}`. Look for "
    "`.detach()`, `.item()`, `float(...)`, `torch.tensor(...)` or `torch.no_grad()`"
)
BENT = (
    "the value is right, but its gradient in `{}` is not, so it would teach something else. Is a part of "
    "it cut off, by `.detach()` or `torch.no_grad()`?"
)


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    title, difficulty (1 to 3), minutes and hints (three: a nudge, the idea, nearly all) are written here
    and nowhere else: the chapter's cells are made from them. reference: the right function. mistakes:
    (wrong function, sentence that names the mistake). cases: makes the argument tuples of the check,
    seeded. learns: arguments in which the gradient has to be right too. plan: lines of comment for the
    stub. seconds: of computing that one call may take.
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
    learns: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    seconds: float = LIMIT

    changes_arguments = False
    """Whether the function may change its arguments, as a training loop does."""

    @property
    def level(self) -> str:
        """The difficulty as a word."""
        return ("easy", "medium", "hard")[self.difficulty - 1]

    def check(self, answer: Callable) -> Verdict:
        """Try `answer` on every case and say what is right or wrong with it. Never raises."""
        if untouched(answer):
            return self._not_yet()
        problem = wrong_arguments(answer, self.reference)
        if problem:
            return Verdict(WRONG, problem)
        results = []
        for number, case in enumerate(self.cases(), start=1):
            result = self._attempt(answer, case, number)
            if isinstance(result, Verdict):
                return result
            results.append(result)
        verdict = self._judge(results)
        return (self._wrong_gradient(answer) or verdict) if verdict.status == RIGHT else verdict

    def _not_yet(self) -> Verdict:
        return Verdict(NOT_YET, f"write {self.name}(...) in the cell above, then run both")

    def run(self, function: Callable, case: tuple) -> tuple[object, tuple]:
        """What a function gives for a case, and the arguments as it left them."""
        arguments = copy.deepcopy(case)
        return limited(function, arguments, self.seconds), arguments

    def _attempt(self, answer: Callable, case: tuple, number: int):
        """The reader's result for one case, or the verdict on why there is none."""
        try:
            result, arguments = self.run(answer, case)
        except NotImplementedError:
            return self._not_yet()
        except (Exception, EndlessLoop) as error:  # told to the reader, not thrown
            seen = self.shown(case)
            return Verdict(WRONG, f"case {number}: {told(error, self.seconds)}", Failure(seen))
        if result is ...:
            return self._not_yet()
        if result is None:
            return Verdict(WRONG, _without_return(answer))
        if not self.changes_arguments and not same(arguments, case, 0.0):
            return Verdict(WRONG, "your function changes its arguments in place: copy them first")
        return result

    def _judge(self, results: list) -> Verdict:
        cases = self.cases()
        expected = self._results(self.reference)
        if self._alike(results, expected):
            return Verdict(RIGHT, f"{self.title}: all {len(results)} cases agree")
        sentence = self._known_mistake(results, expected)
        wrong = [
            (weight(case), number)
            for number, case in enumerate(cases)
            if not same(results[number], expected[number], self.tolerance)
        ]
        number = min(wrong)[1]
        got, want = results[number], expected[number]
        failure = Failure(self.shown(cases[number]), got, want)
        if sentence is None:
            sentence = f"case {number + 1}: {difference(got, want, self.tolerance)}"
        return Verdict(WRONG, sentence, failure)

    def _results(self, function: Callable) -> list:
        return [self.run(function, case)[0] for case in self.cases()]

    def _alike(self, first: list, second: list) -> bool:
        return all(same(a, b, self.tolerance) for a, b in zip(first, second, strict=True))

    def _known_mistake(self, results: list, expected: list) -> str | None:
        """The sentence of a mistake, or of a mistake with the wrong sign, that gives these results."""
        tried = [(self._results(wrong), sentence) for wrong, sentence in self.mistakes]
        for values, sentence in tried:
            if self._alike(results, values):
                return sentence
        for values, sentence in [(expected, ""), *tried]:
            turned = [negated(v) for v in values]
            if _all_there(turned) and self._alike(results, turned):
                return f"your sign is flipped. Besides, {sentence}" if sentence else SIGN
        return self._factor(results, expected)

    def _factor(self, results: list, expected: list) -> str | None:
        factor = constant_factor(results, expected, self.tolerance)
        if factor is None:
            return None
        return f"your result is {factor:.4g} times the right one in every case: a sum or a mean too many?"

    def _wrong_gradient(self, answer: Callable) -> Verdict | None:
        """The verdict on a right value whose gradient is wrong; None if the gradient is right."""
        for case in self.cases() if self.learns else ():
            try:
                yours = self._gradients(answer, case)
            except Exception as error:  # such as a change in place of what needs a gradient
                return Verdict(WRONG, f"asked for a gradient, {told(error, self.seconds)}")
            right = self._gradients(self.reference, case)
            if yours is None:
                return Verdict(WRONG, CUT_OFF.format("`, `".join(self.learns)))
            for name in self.learns:
                if not same(yours[name], right[name], self.tolerance):
                    none = right[name].abs().max() > 0 and yours[name].abs().max() == 0
                    message = (CUT_OFF if none else BENT).format(name)
                    failure = Failure(self.shown(case), yours[name], right[name], "gradient")
                    return Verdict(WRONG, message, failure)
        return None

    @torch.enable_grad()  # a chapter that only looks at a model may have switched gradients off
    def _gradients(self, function: Callable, case: tuple) -> dict[str, Tensor] | None:
        """{argument: gradient of the result's sum, each entry with another weight}; None if cut off."""
        arguments = self.arguments(copy.deepcopy(case))
        for name in self.learns:
            arguments[name] = arguments[name].requires_grad_()
        result = function(*arguments.values())
        parts = result if isinstance(result, tuple) else (result,)
        if not any(part.requires_grad for part in parts):
            return None
        total = sum((part * ramp(part)).sum() for part in parts)
        inputs = [arguments[name] for name in self.learns]
        found = torch.autograd.grad(total, inputs, allow_unused=True, materialize_grads=True)
        return dict(zip(self.learns, found, strict=True))

    def arguments(self, case: tuple) -> dict[str, object]:
        """The arguments of a case by their names."""
        return dict(zip(inspect.signature(self.reference).parameters, case, strict=True))

    def shown(self, case: tuple) -> dict[str, object]:
        """The arguments that a verdict shows."""
        return self.arguments(case)

    def check_solution(self, solution: Callable) -> Verdict:
        """That the workbook's own solution passes. It says nothing about the reader's function.

        Raises:
            AssertionError: it does not pass.
        """
        self.check(solution).assert_right()
        return Verdict(SOLUTION, f"passes the same check. Your {self.name} is as you left it")

    def use(self, answer: Callable) -> Callable:
        """The reader's function if it is right, else the workbook's; says which of them it is."""
        if self.check(answer).status == RIGHT:
            print(f"using your {self.name}")
            return answer
        print(f"{self.name} is not right yet: using the workbook's solution here")
        return self.reference

    def hint(self, number: int = 1) -> str:
        """Hint `number`, from 1; beyond the last one, the last."""
        return self.hints[min(max(number, 1), len(self.hints)) - 1]


SIGN = "your sign is flipped: every number has the right size and the wrong sign"


def _without_return(answer: Callable) -> str:
    if prints(answer):
        return "your function prints and returns nothing: write `return` where you write `print`"
    return "your function returns None: is there a `return` at its end?"


def _all_there(values: Sequence) -> bool:
    return all(value is not None for value in values)


def ramp(tensor: Tensor) -> Tensor:
    """1, 2, 3, ... in the tensor's shape: weights that no two entries share."""
    return torch.arange(1, tensor.numel() + 1).reshape(tensor.shape).to(tensor.dtype)


def weight(case: tuple) -> int:
    """How many numbers a case holds: the fewer, the easier to read."""
    return sum(getattr(part, "numel", lambda: 1)() for part in case)


def show_hints(exercise: Exercise) -> str:
    """All hints as text."""
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
