"""What trainers do with their examples before anything is learned: left out, told apart, fingerprinted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ..world import Preference, Unpaired
from .history import History
from .sources import rows_of

Record = TypeVar("Record")


def without_ties(pairs: Sequence[Preference], history: History | None = None) -> list[Preference]:
    """The pairs that say which answer is better; what is left out is counted in `history.warnings`.

    Raises:
        ValueError: there are none.
    """
    kept = [pair for pair in pairs if not pair.tie and pair.chosen != pair.rejected]
    ties = sum(pair.tie for pair in pairs)
    equal = len(pairs) - len(kept) - ties
    if not kept:
        raise ValueError("pairs must hold at least one comparison that is not a tie")
    if history is not None and ties:
        history.warn(f"{ties} of {len(pairs)} pairs are ties and were left out")
    if history is not None and equal:
        history.warn(f"{equal} of {len(pairs)} pairs compare an answer with itself: left out")
    return kept


def with_flaws_noted(records: Sequence[Record], history: History) -> Sequence[Record]:
    """The same records; rows that were skipped as they were read are counted in `history.warnings`."""
    report = getattr(records, "report", None)
    if report is not None and report.flaws:
        history.warn(str(report))
    return records


def are_unpaired(source: Any) -> bool:
    """Whether these are answers judged one by one, and not comparisons; by the first of them."""
    first = _first(source)
    if isinstance(first, Mapping):
        return "chosen" not in first and ("label" in first or "desirable" in first)
    return isinstance(first, Unpaired)


def are_conversations(source: Any) -> bool:
    """Whether these are rows of whole conversations (`messages`), and not of prompts with an answer."""
    first = _first(source)
    whole = isinstance(first, Mapping) and ("messages" in first or "conversations" in first)
    return whole and "prompt" not in first


def _first(source: Any) -> Any:
    """The first record or row of a list, file, `datasets.Dataset` or frame; None if there is none."""
    if isinstance(source, list | tuple):
        return source[0] if source else None
    return next((row for _, row in rows_of(source)), None)


def as_row(example: Any) -> tuple:
    """An example as a tuple that begins with its prompt, for `checkpoint.digest`."""
    if isinstance(example, Preference):
        return example.prompt, example.chosen, example.rejected, example.margin
    return tuple(example)
