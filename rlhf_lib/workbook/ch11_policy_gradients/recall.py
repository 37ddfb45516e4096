"""Recall questions of chapter 11: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A reward model gives 3.2 to an answer. What does the number mean by itself?",
        (
            ("Nothing: only differences between answers to the same prompt have a meaning.",
             "Bradley-Terry fixes rewards up to a constant."),
            ("The answer is right with probability 0.96.",
             "sigmoid(3.2) would be the chance to beat an answer of reward 0, not to be right."),
            ("It is above average.",
             "Only if rewards were standardised; the loss alone does not do that."),
        ),
    ),
    Quiz(
        "Held-out accuracy of a reward model is 0.72 and does not rise with more data. Which limit "
        "should you think of first?",
        (
            ("The noise of the labels: not even the true utility could predict them better.",
             "If annotators flip a coin on close pairs, no model can know how it falls."),
            ("A learning rate that is too low.",
             "Possible, but then the training accuracy would be low and still rising."),
            ("KL.", "There is no KL in reward-model training."),
        ),
    ),
    Quiz(
        "What is the difference between an outcome and a process reward model?",
        (
            ("The first is told only whether the final answer was right, the second about each step.",
             "So the second needs labels for steps, which are dear unless a rule can check them."),
            ("The first is trained on humans, the second on programs.",
             "Labels of either may come from either."),
            ("The first scores the last token only, the second every token.",
             "An outcome model is usually trained at every token, with the same label."),
        ),
    ),
)  # fmt: skip
