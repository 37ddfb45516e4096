"""PocketWorld: the tiny, closed, fully known world in which the workbook's assistants live."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .annotators import AI_BIAS, HUMAN_BIAS, Annotator, Bias
from .answers import write_answer
from .constitution import Principle, breaches
from .conversations import critique_prompt, draw_conversation, revision_prompt, transcript
from .courses import calculator_course, critique_course, persona_course
from .documents import write_document
from .enumerate import list_answers
from .facts import make_facts
from .gold import GoldScore, gold_score
from .parsing import Grammar, Sentence
from .prompts import KINDS, LEVELS, SCHOOL_LEVELS, WORKED_LEVELS, Prompt, after_call, make_prompt
from .records import Demonstration, Preference, Stepwise
from .styles import CHAT_KINDS, draw_style
from .tools import run_tool
from .worked import checked_sum, worked_sum

CHAT_CONVERSATIONS = 0.2
TRANSCRIPTS = 0.12


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
        self,
        n: int,
        kinds: tuple[str, ...] | None = None,
        seed: int = 0,
        split: str = "train",
        levels: tuple[tuple[int, int], ...] = LEVELS,
    ) -> list[Prompt]:
        """`n` requests of the given kinds (default: the chat mixture), from one side of the split.

        split: train, test (contents that are asked for nowhere in training), or paraphrase (contents of
        the training side in other words). See `splits`. levels: of the word problems, as (largest
        number, steps).

        Raises:
            ValueError: n < 1, unknown kind or split.
        """
        if n < 1:
            raise ValueError(f"n must be 1 or more; got {n}")
        rng = random.Random(f"prompts {self.seed} {seed} {split}")
        kinds = kinds or CHAT_KINDS
        return [make_prompt(rng, self.facts, rng.choice(kinds), split, levels) for _ in range(n)]

    def answer(self, prompt: Prompt, style: str, rng: random.Random) -> str:
        """One answer to `prompt` in one of `answers.STYLES`."""
        return write_answer(self.facts, prompt, style, rng)

    def list_answers(self, prompt: Prompt, size: int = 200) -> list[str]:
        """`size` distinct answers to `prompt` in all styles, always the same: a response space."""
        return list_answers(self.facts, prompt, size)

    def demonstrations(
        self,
        n: int,
        seed: int = 0,
        styles: dict[str, float] | None = None,
        conversations: float = CHAT_CONVERSATIONS,
    ) -> list[Demonstration]:
        """`n` requests with answers of the mixed quality that a cheap instruction set has.

        styles: style -> weight; the default is `styles.DEMONSTRATION_STYLES`. conversations: share of
        those with a system prompt, several turns, tools, critiques or checks (see `conversations`).
        """
        rng = random.Random(f"demonstrations {self.seed} {seed}")
        return [
            draw_conversation(self.facts, self.grammar, rng)
            if rng.random() < conversations
            else Demonstration(prompt, self.answer(prompt, draw_style(prompt, rng, styles), rng))
            for prompt in self.prompts(n, seed=seed)
        ]

    def documents(self, seed: int = 0) -> Iterator[str]:
        """An endless stream of pre-training documents: notes, stories, sums, forum threads, transcripts."""
        rng = random.Random(f"documents {self.seed} {seed}")
        while True:
            if rng.random() < TRANSCRIPTS:
                yield transcript(draw_conversation(self.facts, self.grammar, rng))
            else:
                yield write_document(self.facts, rng)

    def worked_sums(self, n: int, seed: int = 0, split: str = "train") -> list[Stepwise]:
        """`n` worked answers to word problems with labels; half of them go wrong.

        See `worked.worked_sum` for the labels.
        """
        rng = random.Random(f"worked {self.seed} {seed} {split}")
        prompts = self.prompts(n, ("steps",), seed, split, WORKED_LEVELS)
        slips = [None if rng.random() < 0.5 else rng.randrange(len(p.steps)) for p in prompts]
        return [worked_sum(p, rng, slip) for p, slip in zip(prompts, slips, strict=True)]

    def checked_sums(self, n: int, seed: int = 0, split: str = "train") -> list[Demonstration]:
        """`n` word problems with answers that draft, check and correct: see `worked.checked_sum`."""
        rng = random.Random(f"checked {self.seed} {seed} {split}")
        prompts = self.prompts(n, ("steps",), seed, split, SCHOOL_LEVELS)
        return [Demonstration(prompt, checked_sum(prompt, rng)) for prompt in prompts]

    def course(self, name: str, n: int, seed: int = 0, split: str = "train") -> list[Demonstration]:
        """`n` demonstrations (or a few more) for a special assistant: see `courses`.

        name: calculator, critic or personas.

        Raises:
            ValueError: unknown name.
        """
        rng = random.Random(f"course {name} {self.seed} {seed} {split}")
        if name == "calculator":
            return calculator_course(self.facts, n, rng, split)
        if name == "critic":
            return critique_course(self.facts, self.grammar, n, rng, split)
        if name == "personas":
            return persona_course(self.facts, n, rng, split)
        raise ValueError(f"name must be calculator, critic or personas; got {name!r}")

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

    def after_call(self, prompt: Prompt, text: str) -> Prompt | None:
        """The conversation after the answer `text`, with the result of its first call as the last message.

        What is wanted then is the final answer. None where the text calls no tool.
        """
        calls = [s.value for s in self.parse(prompt, text) if s.kind == "call"]
        return after_call(prompt, text, self.run_tool(calls[0])) if calls else None

    def critique(self, prompt: Prompt, draft: str, principle: Principle) -> Prompt:
        """The conversation in which `draft` is to be judged; `result` is the right verdict."""
        return critique_prompt(self.grammar, prompt, draft, principle)

    def revision(self, prompt: Prompt, critique: Prompt, verdict: str) -> Prompt:
        """The conversation after a critique, in which the answer to `prompt` is to be written anew."""
        return revision_prompt(prompt, critique, verdict)

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
