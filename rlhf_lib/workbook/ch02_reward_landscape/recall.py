"""Recall questions of chapter 02: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "What are the three steps of basic RLHF, in order?",
        (
            ("Fine-tune on instructions, fit a reward model, optimise the policy on it.",
             "The reward model starts from the fine-tuned policy, and the policy is optimised last."),
            ("Fit a reward model, fine-tune on instructions, then collect the comparisons.",
             "A reward model is made from comparisons, so they cannot come last."),
            ("Pre-train on documents, optimise with RL, then fine-tune on instructions.",
             "RL needs a policy that answers already; fine-tuning comes first."),
        ),
    ),
    Quiz(
        "In the objective E[r] − β · KL(π || π_ref), what happens if β is made very large?",
        (
            ("The policy stays where the reference is.",
             "Any gain in reward is then outweighed by the smallest KL."),
            ("The policy forgets the reference altogether.", "That is β = 0: KL costs nothing then."),
            ("The reward model becomes more accurate.",
             "β does not touch the reward model; it limits how far we rely on it."),
        ),
    ),
    Quiz(
        "Over whose answers is KL(π || π_ref) averaged?",
        (
            ("The trained policy's own.",
             "The first argument draws the samples: log π − log π_ref on what π says."),
            ("The reference policy's own.", "That would be KL(π_ref || π), the other direction."),
            ("Those that annotators chose.", "They only choose; the KL compares two policies."),
        ),
    ),
)  # fmt: skip
