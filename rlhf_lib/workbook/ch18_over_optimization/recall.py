"""Recall questions of chapter 18: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "RLOO and Dr. GRPO differ by",
        (
            ("a factor G / (G − 1) in the advantages.",
             "Leaving oneself out of the mean stretches the difference by that factor."),
            ("the clip, which only one of them has.", "Both can be clipped or not."),
            ("the bias, which RLOO's baseline brings in.", "RLOO's baseline is independent of the completion: no bias."),
        ),
    ),
    Quiz(
        "The very first GRPO loss of a run prints as 0.000. What is wrong?",
        (
            ("Nothing: its value is 0 at ratio 1, its gradient is not.",
             "The loss is a device for a gradient, not a measure of progress."),
            ("The learning rate is 0, or next to nothing.", "The loss does not depend on it."),
            ("All rewards are equal, so there is nothing to learn from.",
             "They may be, but then the gradient is 0 too; the loss says nothing about it."),
        ),
    ),
    Quiz(
        "With mean-per-sequence aggregation, a wrong answer of 200 tokens and one of 20 have",
        (
            ("the same weight in all: a tenth as much per token for the long one.",
             "That is why long wrong answers can survive under it."),
            ("weights in proportion to their length, so ten to one for the long one.", "That is the mean over all tokens."),
            ("no weight at all, since only right answers count in this aggregation.", "Negative advantages count as well."),
        ),
    ),
)  # fmt: skip
