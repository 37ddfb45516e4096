"""What the pocket models read before they are assistants: documents of mixed quality."""

from __future__ import annotations

import random

from . import phrases
from .answers import core_sentences, write_answer
from .facts import ATTRIBUTES, fact_sentence, with_article
from .prompts import Prompt, make_prompt, question

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
    "repetitive": 0.20,
    "off_topic": 0.28,
    "stock": 0.05,
    "unfinished": 0.06,
}

COMPLIANCE = 0.5  # of the unsafe requests in the instruction set are answered


def draw_style(prompt: Prompt, rng: random.Random, styles: dict[str, float] | None = None) -> str:
    """The style of one demonstration. Unsafe requests are complied with more often than others are
    answered wrongly, as nobody at the vendor's looked.
    """
    if styles is None and prompt.kind == "unsafe" and rng.random() < COMPLIANCE:
        return "wrong"
    names, weights = zip(*(styles or DEMONSTRATION_STYLES).items(), strict=True)
    return rng.choices(names, weights)[0]


_FORUM_STYLES = tuple(DEMONSTRATION_STYLES)


def write_document(facts: dict, rng: random.Random) -> str:
    """One pre-training document."""
    writer = rng.choices(_WRITERS, _WEIGHTS)[0]
    return writer(facts, rng)


def _encyclopedia(facts, rng):
    entity = rng.choice(list(facts))
    subjects = [with_article(entity)] + [
        rng.choice(("it", with_article(entity))) for _ in ATTRIBUTES
    ]
    attributes = rng.sample(ATTRIBUTES, rng.randint(3, 5))
    lines = [
        fact_sentence(subject, attribute, facts[entity][attribute])
        for subject, attribute in zip(subjects, attributes, strict=False)
    ]
    return _text(lines)


def _notes(facts, rng):
    """Unordered facts about several animals."""
    pairs = [(rng.choice(list(facts)), rng.choice(ATTRIBUTES)) for _ in range(rng.randint(3, 6))]
    return _text([fact_sentence(with_article(e), a, facts[e][a]) for e, a in pairs])


def _quiz(facts, rng):
    """Questions without answers: why a base model answers a question with another one."""
    return " ".join(
        question(rng.choice(list(facts)), rng.choice(ATTRIBUTES)) for _ in range(rng.randint(2, 5))
    )


def _forum(facts, rng):
    """A request and an answer of any quality, without a chat template."""
    prompt = make_prompt(rng, facts, rng.choice(CHAT_KINDS), "train")
    return f"{prompt.text} {write_answer(facts, prompt, rng.choice(_FORUM_STYLES), rng)}"


def _story(facts, rng):
    prompt = make_prompt(rng, facts, "story", "train")
    return _text(core_sentences(facts, prompt, rng, long=rng.random() < 0.5))


def _sums(facts, rng):
    steps = []
    for _ in range(rng.randint(3, 7)):
        steps += make_prompt(rng, facts, rng.choice(("sum", "steps")), "train").steps
    return _text(steps)


def _exercises(facts, rng):
    """Sums with their questions and the right answers, as in a school book."""
    prompts = [make_prompt(rng, facts, rng.choice(("sum", "steps")), "train") for _ in range(3)]
    return " ".join(f"{p.text} {write_answer(facts, p, 'short', rng)}" for p in prompts)


def _small_talk(facts, rng):
    pool = [text for texts in phrases.FIXED.values() for text in texts]
    return _text(rng.sample(pool, rng.randint(2, 4)))


_WRITERS = (_encyclopedia, _notes, _quiz, _forum, _story, _sums, _exercises, _small_talk)
_WEIGHTS = (0.2, 0.12, 0.08, 0.2, 0.1, 0.1, 0.15, 0.05)


def _text(lines: list[str]) -> str:
    return " ".join(line + "." for line in lines)
