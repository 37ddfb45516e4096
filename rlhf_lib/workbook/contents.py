"""What the chapters hold. A chapter is a folder `chNN_name`; it is found by its name and listed nowhere.

The folder may hold `exercises.py` (EXERCISES), `builds.py` (BUILDS) and `decides.py` (DECIDES), `clinic.py` (BUGS), `recall.py` (RECALL), `experiments.py`
(EXPERIMENTS), `figures.py`, and labs: `lab_*.py`.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from types import ModuleType

from .kit.bug import Bug
from .kit.build import Build
from .kit.decide import Decide
from .kit.exercise import Exercise, find_exercise
from .kit.quiz import Quiz

FOLDER = Path(__file__).resolve().parent


@functools.cache
def chapters() -> tuple[str, ...]:
    """Names of the chapters, such as '07_reward_modeling', by number."""
    return tuple(sorted(path.parent.name[2:] for path in FOLDER.glob("ch[0-9]*_*/__init__.py")))


def part(chapter: str, name: str) -> ModuleType | None:
    """A chapter's module of this name, such as 'exercises'; None if it has none."""
    if not (FOLDER / f"ch{chapter}" / f"{name}.py").exists():
        return None
    return importlib.import_module(f"{__package__}.ch{chapter}.{name}")


def in_chapters(name: str, listed: str) -> dict:
    """Chapter -> what its module `name` lists under `listed`; chapters without the module are left out."""
    found = {chapter: part(chapter, name) for chapter in chapters()}
    return {
        chapter: getattr(module, listed) for chapter, module in found.items() if module is not None
    }


@functools.cache
def exercises() -> dict[str, tuple[Exercise, ...]]:
    """Chapter -> its exercises, in the order in which they stand in it."""
    return in_chapters("exercises", "EXERCISES")


@functools.cache
def builds() -> dict[str, tuple[Build, ...]]:
    """Chapter -> its build exercises."""
    return in_chapters("builds", "BUILDS")


@functools.cache
def decides() -> dict[str, tuple[Decide, ...]]:
    """Chapter -> its decide exercises."""
    return in_chapters("decides", "DECIDES")


def exercise(name: str) -> Exercise | Decide:
    """The exercise of this name, of any kind. Raises ValueError, with the names there are, if there is none."""
    groups = [*exercises().values(), *builds().values(), *decides().values()]
    return find_exercise(name, [one for group in groups for one in group])


def all_bugs() -> tuple[Bug, ...]:
    """All cases of the clinic, in the order of their chapters."""
    return tuple(bug for group in in_chapters("clinic", "BUGS").values() for bug in group)


def clinic(name: str) -> Bug:
    """The case of this name.

    Raises:
        ValueError: there is none; the message lists the names.
    """
    for bug in all_bugs():
        if bug.name == name:
            return bug
    raise ValueError(f"no case {name!r}; there are {', '.join(b.name for b in all_bugs())}")


def clinic_of(chapter: str) -> tuple[Bug, ...]:
    """The cases of a chapter, such as '08' or '08_regularization'.

    Raises:
        ValueError: it has none.
    """
    found = tuple(bug for bug in all_bugs() if bug.chapter == chapter[:2])
    if not found:
        numbers = sorted({bug.chapter for bug in all_bugs()})
        raise ValueError(f"no cases for chapter {chapter!r}; there are for {', '.join(numbers)}")
    return found


def recall(chapter: str) -> tuple[Quiz, ...]:
    """The three recall questions of a chapter.

    Raises:
        ValueError: unknown chapter.
    """
    questions = in_chapters("recall", "RECALL")
    if chapter not in questions:
        raise ValueError(f"no questions for {chapter!r}; there are {', '.join(questions)}")
    return questions[chapter]


def lab_modules() -> list[ModuleType]:
    """The modules `lab_*` of all chapters. Widgets are loaded when a lab is built, not here."""
    paths = sorted(FOLDER.glob("ch[0-9]*_*/lab_*.py"))
    return [
        importlib.import_module(f"{__package__}.{path.parent.name}.{path.stem}") for path in paths
    ]
