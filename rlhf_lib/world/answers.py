"""Ways of answering: from short and right to flattering, hedged, repeated, off-topic or unfinished.

Each way ("style") writes an answer to any request. The truth is in the facts, so each answer has a
known gold utility; none of these functions knows about it.
"""

from __future__ import annotations

import random

from . import phrases
from .facts import ATTRIBUTES, attribute_values, fact_sentence, with_article
from .prompts import Prompt

STYLES = (
    "short",
    "long",
    "polite",
    "hedged",
    "confident",
    "flattering",
    "apologetic",
    "listed",
    "refusing",
    "wrong",
    "repetitive",
    "off_topic",
    "stock",
    "unfinished",
)


def write_answer(facts: dict, prompt: Prompt, style: str, rng: random.Random) -> str:
    """Answer `prompt` in one of the `STYLES`.

    Raises:
        ValueError: unknown style.
    """
    if style not in STYLES:
        raise ValueError(f"style must be one of {', '.join(STYLES)}; got {style!r}")
    sentences = core_sentences(facts, prompt, rng, wrong=style == "wrong", long=style == "long")
    return _STYLE_RULES.get(style, _join)(sentences, facts, rng)


def core_sentences(facts, prompt, rng, wrong=False, long=False) -> list[str]:
    """The matter of an answer, as bare sentences; with `wrong`, one thing in it is false."""
    return _CORES[prompt.kind](facts, prompt, rng, wrong, long)


def true_value(facts: dict, entity: str, attribute: str, rng: random.Random, wrong: bool) -> str:
    """The attribute's value, or with `wrong` another animal's."""
    truth = facts[entity][attribute]
    if not wrong:
        return truth
    return rng.choice([v for v in attribute_values(facts)[attribute] if v != truth])


def _say(facts, entity, attribute, rng, wrong=False, subject=None):
    value = true_value(facts, entity, attribute, rng, wrong)
    return fact_sentence(subject or with_article(entity), attribute, value)


def _more_facts(facts, prompt, rng, count):
    others = rng.sample([a for a in ATTRIBUTES if a != prompt.attribute], count)
    return [_say(facts, prompt.entity, a, rng, subject="it") for a in others]


def _fact(facts, prompt, rng, wrong, long):
    asked = [_say(facts, prompt.entity, prompt.attribute, rng, wrong)]
    return asked + (_more_facts(facts, prompt, rng, rng.randint(1, 3)) if long else [])


def _open(facts, prompt, rng, wrong, long):
    attributes = rng.sample(ATTRIBUTES, 5 if long else rng.choice((2, 3)))
    subjects = [with_article(prompt.entity)] + ["it"] * (len(attributes) - 1)
    slip = rng.randrange(len(attributes)) if wrong else -1
    return [
        _say(facts, prompt.entity, a, rng, i == slip, subject)
        for i, (a, subject) in enumerate(zip(attributes, subjects, strict=True))
    ]


def _opinion(facts, prompt, rng, wrong, long):
    agree = prompt.claim_is_true != wrong
    value = prompt.claim if wrong else facts[prompt.entity][prompt.attribute]
    if wrong and prompt.claim_is_true:
        value = true_value(facts, prompt.entity, prompt.attribute, rng, True)
    said = fact_sentence(with_article(prompt.entity), prompt.attribute, value)
    more = _more_facts(facts, prompt, rng, 1) if long else []
    return ["yes" if agree else "no", said, *more]


def _story(facts, prompt, rng, wrong, long):
    own = facts[prompt.entity]
    other = rng.choice([a for a in facts if a != prompt.entity])
    slots = dict(
        a=with_article(prompt.entity),
        other=with_article(other),
        home=own["home"],
        food=own["food"],
        place=facts[other]["home"],
        sound=own["sound"],
    )
    events = rng.sample(phrases.STORY_EVENTS, 5 if long else rng.choice((1, 2, 3)))
    ending = [] if wrong else [rng.choice(phrases.STORY_ENDINGS)]
    plot = [rng.choice(phrases.STORY_OPENINGS), *events, *ending]
    return [sentence.format(**slots) for sentence in plot]


def _sum(facts, prompt, rng, wrong, long):
    steps = list(prompt.steps)
    if wrong:
        steps[-1] = spoil(steps[-1], rng)
    result = steps[-1].split(" = ")[1]
    return [*steps, f"so the answer is {result}"] if long or len(steps) > 1 else steps


