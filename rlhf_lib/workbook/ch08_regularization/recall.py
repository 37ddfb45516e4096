"""Recall questions of chapter 08: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A reward model of 70% held-out accuracy is used as the reward of RL. What should worry you?",
        (
            ("Where it errs: the policy will look for just those answers that it overrates.",
             "An average over written answers says little about the answers that a policy will find."),
            ("That 30% of the policy's answers will be bad.",
             "Accuracy is about comparisons, and the policy chooses which answers it gives."),
            ("Nothing, if the reward rises.",
             "It rises because it is optimised; that is no evidence about the answers."),
        ),
    ),
    Quiz(
        "On the map of chapter 02 the walker had a tube around the baseline's path. What is the tube?",
        (
            ("A bound on the KL to the baseline: near the path the proxy's map is still right.",
             "The comparisons came from there."),
            ("The reward of staying on the path.",
             "The path has no reward of its own; leaving it costs."),
            ("The clip of PPO.",
             "The clip bounds one batch's step, not the distance from the baseline."),
        ),
    ),
    Quiz(
        "The margin of the reward model's loss [RM-2] makes it",
        (
            ("ask for a larger gap between the two rewards where annotators saw a larger difference.",
             "The push on a pair goes on until the gap has passed the margin."),
            ("ignore pairs whose gap is small.",
             "Those are pushed most."),
            ("hold the policy near the reference.",
             "It is about rewards; no policy stands in that loss."),
        ),
    ),
)  # fmt: skip
