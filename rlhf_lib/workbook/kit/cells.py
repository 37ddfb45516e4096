"""An exercise as the cells of its chapter: all that stands in the library is written from there."""

from __future__ import annotations

import ast

from .decide import Decide
from .exercise import Exercise

NAMES = ("Hint 1: a nudge", "Hint 2: the idea", "Hint 3: nearly all of it")


def heading(exercise: Exercise | Decide, number: int) -> str:
    """'### Exercise 2: GAE [ADV-4] (hard, 20 minutes)'."""
    return f"### Exercise {number}: {exercise.title} ({exercise.level}, {exercise.minutes} minutes)"


def stub(exercise: Exercise | Decide, solution: str) -> str:
    """The function to be written, with the arguments of the solution's source; of a `Decide`, what to fill in."""
    if isinstance(exercise, Decide):
        empty = ", ".join(f'"{key}": []' for key in exercise.options)
        note = f"{exercise.what}, a number for each of {exercise.repeats} seeds"
        return f"{exercise.name} = {{{empty}}}  # {note}\n{exercise.name}_choice = ..."
    plan = "".join(f"    # {line}\n" for line in exercise.plan)
    return f"def {exercise.name}({arguments_of(solution, solution_name(exercise))}):\n{plan}    ..."


def check(exercise: Exercise | Decide, imports: bool) -> str:
    """The cell that checks the reader's function; the first one of a chapter imports `exercise`."""
    start = "from rlhf_lib.exercises import exercise\n\n" if imports else ""
    return f'{start}exercise("{exercise.name}").check({shown(exercise, exercise.name)})'


def ask(exercise: Decide, imports: bool) -> str:
    """The cell that asks for a prediction."""
    start = "from rlhf_lib.exercises import exercise\n\n" if imports else ""
    return f'{start}exercise("{exercise.name}").ask()'


def shown(exercise: Exercise | Decide, name: str) -> str:
    """What a check is given: a function, or a measurement and a choice."""
    return f"{name}, {name}_choice" if isinstance(exercise, Decide) else name


def hints(exercise: Exercise | Decide) -> str:
    """A fold for each hint, so that they open one at a time, with or without a kernel."""
    folds = (
        f"<details><summary>{name}</summary>\n\n{text}\n\n</details>"
        for name, text in zip(NAMES, exercise.hints, strict=True)
    )
    return "\n\n".join(folds)


def solution(exercise: Exercise | Decide, source: str) -> str:
    """The solution, under its own name, and the line that proves it."""
    name = solution_name(exercise)
    gap = "\n\n" if isinstance(exercise, Decide) else "\n\n\n"
    return (
        f'{source.strip()}{gap}exercise("{exercise.name}").check_solution({shown(exercise, name)})'
    )


def solution_name(exercise: Exercise | Decide) -> str:
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
