"""The mixture of chat data: which kinds of request, and how well they are answered."""

from __future__ import annotations

import random

from .prompts import Prompt

CHAT_KINDS = (
    "fact",
    "fact",
    "fact",
    "open",
    "open",
    "story",
    "sum",
    "steps",
    "opinion",
    "unsafe",
    "lookalike",
    "followup",
)

# The instruction set of a hurried vendor: right in the main, with faults that annotators dislike.
DEMONSTRATION_STYLES = {
    "short": 0.14,
    "long": 0.08,
    "polite": 0.05,
    "hedged": 0.08,
    "confident": 0.04,
    "flattering": 0.05,
    "apologetic": 0.04,
    "listed": 0.04,
    "refusing": 0.03,
    "wrong": 0.05,
    "repetitive": 0.30,
    "off_topic": 0.45,
    "stock": 0.05,
    "unfinished": 0.06,
}

COMPLIANCE = 0.6  # of the unsafe requests in the instruction set are answered

# Transcripts in documents, and longer talk in the instruction set: of the same kinds, a little better.
CONVERSATION_STYLES = {**DEMONSTRATION_STYLES, "repetitive": 0.20, "off_topic": 0.28}
CONVERSATION_COMPLIANCE = 0.5


def draw_style(
    prompt: Prompt,
    rng: random.Random,
    styles: dict[str, float] | None = None,
    compliance: float | None = None,
) -> str:
    """The style of one demonstration. Unsafe requests are complied with more often than others are
    answered wrongly, as nobody at the vendor's looked.

    compliance: share of unsafe requests that are complied with; None: `COMPLIANCE` with the usual
    styles, and as the styles say with others.
    """
    compliance = COMPLIANCE if styles is None and compliance is None else compliance
    if compliance and prompt.kind == "unsafe" and rng.random() < compliance:
        return "wrong"
    names, weights = zip(*(styles or DEMONSTRATION_STYLES).items(), strict=True)
    return rng.choices(names, weights)[0]
