"""Recall questions of chapter 10: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A reward model prefers A to B by 2 points, another one by 0.02. Both are right about the order. What "
        "is different?",
        (
            ("How sure they are that A wins: 0.88 and 0.505.",
             "Bradley-Terry turns the gap into a probability by the sigmoid."),
            ("Nothing, since only the order of two answers counts.",
             "For picking the better of two that is so; the loss and the KL-regularised optimum see the gap."),
            ("How well they were trained: the first one for longer.",
             "It may only be more confident, which without calibration is no merit."),
        ),
    ),
    Quiz(
        "In supervised fine-tuning the prompt's tokens are masked out of the loss. What would fine-tuning on "
        "selected answers do without that mask?",
        (
            ("Also teach to write requests, which nobody scored.",
             "The prompt is given; only the completion was scored and chosen."),
            ("Nothing: the loss on the prompt's tokens is always 0.", "It is not: the model is not sure of the next word there."),
            ("Teach faster, since there are more tokens to learn from.",
             "There are more tokens, and they teach another task."),
        ),
    ),
    Quiz(
        "E[r] − β · KL(π || π_ref): which policy maximises it?",
        (
            ("The reference, tilted by exp(r / β) and normalised again.",
             "That is π*; every other policy lacks β · KL(π || π*)."),
            ("The one that always gives the answer of highest reward.",
             "That is the limit of β = 0, and its KL has a price as soon as β > 0."),
            ("The reference itself, since every other one pays a KL.", "That is the limit of a very large β."),
        ),
    ),
)  # fmt: skip
