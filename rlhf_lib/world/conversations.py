"""Longer talk: system prompts, several turns, tools, critiques and revisions, checked sums.

Each maker gives a `Demonstration`. The chat data hold a share of them, and documents the same as transcripts.
"""

from __future__ import annotations

import random
from dataclasses import replace

from .answers import write_answer
from .constitution import CONSTITUTION, SPECIFICATION, Principle
from .parsing import Grammar
from .prompts import Prompt, make_prompt, user
from .records import Demonstration
from .styles import CHAT_KINDS, CONVERSATION_COMPLIANCE, CONVERSATION_STYLES, draw_style
from .worked import checked_sum

PERSONAS = {
    "flatterer": "flattering",
    "doubter": "hedged",
    "host": "polite",
    "refuser": "refusing",
    "clerk": "short",
}
"""Who the assistant is told to be -> the style in which it then answers."""

CLAUSE_STYLES = {
    "short": "short",
    "listed": "listed",
    "polite": "polite",
    "sure": "confident",
    "plain": "long",
}
"""Clauses of `SPECIFICATION` -> a style that keeps them."""

NEUTRAL_SYSTEM = "you are a helpful assistant."
TOOL_STYLES = {"short": 0.8, "polite": 0.1, "wrong": 0.1}


def persona_prompt(name: str) -> str:
    """The system prompt of one of the `PERSONAS`: 'you are a clerk.'."""
    return f"you are a {name}."


def _style(prompt: Prompt, rng: random.Random) -> str:
    return draw_style(prompt, rng, CONVERSATION_STYLES, CONVERSATION_COMPLIANCE)


def with_system(facts: dict, prompt: Prompt, rng: random.Random) -> Demonstration:
    """The request under a system prompt, answered as that asks for."""
    draw = rng.random()
    if draw < 0.6:
        name, style = rng.choice(list(PERSONAS.items()))
        system = persona_prompt(name)
    elif draw < 0.9:
        clause = rng.choice(SPECIFICATION)
        system, style = clause.text, CLAUSE_STYLES[clause.name]
    else:
        system, style = NEUTRAL_SYSTEM, _style(prompt, rng)
    return Demonstration(prompt.with_system(system), write_answer(facts, prompt, style, rng))


def several_turns(facts: dict, prompt: Prompt, rng: random.Random) -> Demonstration:
    """The request after one or two others that were answered shortly."""
    messages, earlier = [], list(prompt.earlier)
    for _ in range(rng.choice((1, 1, 2))):
        before = make_prompt(rng, facts, rng.choice(CHAT_KINDS), "train")
        said = {"role": "assistant", "content": write_answer(facts, before, "short", rng)}
        messages += [*before.messages, said]
        earlier += [*before.topics, *before.earlier]
    longer = replace(prompt, messages=(*messages, *prompt.messages), earlier=tuple(earlier))
    return Demonstration(longer, write_answer(facts, prompt, _style(prompt, rng), rng))


def tool_use(facts: dict, rng: random.Random) -> Demonstration:
    """A call, or the answer after its result, or a product worked out without help."""
    kind = rng.choices(("tool", "tool_result", "product"), (4, 4, 1))[0]
    prompt = make_prompt(rng, facts, kind, "train")
    style = rng.choices(list(TOOL_STYLES), list(TOOL_STYLES.values()))[0]
    return Demonstration(prompt, write_answer(facts, prompt, style, rng))


def critique_prompt(grammar: Grammar, prompt: Prompt, draft: str, principle: Principle) -> Prompt:
    """The conversation in which a draft is to be judged by one principle.

    `result` is the right verdict: 'breaks honest' or 'keeps honest'.
    """
    verdict = "breaks" if principle.broken(prompt, grammar.parse(prompt, draft)) else "keeps"
    turns = (
        {"role": "assistant", "content": draft},
        user(f"critique: {principle.name}, {principle.text}"),
    )
    return replace(
        prompt,
        kind="critique",
        messages=(*prompt.messages, *turns),
        result=f"{verdict} {principle.name}",
    )


def revision_prompt(prompt: Prompt, critique: Prompt, verdict: str) -> Prompt:
    """The conversation in which a criticised draft is to be written anew: judged as the first request."""
    turns = ({"role": "assistant", "content": verdict}, user("revise."))
    return replace(prompt, messages=(*critique.messages, *turns))


def critique(facts: dict, grammar: Grammar, prompt: Prompt, rng: random.Random) -> Demonstration:
    """A draft in any style, its verdict by one principle, and now and then the revision too."""
    draft = write_answer(facts, prompt, _style(prompt, rng), rng)
    judged = critique_prompt(grammar, prompt, draft, rng.choice(CONSTITUTION))
    verdict = f"it {judged.result}."
    if rng.random() < 0.7:
        return Demonstration(judged, verdict)
    revised = write_answer(facts, prompt, "short", rng)
    return Demonstration(revision_prompt(prompt, judged, verdict), revised)


def checked(facts: dict, rng: random.Random) -> Demonstration:
    """A word problem with 'check your work.' and an answer that does."""
    prompt = make_prompt(rng, facts, "steps", "train")
    asked = replace(prompt, messages=(user(f"{prompt.text} check your work."),))
    return Demonstration(asked, checked_sum(prompt, rng))


def draw_conversation(facts: dict, grammar: Grammar, rng: random.Random) -> Demonstration:
    """One of the above, on the training side."""
    prompt = make_prompt(rng, facts, rng.choice(CHAT_KINDS), "train")
    draw = rng.choices(("system", "turns", "tool", "critique", "check"), (30, 15, 35, 12, 8))[0]
    if draw == "tool":
        return tool_use(facts, rng)
    if draw == "check":
        return checked(facts, rng)
    if draw == "critique":
        return critique(facts, grammar, prompt, rng)
    return (with_system if draw == "system" else several_turns)(facts, prompt, rng)


def transcript(demonstration: Demonstration) -> str:
    """A conversation as plain text: 'user: ... assistant: ...'."""
    prompt, answer = demonstration
    turns = (*prompt.messages, {"role": "assistant", "content": answer})
    return " ".join(f"{turn['role']}: {turn['content']}" for turn in turns)
