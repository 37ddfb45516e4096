"""What the pocket models read before they are assistants: documents of mixed quality."""

from __future__ import annotations

import random

from . import phrases
from .answers import core_sentences, write_answer
from .constitution import CONSTITUTION, SPECIFICATION
from .facts import ATTRIBUTES, fact_sentence, with_article
from .prompts import make_prompt, question
from .splits import asks, side
from .styles import CHAT_KINDS, DEMONSTRATION_STYLES

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
    pairs = [(rng.choice(list(facts)), rng.choice(ATTRIBUTES)) for _ in range(rng.randint(3, 7))]
    return " ".join(question(e, a) for e, a in pairs if side(asks(e, a)) == "train")


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


def _rules(facts, rng):
    """Principles and clauses, as on a notice board."""
    named = rng.sample((*CONSTITUTION, *SPECIFICATION), rng.randint(2, 4))
    return " ".join(f"{principle.name}: {principle.text}" for principle in named)


_WRITERS = (_encyclopedia, _notes, _quiz, _forum, _story, _sums, _exercises, _small_talk, _rules)
_WEIGHTS = (0.19, 0.12, 0.07, 0.19, 0.09, 0.11, 0.18, 0.04, 0.01)


def _text(lines: list[str]) -> str:
    return " ".join(line + "." for line in lines)
