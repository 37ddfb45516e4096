"""Rows as they come -> records: demonstrations, comparisons, judged answers, judged steps, prompts.

A source is a file (JSON Lines, JSON, CSV, parquet), a `datasets.Dataset`, a pandas frame, or a list of
dictionaries. A text in the prompt column is one user turn, or an hh-rlhf transcript; messages have
`role` and `content` (or ShareGPT's `from` and `value`). Columns of other names are named by `columns`:
ours -> theirs, as in `columns={"prompt": "question", "completion": "answer"}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..runtime import say
from ..world import Demonstration, Preference, Prompt, Stepwise, Unpaired
from .row_forms import (
    Row,
    demonstration,
    names_of,
    preference,
    prompt_of,
    stepwise,
    unpaired,
)
from .sources import rows_of

Record = TypeVar("Record")
ON_BAD = ("skip", "raise", "keep")


@dataclass
class ReadReport:
    """What became of the rows: how many were read and kept, which were skipped and why.

    flaws: reason -> count; first: reason -> the sentence about the first such row (its place and column).
    """

    kind: str
    read: int = 0
    kept: int = 0
    ties: int = 0
    flaws: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, sentence: str) -> None:
        """Count one flawed row."""
        self.flaws[reason] += 1
        self.first.setdefault(reason, sentence)

    def __str__(self) -> str:
        parts = [f"{self.kept} of {self.read} {self.kind} kept"]
        parts += [f"{n} with {why} ({self.first[why]})" for why, n in self.flaws.items()]
        parts += [f"{self.ties} {'tie' if self.ties == 1 else 'ties'}"] if self.ties else []
        return "; ".join(parts)


class Records(list[Record]):
    """A list of records with the `report` of how they were read."""

    def __init__(self, records: Sequence[Record], report: ReadReport) -> None:
        super().__init__(records)
        self.report = report


def read_preferences(
    source: Any, on_bad: str = "skip", columns: Mapping[str, str] | None = None
) -> Records[Preference]:
    """Comparisons from rows with `chosen`, `rejected` and, if they are not whole conversations, `prompt`.

    Of whole conversations (messages or hh-rlhf transcripts) the common beginning is the prompt; system
    and tool turns stay in it. Read too: `score_chosen` and `score_rejected` (equal ones are a tie),
    `margin`, and our `tie`, `likert`, `cost`. Other columns stay with the prompt (`Asked.columns`).
    Rows that PocketWorld wrote come back with its `Prompt`.

    on_bad: "skip" leaves out rows with equal answers, an empty answer, unequal histories or unreadable
        values, and prints how many and why (`.report` holds it); "raise" refuses the first such row;
        "keep" keeps equal and empty answers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: nothing was left to keep; a bad row with on_bad="raise"; each with row and column.
    """
    return _read(source, Preference, "comparisons", preference, on_bad, columns)


def preferences_from_rows(
    rows: Any, on_bad: str = "skip", columns: Mapping[str, str] | None = None
) -> Records[Preference]:
    """`read_preferences` by the name for rows in memory."""
    return read_preferences(rows, on_bad, columns)


def read_demonstrations(
    source: Any, on_bad: str = "skip", columns: Mapping[str, str] | None = None
) -> Records[Demonstration]:
    """Demonstrations from rows with `prompt` and `completion`, or with a whole conversation in `messages`
    (or `conversations`): its last turn is the answer, everything before it the prompt.

    Arguments and errors as in `read_preferences`. (`train_sft` imitates the earlier answers, too.)
    """
    return _read(source, Demonstration, "demonstrations", demonstration, on_bad, columns)


def read_unpaired(
    source: Any, on_bad: str = "skip", columns: Mapping[str, str] | None = None
) -> Records[Unpaired]:
    """Answers judged alone from rows with `prompt`, `completion` and `label` (true is desirable).

    Arguments and errors as in `read_preferences`.
    """
    return _read(source, Unpaired, "judged answers", unpaired, on_bad, columns)


def read_stepwise(
    source: Any, on_bad: str = "skip", columns: Mapping[str, str] | None = None
) -> Records[Stepwise]:
    """Judged steps from rows with `prompt`, `completions` (the steps) and `labels` (true is good) or
    `ratings` (-1 bad, 0 neutral, 1 good); or rows as PRM800K has them (`question`, `label`).

    Arguments and errors as in `read_preferences`.
    """
    return _read(source, Stepwise, "stepwise answers", stepwise, on_bad, columns)


def read_prompts(
    source: Any, on_bad: str = "skip", columns: Mapping[str, str] | None = None
) -> Records:
    """Prompts from rows with `prompt` or `messages`; other columns stay with them (`Asked.columns`).

    Arguments and errors as in `read_preferences`.
    """
    return _read(source, Prompt, "prompts", prompt_of, on_bad, columns)


def as_preferences(source: Any) -> Sequence[Preference]:
    """Comparisons: a list of records as it is; anything else through `read_preferences`."""
    return source if _all_records(source, Preference) else read_preferences(source)


def as_demonstrations(source: Any) -> Sequence[Demonstration]:
    """Demonstrations: records as they are, (prompt, answer) pairs, or `read_demonstrations`."""
    if _all_records(source, tuple):
        return [_from_tuple(Demonstration, row, 2, i) for i, row in enumerate(source)]
    return source if _all_records(source, Demonstration) else read_demonstrations(source)


def as_unpaired(source: Any) -> Sequence[Unpaired]:
    """Judged answers: records as they are, (prompt, answer, good) triples, or `read_unpaired`."""
    if _all_records(source, tuple):
        return [_from_tuple(Unpaired, row, 3, i) for i, row in enumerate(source)]
    return source if _all_records(source, Unpaired) else read_unpaired(source)


def as_stepwise(source: Any) -> Sequence[Stepwise]:
    """Judged steps: records as they are, (prompt, steps, labels) triples, or `read_stepwise`."""
    if _all_records(source, tuple):
        return [_from_tuple(Stepwise, row, 3, i) for i, row in enumerate(source)]
    return source if _all_records(source, Stepwise) else read_stepwise(source)


def as_prompts(source: Any) -> Sequence:
    """Prompts: texts, lists of messages and anything with `.messages` as they are; rows are read."""
    if isinstance(source, list | tuple) and not any(isinstance(row, Mapping) for row in source):
        return source
    return read_prompts(source)


def _all_records(source: Any, record: type) -> bool:
    """Whether a list holds records of this kind only (an empty one does)."""
    return isinstance(source, list | tuple) and all(isinstance(row, record) for row in source)


def _from_tuple(record: Callable[..., Record], row: tuple, width: int, i: int) -> Record:
    if len(row) != width:
        raise ValueError(f"row {i} must have {width} parts; got {len(row)}")
    return record(*row)


def _read(
    source: Any,
    record: type,
    kind: str,
    convert: Callable[[Row], Any],
    on_bad: str,
    columns: Mapping[str, str] | None,
) -> Records:
    if on_bad not in ON_BAD:
        raise ValueError(f"on_bad must be one of {', '.join(ON_BAD)}; got {on_bad!r}")
    report = ReadReport(kind)
    found: list[Any] = []
    for where, row in rows_of(source):
        report.read += 1
        try:
            found.append(row if isinstance(row, record) else convert(_checked(row, columns or {})))
        except ValueError as error:
            sentence = str(row) if row is error else f"{where}: {error}"
            if on_bad == "raise":
                raise ValueError(sentence) from None
            report.note(getattr(error, "reason", "unreadable values"), sentence)
            poor = getattr(error, "record", None)
            found += [poor] if on_bad == "keep" and poor is not None else []
    report.kept = len(found)
    report.ties = sum(getattr(one, "tie", False) for one in found)
    return _told(Records(found, report), source)


def _told(records: Records, source: Any) -> Records:
    """Print the report where there is something to tell; refuse where nothing is left."""
    report = records.report
    name = str(source) if isinstance(source, str | Path) else "rows"
    if not records:
        why = "; ".join(report.first.values()) or "there are no rows"
        raise ValueError(f"{name} holds no {report.kind}: {why}")
    if report.flaws or report.ties:
        say(report)
    return records


def _checked(row: Any, columns: Mapping[str, str]) -> Row:
    """A row with our names for its columns, without empty cells and without broken text."""
    if isinstance(row, ValueError):
        raise row
    if not isinstance(row, Mapping):
        raise ValueError(f"each row must be a JSON object {{...}}; got {type(row).__name__}")
    for ours, theirs in columns.items():
        if theirs not in row:
            raise ValueError(
                f"no column {theirs!r} (columns[{ours!r}]); the row has {names_of(row)}"
            )
    taken = set(columns.values())
    renamed = {key: value for key, value in row.items() if key not in taken}
    renamed |= {ours: row[theirs] for ours, theirs in columns.items()}
    for column, value in renamed.items():
        _check_text(value, column)
    return {key: value for key, value in renamed.items() if value is not None}


def _check_text(value: Any, column: str) -> None:
    """Refuse half a surrogate pair, which no tokenizer and no file takes."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"column {column}: half a character (U+{ord(value[error.start]):04X}) at place "
                f"{error.start}; the text was cut within an emoji"
            ) from None
    elif isinstance(value, Mapping):
        for item in value.values():
            _check_text(item, column)
    elif isinstance(value, list):
        for item in value:
            _check_text(item, column)
