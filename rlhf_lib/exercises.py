"""Exercises, the clinic and recall questions, by name. They live in `workbook`, a folder a chapter.

`exercise("my_gae").check(my_gae)` says what is right or wrong. `clinic("k3_reversed")` is a case of the
silent-bug clinic. `recall("07_reward_modeling")` asks three questions.
"""

from .workbook.contents import all_bugs, clinic, clinic_of, exercise, exercises, in_chapters, recall
from .workbook.kit.bug import SOLVED_CASE, Bug
from .workbook.kit.exercise import (
    NOT_YET,
    RIGHT,
    SOLUTION,
    WRONG,
    Exercise,
    Verdict,
    show_hints,
)
from .workbook.kit.predict import Prediction, predict
from .workbook.kit.quiz import Quiz

BY_CHAPTER = exercises()
RECALL = in_chapters("recall", "RECALL")
ALL = tuple(one for group in BY_CHAPTER.values() for one in group)

__all__ = [
    "ALL",
    "BY_CHAPTER",
    "Bug",
    "Exercise",
    "NOT_YET",
    "Prediction",
    "Quiz",
    "RECALL",
    "RIGHT",
    "SOLUTION",
    "SOLVED_CASE",
    "Verdict",
    "WRONG",
    "all_bugs",
    "clinic",
    "clinic_of",
    "exercise",
    "predict",
    "recall",
    "show_hints",
]
