"""Recall questions of chapter 00: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "Why is a reward model trained on comparisons and not on marks out of ten?",
        (
            ("People agree more when they compare two answers than when they mark one.",
             "Marks drift between people and days; 'which of these is better' is easier to say."),
            ("Comparisons contain more information per label.",
             "One comparison is at most one bit; a mark could hold more, if it were reliable."),
            ("Because a language model cannot output a number.",
             "A linear head outputs a number, and that is how the reward model works."),
        ),
    ),
    Quiz(
        "What does the KL penalty measure?",
        (
            ("How far the policy's answers have drifted from the reference policy's.",
             "It is the expected log-ratio of the two, under the policy's own answers."),
            ("How wrong the reward model is.",
             "It knows nothing about the reward; it only limits how far we trust it."),
            ("How many tokens the answers have.",
             "Long answers can add up more KL, but length alone costs nothing."),
        ),
    ),
    Quiz(
        "The proxy reward rises all through training. What does that tell you about the answers?",
        (
            ("Only that the reward model likes them more; look at them, or measure something else.",
             "It is what was optimised, so it must rise; whether they are better is another question."),
            ("They are getting better.", "They may be getting better at pleasing the reward model."),
            ("The learning rate is too high.",
             "The proxy rises at any learning rate that works at all."),
        ),
    ),
)  # fmt: skip
