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
            ("Nothing: for a reward only the order counts.",
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
        "A policy always gives the answer that its reference likes best, which the reference gives with probability "
        "1/4. What is KL(policy || reference)?",
        (
            ("log 4, about 1.39 nats, whatever the rest.",
             "All of the policy's weight sits on one answer, whose log-ratio is log(1 / 0.25)."),
            ("0, as it is the reference's own favourite.",
             "The reference also says other things, three times in four. Never saying them is a change."),
            ("Infinite, as other answers are impossible.",
             "That is KL(reference || policy), the other direction."),
        ),
    ),
)  # fmt: skip
