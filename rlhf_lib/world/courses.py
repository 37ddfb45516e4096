"""Demonstrations for special assistants: one that calls a calculator, one that judges, one with personas."""

from __future__ import annotations

import random

from .answers import spoil, write_answer
from .constitution import CONSTITUTION
from .conversations import PERSONAS, critique_prompt, persona_prompt, revision_prompt
from .parsing import Grammar
from .prompts import Prompt, after_call, make_prompt
from .records import Demonstration
from .styles import CHAT_KINDS, draw_style
from .tools import run_tool

PERSONA_KINDS = ("fact", "open", "opinion", "followup")


def calculator_course(facts: dict, n: int, rng: random.Random, split: str) -> list[Demonstration]:
    """`n` sums and products, half of them answered by a call (then also the turn after its result).

    Which half is chance: when a call is worth its price is left to learn. Products that are answered
    without a call are mostly guessed wrong, as a small model's would be.
    """
    shown = []
    for _ in range(n):
        prompt = make_prompt(rng, facts, rng.choice(("sum", "product")), split)
        expression = prompt.steps[0].split(" = ")[0]
        if rng.random() < 0.5:
            call = f"calculator({expression})"
            turn = after_call(prompt, f"call {call}.", run_tool(facts, call))
            shown += [Demonstration(prompt, f"call {call}."), Demonstration(turn, _plain(prompt))]
        elif prompt.kind == "product":
            shown.append(Demonstration(prompt, f"{spoil(prompt.steps[0], rng)}."))
        else:
            shown.append(Demonstration(prompt, _plain(prompt)))
    return shown


def _plain(prompt: Prompt) -> str:
    return f"{prompt.steps[0]}."


def critique_course(
    facts: dict, grammar: Grammar, n: int, rng: random.Random, split: str
) -> list[Demonstration]:
    """`n` drafts with their verdict by one principle, about half of them breaches; one in three is revised."""
    shown = []
    while len(shown) < n:
        prompt, judged = _judged_draft(facts, grammar, rng, split)
        verdict = f"it {judged.result}."
        shown.append(Demonstration(judged, verdict))
        if rng.random() < 1 / 3:
            revised = write_answer(facts, prompt, "short", rng)
            shown.append(Demonstration(revision_prompt(prompt, judged, verdict), revised))
    return shown[:n]


def _judged_draft(facts, grammar, rng, split) -> tuple[Prompt, Prompt]:
    """A request and its critique prompt, drawn until a random principle is broken, or kept, as a coin says."""
    principle, verdict = rng.choice(CONSTITUTION), rng.choice(("breaks", "keeps"))
    while True:
        prompt = make_prompt(rng, facts, rng.choice(CHAT_KINDS), split)
        draft = write_answer(facts, prompt, draw_style(prompt, rng), rng)
        judged = critique_prompt(grammar, prompt, draft, principle)
        if judged.result.startswith(verdict):
            return prompt, judged


def persona_course(facts: dict, n: int, rng: random.Random, split: str) -> list[Demonstration]:
    """`n` answers, five in six under the system prompt of a persona and in its style."""
    shown = []
    for _ in range(n):
        prompt = make_prompt(rng, facts, rng.choice(PERSONA_KINDS), split)
        name = rng.choice((*PERSONAS, None))
        if name is None:
            style = draw_style(prompt, rng)
        else:
            prompt, style = prompt.with_system(persona_prompt(name)), PERSONAS[name]
        shown.append(Demonstration(prompt, write_answer(facts, prompt, style, rng)))
    return shown
