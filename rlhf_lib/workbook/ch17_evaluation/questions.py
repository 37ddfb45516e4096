"""The benchmark of chapter 17: all facts of PocketWorld, asked and scored in many ways; and its leaked copy."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...evaluation import (
    choice_logp,
    choose,
    exact_match,
    found_word,
    without_template,
)
from ...lm import Policy
from ...world import ATTRIBUTES, PocketWorld, Prompt
from ...world.facts import fact_sentence, with_article
from ...world.prompts import question, user

WORD = r"(\w+)\."
"""A word before a full stop, as a harness's filter looks for it."""
TOKENS = 24
LETTERS = ("a", "b", "c", "d")

SCORERS = (
    "whole sentence",
    "bare value",
    "first word before a full stop",
    "last word before a full stop",
    "value anywhere",
    "likeliest value",
    "likeliest value by length",
    "likeliest letter",
    "likeliest sentence",
)
GENERATED = SCORERS[:5]
TEMPLATES = ("chat", "none")
DECODINGS = {"greedy": 0.0, "sampled": 1.0}
SHOTS = (0, 2)


@dataclass(frozen=True)
class Item:
    """One question with its key, all values to choose from, and the animal that it is about."""

    prompt: Prompt
    key: str
    values: tuple[str, ...]
    animal: str

    @property
    def text(self) -> str:
        """The question."""
        return self.prompt.text

    @property
    def place(self) -> int:
        """Of the key among the values."""
        return self.values.index(self.key)

    def sentence(self, value: str | None = None) -> str:
        """The answer as a sentence, with this value or the key."""
        attribute = self.prompt.attribute
        return f"{fact_sentence(with_article(self.animal), attribute, value or self.key)}."

    @property
    def options(self) -> list[str]:
        """The key and three other values, in an order that belongs to the question."""
        dice = random.Random(self.text)
        others = dice.sample([value for value in self.values if value != self.key], 3)
        return dice.sample([self.key, *others], 4)

    @property
    def menu(self) -> str:
        """The four options with their letters."""
        pairs = zip(LETTERS, self.options, strict=True)
        return " ".join(f"{letter} {value}." for letter, value in pairs)

    @property
    def letter(self) -> int:
        """The key's place among the options."""
        return self.options.index(self.key)

    def written_out(self) -> str:
        """Question and answer in one line, as a leak has it."""
        return f"{self.text} {self.sentence()}"


def all_items(
    world: PocketWorld, keys: PocketWorld | None = None, reworded: bool = False
) -> list[Item]:
    """Every fact of the world as a question: 36 animals, 5 each. keys: another world's facts as the key."""
    facts = (keys or world).facts
    return [
        Item(
            Prompt("fact", (user(question(animal, attribute, reworded)),), animal, attribute),
            facts[animal][attribute],
            tuple(world.grammar.values[attribute]),
            animal,
        )
        for animal in world.facts
        for attribute in ATTRIBUTES
    ]


def with_shots(items: Sequence[Item], place: int, shots: int, rng: random.Random) -> str:
    """The question of one item after `shots` others with their answers; never the item itself."""
    others = [item for number, item in enumerate(items) if number != place]
    lines = [item.written_out() for item in rng.sample(others, shots)]
    return " ".join([*lines, items[place].text])


def read(scorer: str, answers: Sequence[str], items: Sequence[Item]) -> list[bool]:
    """What one way of scoring says of generated answers. Raises ValueError for one that needs likelihoods."""
    if scorer == "whole sentence":
        return exact_match(answers, [item.sentence() for item in items])
    if scorer == "bare value":
        return exact_match(answers, [item.key for item in items])
    if scorer == "value anywhere":
        pairs = zip(answers, items, strict=True)
        return [item.key in re.findall(r"\w+", answer) for answer, item in pairs]
    if scorer not in GENERATED:
        raise ValueError(f"scorer must be one of {', '.join(GENERATED)}; got {scorer!r}")
    last = scorer.startswith("last")
    found = [found_word(answer, WORD, last) for answer in answers]
    return [word == item.key for word, item in zip(found, items, strict=True)]


def by_likelihood(
    policy: Policy, items: Sequence[Item], asked: Sequence[str], delimiter: str = ""
) -> dict[str, list[bool]]:
    """The four scorers that read no answer: which of the choices the model finds likeliest.

    delimiter: before a choice; a blank after bare text, nothing after a chat template's opening.
    """
    values = [item.values for item in items]
    with_menu = [f"{text} {item.menu}" for text, item in zip(asked, items, strict=True)]
    sentences = [[item.sentence(value) for value in item.values] for item in items]
    logp = choice_logp(policy, asked, values, delimiter)
    picks = {
        "likeliest value": choose(logp, values),
        "likeliest value by length": choose(logp, values, by_length=True),
    }
    letters = [LETTERS] * len(items)
    picks["likeliest letter"] = choose(choice_logp(policy, with_menu, letters, delimiter), letters)
    picks["likeliest sentence"] = choose(
        choice_logp(policy, asked, sentences, delimiter), sentences
    )
    places = {name: [item.place for item in items] for name in picks}
    places["likeliest letter"] = [item.letter for item in items]
    return {
        name: [a == b for a, b in zip(found, places[name], strict=True)]
        for name, found in picks.items()
    }


def asked_with(policy: Policy, template: str) -> tuple[Policy, str]:
    """The model that reads requests with this template ('chat' or 'none'), and what stands before a choice."""
    return (policy, "") if template == "chat" else (without_template(policy), " ")


def nine_scores(
    policy: Policy, items: Sequence[Item], template: str = "chat"
) -> dict[str, list[bool]]:
    """Right or wrong on each item by each of the `SCORERS`, zero-shot, greedy."""
    model, delimiter = asked_with(policy, template)
    asked = [item.text for item in items]
    answers = model.sample(asked, max_new_tokens=TOKENS, temperature=0.0).texts
    found = {name: read(name, answers, items) for name in GENERATED}
    return found | by_likelihood(model, items, asked, delimiter)


def shopped(
    policy: Policy,
    items: Sequence[Item],
    scored: Mapping[str, Mapping[str, list[bool]]],
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Right (1) or wrong (0) of each item (N,) under 48 settings 'template / shots / decoding / scorer'.

    scored: template -> `nine_scores`, for the scorers that read no answer.
    """
    found: dict[str, np.ndarray] = {}
    for template in TEMPLATES:
        model, _ = asked_with(policy, template)
        for shots in SHOTS:
            rng = random.Random(f"shots {seed}")
            asked = [with_shots(items, place, shots, rng) for place in range(len(items))]
            for decoding, warmth in DECODINGS.items():
                answers = model.sample(asked, 1, TOKENS, temperature=warmth, seed=seed).texts
                for scorer in GENERATED:
                    name = setting(template, shots, decoding, scorer)
                    found[name] = np.array(read(scorer, answers, items), dtype=int)
        for scorer in SCORERS[len(GENERATED) :]:
            found[setting(template, 0, "greedy", scorer)] = np.array(
                scored[template][scorer], dtype=int
            )
    return found


def setting(template: str, shots: int, decoding: str, scorer: str) -> str:
    """The name of a setting. Scorers that read no answer have neither examples nor decoding here."""
    if scorer not in GENERATED:
        return f"{template} / {scorer}"
    return f"{template} / {shots} / {decoding} / {scorer}"
