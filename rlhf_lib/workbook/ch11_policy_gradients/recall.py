"""Recall questions of chapter 11: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A reward model gives 3.2 to an answer. What does the number mean by itself?",
        (
            ("Nothing: only differences between answers count.",
             "Bradley-Terry fixes rewards up to a constant."),
            ("That the answer is right, with a probability of 0.96.",
             "sigmoid(3.2) would be the chance to beat an answer of reward 0, not to be right."),
            ("That the answer is above the average of all answers.",
             "Only if rewards were standardised; the loss alone does not do that."),
        ),
    ),
    Quiz(
        "Held-out accuracy of a reward model is 0.72 and does not rise with more data. Which limit "
        "should you think of first?",
        (
            ("The noise of the labels themselves.",
             "If annotators flip a coin on close pairs, no model can know how it falls."),
            ("A learning rate that is too low.",
             "Possible, but then the training accuracy would be low and still rising."),
            ("The KL between the two models.", "There is no KL in reward-model training."),
        ),
    ),
    Quiz(
        "What is the difference between an outcome and a process reward model?",
        (
            ("The first hears about the final answer, the second about each step.",
             "So the second needs labels for steps, which are costly unless a rule can check them."),
            ("The first is trained on what people say, the second on what programs say.",
             "Labels of either may come from either."),
            ("The first scores the last token alone, the second every single token.",
             "An outcome model is usually trained at every token, with the same label."),
        ),
    ),
)  # fmt: skip
