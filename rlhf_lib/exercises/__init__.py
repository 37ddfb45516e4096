"""Exercises: checks that name mistakes, hints, recall questions.

`exercise("my_gae").check(my_gae)` says what is right or wrong; `.hint(1)` helps. `clinic("k3_reversed")` is a
case of the silent-bug clinic.
"""

from . import (
    definitions,
    direct_alignment,
    landscape,
    over_optimization,
    policy_gradients,
    regularization,
    rejection_sampling,
    reward_modeling,
    start,
)
from .clinic import Bug, all_bugs, clinic, clinic_of
from .framework import NOT_YET, RIGHT, WRONG, Exercise, Verdict, find_exercise, show_hints
from .quizzes import RECALL, Quiz, recall

BY_CHAPTER = {
    "00_start_here": start.EXERCISES,
    "02_reward_landscape": landscape.EXERCISES,
    "03_definitions": definitions.EXERCISES,
    "07_reward_modeling": reward_modeling.EXERCISES,
    "08_regularization": regularization.EXERCISES,
    "10_rejection_sampling": rejection_sampling.EXERCISES,
    "11_policy_gradients": policy_gradients.EXERCISES,
    "12_direct_alignment": direct_alignment.EXERCISES,
    "18_over_optimization": over_optimization.EXERCISES,
}
ALL = tuple(exercise for group in BY_CHAPTER.values() for exercise in group)


def exercise(name: str) -> Exercise:
    """The exercise of this name. Raises ValueError, with the names there are, if there is none."""
    return find_exercise(name, ALL)


__all__ = [
    "ALL",
    "BY_CHAPTER",
    "Bug",
    "Exercise",
    "NOT_YET",
    "Quiz",
    "RECALL",
    "RIGHT",
    "Verdict",
    "WRONG",
    "all_bugs",
    "clinic",
    "clinic_of",
    "exercise",
    "recall",
    "show_hints",
]
