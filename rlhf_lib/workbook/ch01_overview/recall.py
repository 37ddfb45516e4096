"""Recall questions of chapter 01: on chapter 00. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "In chapter 00 the reward model's number was called the proxy. What does it stand in for?",
        (
            ("For annotators, who stand in for quality themselves.",
             "Two steps away from what we want: what the labels do not show, the proxy cannot know."),
            ("For the gold utility, which was used to train it.",
             "It was trained on comparisons by annotators. Gold only looked on."),
            ("For the language model, of which it is one copy.",
             "It began as a copy, but what it says is how well an answer will please."),
        ),
    ),
    Quiz(
        "Gold rose, turned and fell while the proxy went on rising. What had the policy found?",
        (
            ("Answers that please the reward model and nobody else.",
             "That is over-optimization: the proxy's errors pay better than quality does."),
            ("Answers that the annotators had liked best of all.",
             "Nobody had compared answers like these; that is why the proxy was wrong about them."),
            ("Answers of the base model, from before fine-tuning.",
             "It moved away from where it had started, to a place where no model had been."),
        ),
    ),
    Quiz(
        "A policy is 10 nats from pocket-sft. What does that say about one of its typical answers?",
        (
            ("It gives it 22,000 times as often as pocket-sft would.",
             "e to the 10th: the KL is the mean log-ratio of the two probabilities on its own answers."),
            ("It is ten tokens longer than one by pocket-sft would be.",
             "Nats measure probabilities, not lengths."),
            ("It is worth ten gold points less than one by pocket-sft.",
             "The KL says how far, not in which direction: better and worse are measured by gold."),
        ),
    ),
)  # fmt: skip
