"""Recall questions of chapter 10: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A reward model prefers A to B by 2 points, another one by 0.02. Both are right about the order. What "
        "is different?",
        (
            ("How sure they are: the chance that A wins is 0.88 for the first and 0.505 for the second.",
             "Bradley-Terry turns the gap into a probability by the sigmoid."),
            ("Nothing, since only the order of two answers counts.",
             "For picking the better of two that is so; the loss and the KL-regularised optimum see the gap."),
            ("The first one is better trained.",
             "It may only be more confident, which without calibration is no merit."),
        ),
    ),
    Quiz(
        "In supervised fine-tuning the prompt's tokens are masked out of the loss. What would fine-tuning on "
        "selected answers do without that mask?",
        (
            ("Also learn to write requests, for which nobody has given a reward.",
             "The prompt is given; only the completion was scored and chosen."),
            ("Nothing: the prompt's loss is 0.", "It is not: the model is not sure of the next word there."),
            ("Learn faster, since there are more tokens.",
             "There are more tokens, and they teach another task."),
        ),
    ),
    Quiz(
        "E[r] − β · KL(π || π_ref): which policy maximises it?",
        (
            ("The reference, with each answer's probability multiplied by exp(r / β) and divided by the sum.",
             "That is π*; every other policy lacks β · KL(π || π*)."),
            ("The one that always gives the answer of the highest reward.",
             "That is the limit of β = 0, and its KL has a price as soon as β > 0."),
            ("The reference itself.", "That is the limit of a very large β."),
        ),
    ),
)  # fmt: skip
