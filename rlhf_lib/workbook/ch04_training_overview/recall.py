"""Recall questions of chapter 04: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "A walker is held to 0.3 nats a step from its baseline. What does that bound?",
        (
            ("Where its mean path can go, compared with the baseline's.",
             "A budget of KL is a length on the map; all of it together makes the tube."),
            ("Where each single walk can go, whatever the dice may do.",
             "Most of the baseline's own walks leave the tube: chance is not what is bounded."),
            ("How high it can climb, wherever its path may have to go.",
             "The budget knows nothing of altitude. Inside the tube it may climb as it likes."),
        ),
    ),
    Quiz(
        "What is the log-probability of an answer of twelve tokens?",
        (
            ("The sum over its tokens, each given all before it.",
             "A product of conditional probabilities is a sum of logarithms [DF-1]."),
            ("The mean over its tokens, each given all before it.",
             "That is the measure for comparing lengths; as a probability it is no longer one."),
            ("The sum over its tokens, each taken for itself alone.",
             "A token's probability depends on the prompt and on what was written before it."),
        ),
    ),
    Quiz(
        "You prefer one of two answers; a model is trained on many such choices. What does it give for an answer?",
        (
            ("A number that means something only beside another's.",
             "Only differences of rewards enter the probability of a preference."),
            ("The probability that people will call this answer good.",
             "It was never told what is good, only which of two is better."),
            ("The number of people who would prefer it to all others.",
             "It saw pairs, not votes; and its scale is arbitrary up to a constant."),
        ),
    ),
)  # fmt: skip
