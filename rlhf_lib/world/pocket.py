"""PocketWorld: the tiny, closed, fully known world in which the workbook's assistants live."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .annotators import AI_BIAS, HUMAN_BIAS, Annotator, Bias
from .answers import worked_sum, write_answer
from .constitution import breaches
from .documents import CHAT_KINDS, draw_style, write_document
from .enumerate import list_answers
from .facts import make_facts
from .gold import GoldScore, gold_score
from .parsing import Grammar, Sentence
from .prompts import KINDS, Prompt, make_prompt
from .records import Demonstration, Preference, Stepwise
from .tools import run_tool


class PocketWorld:
    """Facts, requests, answers, gold utility and annotators, all drawn from one seed.

    Seed 0 is the natural world (foxes are red) that the shipped models know; other seeds shuffle
    the facts. The same seed and arguments give the same texts on every machine.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.facts = make_facts(seed)
        self.grammar = Grammar(self.facts)

    def prompts(
        self, n: int, kinds: tuple[str, ...] | None = None, seed: int = 0, split: str = "train"
    ) -> list[Prompt]:
        """`n` requests of the given kinds (default: the chat mixture), from one side of the split.

        Raises:
            ValueError: n < 1, unknown kind or split.
        """
        if n < 1:
            raise ValueError(f"n must be 1 or more; got {n}")
        rng = random.Random(f"prompts {self.seed} {seed} {split}")
        kinds = kinds or CHAT_KINDS
        return [make_prompt(rng, self.facts, rng.choice(kinds), split) for _ in range(n)]

    def answer(self, prompt: Prompt, style: str, rng: random.Random) -> str:
        """One answer to `prompt` in one of `answers.STYLES`."""
        return write_answer(self.facts, prompt, style, rng)

    def list_answers(self, prompt: Prompt, size: int = 200) -> list[str]:
        """`size` distinct answers to `prompt` in all styles, always the same: a response space."""
        return list_answers(self.facts, prompt, size)

    def demonstrations(
        self, n: int, seed: int = 0, styles: dict[str, float] | None = None
    ) -> list[Demonstration]:
        """`n` requests with answers of the mixed quality that a cheap instruction set has.

        styles: style -> weight; the default is `documents.DEMONSTRATION_STYLES`.
        """
        rng = random.Random(f"demonstrations {self.seed} {seed}")
        return [
            Demonstration(prompt, self.answer(prompt, draw_style(prompt, rng, styles), rng))
            for prompt in self.prompts(n, seed=seed)
        ]

    def documents(self, seed: int = 0) -> Iterator[str]:
        """An endless stream of pre-training documents: notes, stories, sums, forum threads."""
        rng = random.Random(f"documents {self.seed} {seed}")
        while True:
            yield write_document(self.facts, rng)

    def worked_sums(self, n: int, seed: int = 0, split: str = "train") -> list[Stepwise]:
        """`n` worked answers to word problems with labels; half of them go wrong.

        See `answers.worked_sum` for the labels.
        """
        rng = random.Random(f"worked {self.seed} {seed} {split}")
        prompts = self.prompts(n, kinds=("steps",), seed=seed, split=split)
        slips = rng.choices((None, 0, 1), weights=(2, 1, 1), k=n)
        return [worked_sum(p, rng, slip) for p, slip in zip(prompts, slips, strict=True)]

    def gold_score(self, prompt: Prompt, text: str) -> GoldScore:
        """The gold utility with its terms."""
        return gold_score(self.grammar, prompt, text)

    def gold(self, prompt: Prompt, text: str) -> float:
        """The gold utility of one answer, in gold points."""
        return self.gold_score(prompt, text).total

    def parse(self, prompt: Prompt, text: str) -> list[Sentence]:
        """The answer's sentences and what each of them does."""
        return self.grammar.parse(prompt, text)

    def breaches(self, prompt: Prompt, text: str) -> list[str]:
        """The principles of the constitution that an answer breaks."""
        return breaches(prompt, self.parse(prompt, text))

    def run_tool(self, call: str) -> str:
        """Run a tool call; errors come back as text."""
        return run_tool(self.facts, call)

    def annotator(self, bias: Bias = HUMAN_BIAS, temperature: float = 0.3, **settings) -> Annotator:
        """A simulated human: biased, noisy, dear. Settings as in `Annotator`."""
        return Annotator(self.gold_score, self.parse, bias, temperature, **settings)

    def ai_judge(self, bias: Bias = AI_BIAS, temperature: float = 0.05, **settings) -> Annotator:
        """A simulated AI judge: low noise, high bias, cheap."""
        settings = {"cost": 0.005, **settings}
        return Annotator(self.gold_score, self.parse, bias, temperature, **settings)

    def preferences(
        self, n: int, annotator: Annotator, seed: int = 0, styles: dict[str, float] | None = None
    ) -> list[Preference]:
        """`n` comparisons of two written answers each (for a model's answers: `label_pairs`)."""
        rng = random.Random(f"preferences {self.seed} {seed}")
        pairs = []
        for prompt in self.prompts(n, seed=seed):
            a, b = (self.answer(prompt, draw_style(prompt, rng, styles), rng) for _ in range(2))
            pairs.append(annotator.prefer(prompt, a, b, rng))
        return pairs


def label_pairs(
    prompts: list[Prompt], first: list[str], second: list[str], annotator: Annotator, seed: int = 0
) -> list[Preference]:
    """Have an annotator compare two answers to each prompt; identical answers are left out.

    Raises:
        ValueError: the three lists differ in length.
    """
    if not len(prompts) == len(first) == len(second):
        raise ValueError(
            f"prompts, first and second must be of one length; got {len(prompts)}, {len(first)}, "
            f"{len(second)}"
        )
    rng = random.Random(f"labels {seed}")
    triples = zip(prompts, first, second, strict=True)
    return [annotator.prefer(p, a, b, rng) for p, a, b in triples if a != b]


__all__ = ["KINDS", "PocketWorld", "label_pairs"]
