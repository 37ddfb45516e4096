"""Recall questions of chapter 09: on what came before. Every wrong option has a reason."""

from __future__ import annotations

from ..kit.quiz import Quiz

RECALL: tuple[Quiz, ...] = (
    Quiz(
        "At which position of a text are the logits that say how likely its token number 7 is?",
        (
            ("At position 6, the place just before it.",
             "Logits at a position are about the token that comes next."),
            ("At position 7, where the token itself is.",
             "There the model has read the token already; a loss made that way goes to 0 and teaches copying."),
            ("At position 8, the place right after it.",
             "Those are about token 9."),
        ),
    ),
    Quiz(
        "Two texts have log-probabilities −12 (four tokens) and −15 (ten tokens). Which one surprises the model "
        "more, token by token?",
        (
            ("The first: 3.0 nats a token against 1.5.",
             "The sum grows with every token; the mean per token can be compared."),
            ("The second: it has the lower log-probability.",
             "As a whole it is less likely, mostly because it is longer."),
            ("Neither: that needs the size of the vocabulary.",
             "The same vocabulary stands behind both numbers; it does not enter."),
        ),
    ),
    Quiz(
        "A model's perplexity on its own documents rises from 1.9 to 2.6 when it is fine-tuned on chats. What "
        "does that say?",
        (
            ("It has forgotten a part of how documents go on.",
             "Fine-tuning moved probability to what chats say, and took it from what documents say."),
            ("It answers worse than it did before fine-tuning.",
             "Perplexity belongs to a kind of text: nothing was measured on chats."),
            ("Its tokenizer fits the documents less than before.",
             "The tokenizer did not change."),
        ),
    ),
)  # fmt: skip
