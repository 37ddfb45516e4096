"""Recall questions of chapter 08: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A reward model of 70% held-out accuracy is used as the reward of RL. What should worry you?",
        (
            ("The policy will look for the answers that it overrates.",
             "An average over written answers says little about the answers that a policy will find."),
            ("Of the policy's answers, 30% will turn out to be bad ones.",
             "Accuracy is about comparisons, and the policy chooses which answers it gives."),
            ("Nothing at all, so long as the reward goes on rising.",
             "It rises because it is optimised; that is no evidence about the answers."),
        ),
    ),
    Quiz(
        "On the map of chapter 02 the walker had a tube around the baseline's path. What is the tube?",
        (
            ("A bound on the KL to the baseline's path.",
             "The comparisons came from there."),
            ("The reward that is paid for staying on the path.",
             "The path has no reward of its own; leaving it costs."),
            ("The clip of PPO, drawn around each step.",
             "The clip bounds one batch's step, not the distance from the baseline."),
        ),
    ),
    Quiz(
        "The margin of the reward model's loss [RM-2] makes it",
        (
            ("ask for a larger gap where annotators saw a larger difference.",
             "The push on a pair goes on until the gap has passed the margin."),
            ("ignore those pairs whose two rewards lie close together.",
             "Those are pushed most."),
            ("hold the policy near the reference from which training started out.",
             "It is about rewards; no policy stands in that loss."),
        ),
    ),
)  # fmt: skip
