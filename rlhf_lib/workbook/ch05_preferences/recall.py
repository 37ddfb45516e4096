"""Recall questions of chapter 05: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "The reference policy in RLHF is usually ...",
        (
            ("the SFT model, kept as it was.",
             "The policy starts as its copy, and the KL term measures how far it has gone."),
            ("the best policy of the last round.",
             "Some recipes move the reference on, but the usual one stays where it was."),
            ("the reward model without its head.", "A reward model gives a number, not a distribution over texts."),
        ),
    ),
    Quiz(
        "A reward of 2 for one answer and 1 for another. What does a policy gradient use?",
        (
            ("How far each lies above a baseline.",
             "The advantage: what is common to all answers says nothing about which to prefer."),
            ("Which of the two numbers is positive.", "A zero has no meaning in a reward that was learned from comparisons."),
            ("The probability that 2 beats 1.", "That is what a reward model is trained on, not what is done with it."),
        ),
    ),
    Quiz(
        "What is a mirage in the landscape of a learned reward?",
        (
            ("A hill in the proxy, a swamp in truth.",
             "Nobody had compared answers from there, so the model made it up."),
            ("A hill so far that KL forbids it.", "That hill may be real; the tube only keeps the walker from it."),
            ("A hill that all policies climb first.", "Order of climbing says nothing about whether it is real."),
        ),
    ),
)  # fmt: skip
