"""The silent-bug clinic: real bugs that raise no error, with their curves, a quiz, and proof by a test.

A bug stands between a right and a wrong implementation of one small function. The learner looks at
training curves of both (`curves`), says what is wrong (`quiz`), and writes a test that catches it
(`check`), which is what would have caught it when it was made.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

from ...training import History
from .attempt import LIMIT, EndlessLoop, limited, readers_line
from .exercise import NOT_YET, RIGHT, SOLUTION, WRONG, Verdict
from .quiz import Quiz

SOLVED_CASE = Verdict(
    SOLUTION,
    "catches the bug and lets two right implementations through. Your own test is as you left it",
)
QUESTION = "Which bug is it?"


@dataclass(frozen=True)
class Bug:
    """One case of the clinic.

    name, chapter ('08'), title: of the symptom, without giving it away. story: what was seen. function:
    signature and duty of the function that has the bug. source: where the bug was really made. lesson:
    what to take home. right, also_right, wrong: implementations of the function. example: makes arguments
    to call one with. run: trains with an implementation. watch: the metrics worth drawing. options: of the
    quiz, (text, reason), the right one first. hints: from a nudge to nearly all. proof: a test that
    catches the bug.
    """

    name: str
    chapter: str
    title: str
    story: str
    function: str
    source: str
    lesson: str
    right: Callable
    also_right: Callable
    wrong: Callable
    example: Callable[[], tuple]
    run: Callable[[Callable], History]
    watch: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    hints: tuple[str, ...]
    proof: Callable

    def curves(self) -> dict[str, History]:
        """The same training with the right and with the wrong implementation, in seconds."""
        return {"right": self.run(self.right), "wrong": self.run(self.wrong)}

    @property
    def quiz(self) -> Quiz:
        """'Which bug is it?', with shuffled options and a reason for each."""
        return Quiz(f"{self.title}: {QUESTION[0].lower()}{QUESTION[1:]}", self.options)

    def check(self, test: Callable[[Callable], None]) -> Verdict:
        """Whether `test(implementation)` catches the bug and passes two right implementations.

        The test has to raise AssertionError on the wrong one, and nothing on the others. Never raises.
        """
        for implementation in (self.right, self.also_right):
            outcome, said = _try(test, implementation)
            if outcome == "untouched":
                return Verdict(NOT_YET, "write the test: it gets a function, calls it, and asserts")
            if outcome == "error":
                return Verdict(WRONG, f"your test itself broke on right code: {said}")
            if outcome == "failed":
                return Verdict(WRONG, f"your test fails right code{said}")
        outcome, said = _try(test, self.wrong)
        if outcome == "passed":
            return Verdict(WRONG, "your test does not catch the bug: the wrong code passes it too")
        if outcome == "error":
            return Verdict(
                WRONG, f"on the wrong code your test broke ({said}): say with assert what must hold"
            )
        if outcome == "untouched":
            return Verdict(WRONG, "your test does not always call the function that it is given")
        return Verdict(RIGHT, f"caught, and two right implementations pass. {self.lesson}")

    def check_solution(self, test: Callable[[Callable], None]) -> Verdict:
        """That the workbook's own test catches the bug. It says nothing about the reader's.

        Raises:
            AssertionError: it does not.
        """
        self.check(test).assert_right()
        return SOLVED_CASE

    def hint(self, number: int = 1) -> str:
        """Hint `number`, from 1; beyond the last one, the last."""
        return self.hints[min(max(number, 1), len(self.hints)) - 1]

    def __repr__(self) -> str:
        return f"{self.title}\n  {self.story}\n  The function: {self.function}"

    def _repr_html_(self) -> str:
        title, story, function = map(html.escape, (self.title, self.story, self.function))
        return (
            f'<div style="border-left:4px solid #767676;padding:.3em .8em"><b>{title}</b>'
            f"<p>{story}</p><p>The function: <code>{function}</code></p></div>"
        )


ATTEMPTS = 2
"""Times that a test is tried on each implementation: one that rolls dice should not pass by luck."""


def _try(test: Callable, implementation: Callable) -> tuple[str, str]:
    """('passed', 'failed', 'error' or 'untouched', what it said) of a learner's test."""
    calls = []

    def watched(*arguments, **named):
        calls.append(1)
        return implementation(*arguments, **named)

    for _ in range(ATTEMPTS):
        try:
            limited(test, (watched,))
        except AssertionError as error:
            return "failed", f": {error}" if str(error) else ""
        except NotImplementedError:
            return "untouched", ""
        except Exception as error:  # whatever the learner's code raises is told, not thrown
            return "error", f"{type(error).__name__}: {error}{readers_line(error)}"
        except EndlessLoop as error:
            return "error", f"stopped after {LIMIT:g} s of computing{readers_line(error)}"
    return ("passed" if calls else "untouched"), ""
