"""Recall questions of chapter 18: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "RLOO and Dr. GRPO differ by",
        (
            ("a factor G / (G - 1) in the advantages.",
             "Leaving oneself out of the mean stretches the difference by that factor."),
            ("the clip.", "Both can be clipped or not."),
            ("RLOO being biased.", "RLOO's baseline is independent of the completion: no bias."),
        ),
    ),
    Quiz(
        "The very first GRPO loss of a run prints as 0.000. What is wrong?",
        (
            ("Nothing: at ratio 1 the value is the mean advantage, 0; the gradient is not.",
             "The loss is a device for a gradient, not a measure of progress."),
            ("The learning rate is 0.", "The loss does not depend on it."),
            ("All rewards are equal.",
             "They may be, but then the gradient is 0 too; the loss says nothing about it."),
        ),
    ),
    Quiz(
        "With mean-per-sequence aggregation, a wrong answer of 200 tokens and one of 20 have",
        (
            ("the same total weight, so each token of the long one is punished a tenth as much.",
             "That is why long wrong answers can survive under it."),
            ("weights in proportion to their length.", "That is the mean over all tokens."),
            ("no weight: only right answers count.", "Negative advantages count as well."),
        ),
    ),
)  # fmt: skip
