"""Contamination: how much of a test item stands word for word in the training texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WORDS = re.compile(r"[a-z0-9]+")


def words_of(text: str) -> list[str]:
    """Words and numbers in lower case, without punctuation."""
    return WORDS.findall(text.lower())


def ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of n words, in order."""
    return [tuple(words[place : place + n]) for place in range(len(words) - n + 1)]


def ngram_set(texts: Iterable[str], n: int) -> set[tuple[str, ...]]:
    """All runs of n words of all texts.

    Raises:
        ValueError: n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more; got {n}")
    return {gram for text in texts for gram in ngrams(words_of(text), n)}


def covered_share(item: str, known: set[tuple[str, ...]], n: int) -> float:
    """Share of an item's words that lie in a run of n words that is known; 0 for items of fewer words."""
    words = words_of(item)
    covered = [False] * len(words)
    for place, gram in enumerate(ngrams(words, n)):
        if gram in known:
            covered[place : place + n] = [True] * n
    return sum(covered) / len(words) if words else 0.0


def contaminated(
    items: Sequence[str], training: Iterable[str], n: int = 8, share: float = 0.5
) -> list[bool]:
    """Whether more than `share` of each item's words are covered by runs of n words of the training texts.

    n: 8 as for Tülu 3 (book, chapter Evaluation); GPT-3's authors had 8 to 13.

    Raises:
        ValueError: n < 1, or a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1; got {share}")
    known = ngram_set(training, n)
    return [covered_share(item, known, n) > share for item in items]
