"""Recall questions of chapter 12: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "Chapter 07's reward model was fitted to comparisons by a Bradley-Terry loss. What does that loss "
        "say about the level of the rewards of one prompt?",
        (
            ("Nothing: all may be shifted by a constant.",
             "Keep this in mind: it is why an intractable sum will cancel in this chapter."),
            ("That their mean over the answers is 0.", "A reward model is often shifted to that afterwards. The loss does not ask for it."),
            ("That the chosen answer's reward is positive.", "Only that it is the larger one of the two."),
        ),
    ),
    Quiz(
        "In chapter 08's exact world β is doubled. What becomes of π* and of its KL to the reference?",
        (
            ("It moves towards the reference, and the KL falls.",
             "π* is the reference times exp(r / β): a larger β flattens the tilt."),
            ("It moves away from the reference, and the KL grows.", "That is what a smaller β does."),
            ("It stays where it is; only training becomes slower.", "β is part of the objective, so the optimum moves."),
        ),
    ),
    Quiz(
        "Chapter 11: what does a policy gradient need from its policy that fine-tuning on a file does not?",
        (
            ("Fresh answers of its own, and their rewards.",
             "The gradient is a mean over the policy's own answers: on-policy data."),
            ("A reference model that never moves along.", "The KL penalty needs one; the policy gradient itself does not."),
            ("Right answers, which it can then imitate.", "It never sees one. It only hears how good its own were."),
        ),
    ),
)  # fmt: skip
