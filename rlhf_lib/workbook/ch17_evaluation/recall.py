"""Recall questions of chapter 17: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A reward model is trained on comparisons by annotators who like flattery. What is its mean score a measure of?",
        (
            ("What those annotators like, flattery included.",
             "Bradley-Terry explains votes. What the votes reward for the wrong reason is in the reward too."),
            ("True quality, once there are enough pairs.",
             "More pairs shrink the noise. A liking that all annotators share stays."),
            ("Nothing, because rewards have no zero point.",
             "The zero is arbitrary, but differences of rewards do mean something."),
        ),
    ),
    Quiz(
        "You compare best-of-16 by a reward model with a single answer by the same reward model. Why is that no evidence?",
        (
            ("The judge that chose is the judge that scores.",
             "The best of 16 is best by that score by construction. Only another measure, such as gold, can tell."),
            ("Best-of-16 costs sixteen times as much to run.",
             "It does, and that should be said. But the score would mislead even if it were free."),
            ("Sixteen answers are too few for a fair estimate.",
             "With more answers the same circle closes even more tightly."),
        ),
    ),
    Quiz(
        "A policy's KL to its reference rises while gold falls. Which measurement on held-out requests could have warned you?",
        (
            ("A judge that had no part in the training.",
             "Its errors are not the ones that the policy learned to exploit, at least at first."),
            ("The proxy reward itself, but on new requests.",
             "The proxy rises there too: the policy generalises very well at pleasing it."),
            ("The loss of the reward model on its own pairs.",
             "Those pairs are answers of the old policy. The trouble lies where no pair ever was."),
        ),
    ),
)  # fmt: skip
