"""Recall questions of chapter 03: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "The proxy reward of chapter 00 rose while the gold utility fell. Which of the two was the "
        "policy trained on?",
        (
            ("The proxy: the reward model's score.",
             "Gold only looked on. In practice nobody has it, so it could not be trained on."),
            ("The gold utility: what we really want.", "Then it would have risen; it is what we want and cannot have."),
            ("Both of them, added up in the loss.", "Nothing but the proxy went into the loss (and the KL penalty, where there was one)."),
        ),
    ),
    Quiz(
        "On the map of chapter 02, what is the difference between the altitude of a place and its summit "
        "potential?",
        (
            ("Altitude is paid on arrival; the potential is what the walk collects from there.",
             "Reward and value: the second looks ahead, and depends on who walks."),
            ("Altitude is what has been climbed; the potential is the highest summit in sight.",
             "It is a mean over what this walker will do; the walker may never go to that summit."),
            ("None: they are two words for the same thing, in two chapters of the book.",
             "A flat plain before a peak has no altitude and a high potential."),
        ),
    ),
    Quiz(
        "In chapter 02 the walker without a tube climbed a summit that was not there. What had the reward model "
        "been shown?",
        (
            ("Comparisons of places near the baseline's path.",
             "Beyond them it went on as its last slope did, and no label said no."),
            ("Comparisons of places all over the whole map.", "Then it recovers the terrain, and there is no mirage."),
            ("Nothing at all: its weights were still random.", "Near the path it was right. That is what makes the mirage believable."),
        ),
    ),
)  # fmt: skip
