"""An exercise as the cells of its chapter: all that stands in the library is written from there."""

from __future__ import annotations

import ast

from .exercise import Exercise

NAMES = ("Hint 1: a nudge", "Hint 2: the idea", "Hint 3: nearly all of it")


def heading(exercise: Exercise, number: int) -> str:
    """'### Exercise 2: GAE [ADV-4] (hard, 20 minutes)'."""
    return f"### Exercise {number}: {exercise.title} ({exercise.level}, {exercise.minutes} minutes)"


def stub(exercise: Exercise, solution: str) -> str:
    """The function to be written, with the arguments of the solution's source."""
    plan = "".join(f"    # {line}\n" for line in exercise.plan)
    return f"def {exercise.name}({arguments_of(solution, solution_name(exercise))}):\n{plan}    ..."


def check(exercise: Exercise, imports: bool) -> str:
    """The cell that checks the reader's function; the first one of a chapter imports `exercise`."""
    start = "from rlhf_lib.exercises import exercise\n\n" if imports else ""
    return f'{start}exercise("{exercise.name}").check({exercise.name})'


def hints(exercise: Exercise) -> str:
    """A fold for each hint, so that they open one at a time, with or without a kernel."""
    folds = (
        f"<details><summary>{name}</summary>\n\n{text}\n\n</details>"
        for name, text in zip(NAMES, exercise.hints, strict=True)
    )
    return "\n\n".join(folds)


def solution(exercise: Exercise, source: str) -> str:
    """The solution, under its own name, and the line that proves it."""
    name = solution_name(exercise)
    return f'{source.strip()}\n\n\nexercise("{exercise.name}").check_solution({name})'


def solution_name(exercise: Exercise) -> str:
    """'solution_gae' for 'my_gae': a solution never takes the name of the reader's function."""
    return f"solution_{exercise.name.removeprefix('my_')}"


def arguments_of(source: str, name: str) -> str:
    """The arguments of a function in a source text, as they are written there.

    Raises:
        ValueError: the text has no function of this name.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.unparse(node.args)
    raise ValueError(f"the solution's cell must define {name}(...)")
