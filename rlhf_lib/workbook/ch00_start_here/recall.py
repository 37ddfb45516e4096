"""Recall questions of chapter 00: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "Why is a reward model trained on comparisons and not on marks out of ten?",
        (
            ("People agree more on which of two is better.",
             "Marks drift between people and days; 'which of these is better' is easier to say."),
            ("One comparison holds more information than one mark.",
             "One comparison is at most one bit; a mark could hold more, if it were reliable."),
            ("A language model cannot put out a number.",
             "A linear head outputs a number, and that is how the reward model works."),
        ),
    ),
    Quiz(
        "What does the KL penalty measure?",
        (
            ("How far the answers have drifted from the reference's.",
             "It is the expected log-ratio of the two, under the policy's own answers."),
            ("How wrong the reward model is about the answers it sees.",
             "It knows nothing about the reward; it only limits how far we trust it."),
            ("How many tokens the answers have, and how many they had.",
             "Long answers can add up more KL, but length alone costs nothing."),
        ),
    ),
    Quiz(
        "The proxy reward rises all through training. What does that tell you about the answers?",
        (
            ("The reward model likes them more, and that is all.",
             "It is what was optimised, so it must rise; whether they are better is another question."),
            ("They are getting better, by the measure of what people want.", "They may be getting better at pleasing the reward model."),
            ("The learning rate is too high for this loss.",
             "The proxy rises at any learning rate that works at all."),
        ),
    ),
)  # fmt: skip
