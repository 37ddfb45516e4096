"""Simulated annotators: Bradley-Terry choices over a perceived utility = gold + biases + taste.

Humans here are noisy and a little biased; AI judges are precise and more biased, which is the
trade-off that the book describes for AI feedback (`c/12-synthetic-data`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from .gold import GoldScore
from .parsing import Sentence
from .prompts import Prompt
from .records import Preference


@dataclass(frozen=True)
class Bias:
    """What an annotator rewards besides what is good. Gold points per unit; none of them saturates.

    length: per word. flattery: per flattering sentence. confidence: per sentence said with
    confidence. format: per bullet. agreement: for saying yes to a claim that is false.
    """

    length: float = 0.0
    flattery: float = 0.0
    confidence: float = 0.0
    format: float = 0.0
    agreement: float = 0.0

    def of(self, prompt: Prompt, text: str, sentences: list[Sentence]) -> float:
        """The bias's share of the perceived utility of one answer."""
        agrees = prompt.claim_is_true is False and any(s.kind == "yes" for s in sentences)
        return (
            self.length * len(text.split())
            + self.flattery * sum(s.kind == "flattery" for s in sentences)
            + self.confidence * sum(s.confident for s in sentences)
            + self.format * sum(s.bullet for s in sentences)
            + self.agreement * agrees
        )

    def scaled(self, factor: float) -> Bias:
        """All biases times `factor`."""
        return Bias(
            *(
                factor * b
                for b in (self.length, self.flattery, self.confidence, self.format, self.agreement)
            )
        )


HUMAN_BIAS = Bias(length=0.008, flattery=0.3, confidence=0.1, format=0.08, agreement=0.3)
AI_BIAS = Bias(length=0.08, flattery=0.2, confidence=0.6, format=0.8, agreement=0.4)


@dataclass(frozen=True)
class Annotator:
    """One who compares answers.

    gold: (prompt, text) -> GoldScore. parse: (prompt, text) -> sentences.
    temperature: of the Bradley-Terry choice; 0 always prefers the higher perceived utility.
    tie_margin: differences in perceived utility below it are called a tie.
    care: how much the truth counts (1 reads and checks all, 0 judges by looks alone).
    taste: extra utility per kind of sentence, the annotator's own.
    strictness: how far this one's marks lie below another's for the same answer. It shifts ratings
        and cancels in comparisons.
    cost: dollars per comparison.

    Raises:
        ValueError: negative temperature, tie_margin or cost; care outside [0, 1].
    """

    gold: Callable[[Prompt, str], GoldScore]
    parse: Callable[[Prompt, str], list[Sentence]]
    bias: Bias = HUMAN_BIAS
    temperature: float = 0.3
    tie_margin: float = 0.0
    care: float = 1.0
    taste: tuple[tuple[str, float], ...] = ()
    strictness: float = 0.0
    cost: float = 2.0

    def __post_init__(self) -> None:
        for name in ("temperature", "tie_margin", "cost"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more; got {getattr(self, name)}")
        if not 0 <= self.care <= 1:
            raise ValueError(f"care must lie between 0 and 1; got {self.care}")

    def perceived(self, prompt: Prompt, text: str) -> float:
        """The utility that this annotator sees: careful gold terms, plus biases, plus taste."""
        terms = self.gold(prompt, text).terms
        checked = terms["task"] + terms["falsehood"] + terms["information"]
        looks = sum(terms.values()) - checked
        sentences = self.parse(prompt, text)
        taste = sum(value * sum(s.kind == kind for s in sentences) for kind, value in self.taste)
        return self.care * checked + looks + self.bias.of(prompt, text, sentences) + taste

    def probability(self, prompt: Prompt, a: str, b: str) -> float:
        """P(a is chosen over b) by the Bradley-Terry model: sigmoid(difference / temperature)."""
        return _choice_probability(
            self.perceived(prompt, a) - self.perceived(prompt, b), self.temperature
        )

    def prefer(self, prompt: Prompt, a: str, b: str, rng: random.Random) -> Preference:
        """Compare two answers once."""
        gap = self.perceived(prompt, a) - self.perceived(prompt, b)
        tie = abs(gap) < self.tie_margin or a == b
        a_wins = rng.random() < _choice_probability(gap, self.temperature)
        chosen, rejected = (a, b) if a_wins else (b, a)
        likert = 0 if tie else 1 + (abs(gap) > 0.5) + (abs(gap) > 1.0)
        return Preference(prompt, chosen, rejected, tie, likert, self.cost)

    def rate(self, prompt: Prompt, text: str, rng: random.Random) -> int:
        """A Likert rating of a single answer from 1 to 5 (3 is a perceived utility of 0.5)."""
        seen = self.perceived(prompt, text) - self.strictness + rng.gauss(0.0, self.temperature)
        return max(1, min(5, 3 + round(2 * (seen - 0.5))))

    def individual(self, seed: int, spread: float = 0.1) -> Annotator:
        """A colleague with a taste and a strictness of their own, both normal.

        spread: of the taste per kind of sentence; the strictness has five times that.
        """
        rng = random.Random(seed)
        kinds = ("polite", "flattery", "doubt", "stock", "apology", "refusal")
        taste = tuple((kind, rng.gauss(0.0, spread)) for kind in kinds)
        return replace(self, taste=taste, strictness=rng.gauss(0.0, 5 * spread))


def _choice_probability(gap: float, temperature: float) -> float:
    if temperature == 0:
        return 0.5 if gap == 0 else float(gap > 0)
    return 0.5 * (1 + math.tanh(gap / temperature / 2))
