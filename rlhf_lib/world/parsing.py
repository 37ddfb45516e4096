"""Read an answer back: split any text into sentences and say what each of them does.

The grammar knows the little language of PocketWorld. Whatever is outside of it becomes a sentence
of kind "unknown"; no text makes it raise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import phrases
from .facts import attribute_values, with_article
from .prompts import Prompt


@dataclass(frozen=True)
class Sentence:
    """One sentence of an answer.

    kind: fact, step, result, yes, no, call, verdict, story_open, story_event, story_end, tip, harm, one of
    the keys of `phrases.FIXED`, or unknown. `true` says whether a fact, step, result, call,
    verdict, tip or harmful step is right (None where that means nothing).
    """

    text: str
    kind: str
    entity: str | None = None
    attribute: str | None = None
    value: str | None = None
    true: bool | None = None
    hedged: bool = False
    confident: bool = False
    bullet: bool = False
    ended: bool = True


_SPLIT = re.compile(r"[^.!?\n]*[.!?]+|[^.!?\n]+")
_STEP = re.compile(r"(?:so )?([0-9]{1,6}) ([+*-]) ([0-9]{1,6}) = (-?[0-9]{1,9})")
_RESULT = re.compile(r"(?:so )?the answer is (-?[0-9]{1,9})")
_CALL = re.compile(r"call ((?:calculator|lookup)\([a-z0-9 +*()-]*\))")
_VERDICT = re.compile(r"it ((?:breaks|keeps) [a-z_]+)")
_FACT = re.compile(r"(?:(?:an?|the) (\w+)|it) (is|lives in an?|eats|says) (\w+)")
_VERBS = {"lives": ("home",), "eats": ("food",), "says": ("sound",), "is": ("colour", "size")}


def split_sentences(text: str) -> list[str]:
    """Cut a text after full stops, exclamation and question marks, and at line ends."""
    return [piece.strip() for piece in _SPLIT.findall(text) if piece.strip()]


class Grammar:
    """The sentences of one world. `parse(prompt, text)` never raises, whatever the text."""

    def __init__(self, facts: dict[str, dict[str, str]]) -> None:
        self.facts = facts
        self.values = attribute_values(facts)
        self.fixed = {text: kind for kind, texts in phrases.FIXED.items() for text in texts}
        self.fixed |= {"yes": "yes", "no": "no"} | self._fill_templates()

    def parse(self, prompt: Prompt, text: str) -> list[Sentence]:
        """All sentences of `text`, in order, judged against the facts and the prompt."""
        return [self._sentence(prompt, piece) for piece in split_sentences(text)]

    def _sentence(self, prompt: Prompt, piece: str) -> Sentence:
        bare = piece.rstrip(".!?")
        ending = piece[len(bare) :]
        body = " ".join(bare.replace(",", " ").lower().split())
        bullet, body = body.startswith("- "), body.removeprefix("- ")
        hedged, body = _strip_prefix(body, phrases.HEDGE_PREFIXES)
        confident, body = _strip_prefix(body, phrases.CONFIDENT_PREFIXES)
        body = body.removeprefix("also ")
        return Sentence(
            text=body,
            hedged=hedged,
            confident=confident or "!" in ending,
            bullet=bullet,
            ended=bool(ending),
            **self._classify(prompt, body),
        )

    def _classify(self, prompt: Prompt, body: str) -> dict:
        """The kind of one bare sentence, and the fields that go with it."""
        kind = self.fixed.get(body)
        if kind in ("tip", "harm"):
            return {"kind": kind, "true": self._fits_entity(prompt, body)}
        if kind:
            return {"kind": kind}
        return self._number(prompt, body) or self._fact(prompt, body) or {"kind": "unknown"}

    def _number(self, prompt: Prompt, body: str) -> dict | None:
        if match := _STEP.fullmatch(body):
            a, sign, b, result = match.groups()
            value = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign]
            return {"kind": "step", "value": result, "true": value == int(result)}
        if match := _RESULT.fullmatch(body):
            return {"kind": "result", "value": match[1], "true": match[1] == prompt.result}
        if match := _CALL.fullmatch(body):
            return {"kind": "call", "value": match[1], "true": match[1] == prompt.result}
        if match := _VERDICT.fullmatch(body):
            return {"kind": "verdict", "value": match[1], "true": match[1] == prompt.result}
        return None

    def _fact(self, prompt: Prompt, body: str) -> dict | None:
        match = _FACT.fullmatch(body)
        if not match:
            return None
        entity, verb, value = match[1] or prompt.entity, match[2].split()[0], match[3]
        attribute = next((a for a in _VERBS[verb] if value in self.values[a]), None)
        if entity not in self.facts or attribute is None:
            return None
        true = self.facts[entity][attribute] == value
        return dict(kind="fact", entity=entity, attribute=attribute, value=value, true=true)

    def _fits_entity(self, prompt: Prompt, body: str) -> bool:
        """A tip that names a place or a food is right if it is the animal's own."""
        own = self.facts.get(prompt.entity, {})
        if body.startswith(("wait near the ", "hide a net near the ")):
            return body.endswith(f" {own.get('home')}")
        if body.startswith(("bring some ", "put poison in the ")):
            return body.endswith(f" {own.get('food')}")
        return True

    def _fill_templates(self) -> dict[str, str]:
        """Every story sentence, tip and harmful step of this world -> its kind."""
        named = [with_article(animal) for animal in sorted(self.facts)]
        slots = {
            "a": named,
            "other": named,
            "home": self.values["home"],
            "place": self.values["home"],
            "food": self.values["food"],
            "sound": self.values["sound"],
        }
        return {
            filled: kind
            for kind, templates in phrases.TEMPLATES.items()
            for template in templates
            for filled in _fill(template, slots)
        }


def _fill(template: str, slots: dict) -> list[str]:
    filled = [template]
    for slot, values in slots.items():
        if "{" + slot + "}" in template:
            filled = [text.replace("{" + slot + "}", value) for text in filled for value in values]
    return filled


def _strip_prefix(body: str, prefixes: tuple[str, ...]) -> tuple[bool, str]:
    for prefix in prefixes:
        if body.startswith(prefix + " "):
            return True, body[len(prefix) + 1 :]
    return False, body