def spoil(step: str, rng: random.Random) -> str:
    """'3 + 4 = 7' -> '3 + 4 = 8'."""
    left, result = step.split(" = ")
    wrong = max(0, int(result) + rng.choice((-2, -1, 1, 2, 10)))
    return f"{left} = {wrong if wrong != int(result) else wrong + 1}"


def _unsafe(facts, prompt, rng, wrong, long):
    if not wrong:
        return [rng.choice(phrases.REFUSAL), rng.choice(phrases.REASON)][: 2 if long else 1]
    return [_with_own(facts, prompt, s) for s in rng.sample(phrases.HARM_STEPS, 2)]


def _lookalike(facts, prompt, rng, wrong, long):
    if wrong:
        return [rng.choice(phrases.REFUSAL)]
    tips = rng.sample(phrases.TIPS, 3 if long else rng.choice((1, 2)))
    return [_with_own(facts, prompt, tip) for tip in tips]


def _with_own(facts, prompt, template):
    return template.format(**facts[prompt.entity])


def _tool(facts, prompt, rng, wrong, long):
    call = prompt.result
    if wrong:
        name = "lookup" if call.startswith("calculator") else "calculator"
        call = name + call[call.index("(") :]
    return [f"call {call}"]


def _tool_result(facts, prompt, rng, wrong, long):
    core = _sum if prompt.steps else _fact
    return core(facts, prompt, rng, wrong, long)


def _critique(facts, prompt, rng, wrong, long):
    verdict, principle = prompt.result.split()
    if wrong:
        verdict = "keeps" if verdict == "breaks" else "breaks"
    return [f"it {verdict} {principle}"]


_CORES = {
    "fact": _fact,
    "followup": _fact,
    "open": _open,
    "opinion": _opinion,
    "story": _story,
    "sum": _sum,
    "steps": _sum,
    "unsafe": _unsafe,
    "lookalike": _lookalike,
    "tool": _tool,
    "tool_result": _tool_result,
    "product": _sum,
    "critique": _critique,
}


def _join(sentences, facts=None, rng=None, mark="."):
    return " ".join(s + mark for s in sentences)


def _polite(sentences, facts, rng):
    return _join([*sentences, *rng.sample(phrases.POLITE, rng.choice((1, 1, 2)))])


def _hedged(sentences, facts, rng):
    prefix = rng.choice(phrases.HEDGE_PREFIXES)
    return _join([f"{prefix} {sentences[0]}", *sentences[1:], rng.choice(phrases.DOUBT)])


def _confident(sentences, facts, rng):
    return _join(
        [f"{rng.choice(phrases.CONFIDENT_PREFIXES)} {sentences[0]}", *sentences[1:]], mark="!"
    )


def _flattering(sentences, facts, rng):
    praise = rng.sample(phrases.FLATTERY, rng.choice((1, 1, 2)))
    return _join(praise, mark="!") + " " + _join(sentences)


def _apologetic(sentences, facts, rng):
    return _join([*rng.sample(phrases.APOLOGY, rng.choice((1, 2))), *sentences])


def _listed(sentences, facts, rng):
    return "\n".join(f"- {s}." for s in sentences)


def _refusing(sentences, facts, rng):
    return _join([rng.choice(phrases.REFUSAL)])


def _repetitive(sentences, facts, rng):
    return _join([s for s in sentences for _ in range(rng.choice((2, 2, 3)))])


def _off_topic(sentences, facts, rng):
    other = rng.choice(list(facts))
    strays = [_say(facts, other, a, rng) for a in rng.sample(ATTRIBUTES, 2)]
    strays[1] = rng.choice((strays[1], *phrases.OFF_TOPIC))
    return _join(rng.choice((strays, [*sentences, *strays], [strays[0], *sentences])))


def _stock(sentences, facts, rng):
    return _join([rng.choice(phrases.STOCK), *sentences])


def _unfinished(sentences, facts, rng):
    words = _join(sentences).split()
    return " ".join(words[: max(1, len(words) - rng.randint(1, 3))]).rstrip(".")


_STYLE_RULES = {
    "polite": _polite,
    "hedged": _hedged,
    "confident": _confident,
    "flattering": _flattering,
    "apologetic": _apologetic,
    "listed": _listed,
    "refusing": _refusing,
    "repetitive": _repetitive,
    "off_topic": _off_topic,
    "stock": _stock,
    "unfinished": _unfinished,
}
