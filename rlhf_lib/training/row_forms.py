"""One row -> one record: which columns each kind of record has, and what makes a row unfit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..world import Demonstration, Preference, Prompt, Stepwise, Unpaired
from ..world.records import BAD, GOOD, NEUTRAL
from .conversations import (
    Turn,
    answer_text,
    asked_of,
    common_beginning,
    complete,
    split_answer,
    turns_of,
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A prompt whose row has more columns: `messages`, and the others by name for a reward to read.

    A column is an attribute, too: `asked.answer` is `asked.columns["answer"]`.

    Raises:
        AttributeError: no such column; the message lists those there are.
    """

    messages: tuple[Turn, ...]
    columns: dict[str, Any] = field(default_factory=dict, hash=False)

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("columns", {})
        if name not in columns:
            raise AttributeError(f"no column {name!r}; it has {', '.join(columns) or 'none'}")
        return columns[name]

    @property
    def text(self) -> str:
        """The last message."""
        return self.messages[-1]["content"]


class FlawedRow(ValueError):
    """A row that is left out; `record` is what it would be where it can be a record all the same."""

    def __init__(self, reason: str, sentence: str, record: Any = None) -> None:
        super().__init__(sentence)
        self.reason, self.record = reason, record


def preference(row: Row) -> Preference:
    """A comparison from `chosen`, `rejected`, `prompt` and what the judge said."""
    whole = {name: _whole(row, name) for name in ("chosen", "rejected")}
    shared = _equal_histories(*whole.values())
    chosen, rejected = (answer_text(turns[-1], name) for name, turns in whole.items())
    prompt = _asked(row, whole["chosen"][:shared], {"prompt", "chosen", "rejected", *_JUDGEMENT})
    record = Preference(prompt, chosen, rejected, **_judgement(row))
    if chosen == rejected:
        sentence = "chosen and rejected are the same text, so nothing can be learned"
        raise FlawedRow("equal answers", sentence, record)
    _refuse_empty({"chosen": chosen, "rejected": rejected}, record)
    return record


def _whole(row: Row, column: str) -> list[Turn]:
    """The prompt column, if there is one, and an answer column as one conversation."""
    _need(row, column)
    answer = turns_of(row[column], column, "assistant")
    if row.get("prompt"):
        return complete(asked_of(row["prompt"]), answer, column)
    if all(turn["role"] == "assistant" for turn in answer):
        raise ValueError(
            f"no value for prompt, and {column} is no whole conversation, of which the beginning could "
            f"be the prompt. The row has {names_of(row)}; name the column: columns={{'prompt': ...}}"
        )
    return answer


def _equal_histories(chosen: list[Turn], rejected: list[Turn]) -> int:
    """How many turns stand before the two answers; the same in both."""
    shared = common_beginning(chosen, rejected)
    if shared == 0 or shared != len(chosen) - 1 or shared != len(rejected) - 1:
        raise FlawedRow(
            "unequal histories",
            f"chosen and rejected differ before their last turn (from turn {shared} on, of "
            f"{len(chosen)} and {len(rejected)}); only the last answers may differ",
        )
    return shared


def _refuse_empty(texts: Mapping[str, str], record: Any) -> None:
    for column, text in texts.items():
        if not text.strip():
            raise FlawedRow("an empty answer", f"column {column} is an empty answer", record)


_SCORES = {
    "chosen_score": ("chosen_score", "score_chosen"),
    "rejected_score": ("rejected_score", "score_rejected"),
    "stated_margin": ("stated_margin", "margin"),
}
_JUDGEMENT = ("tie", "likert", "cost", *(name for names in _SCORES.values() for name in names))


def _judgement(row: Row) -> dict[str, Any]:
    """The numbers that come with a comparison, by the names of `Preference`'s fields."""
    found: dict[str, Any] = {}
    for ours, names in _SCORES.items():
        column = next((name for name in names if name in row), None)
        if column:
            found[ours] = _number(row, column)
    if "likert" in row:
        found["likert"] = int(_number(row, "likert"))
    if "cost" in row:
        found["cost"] = _number(row, "cost")
    if "tie" in row:
        found["tie"] = _flag(row, "tie")
    elif "chosen_score" in found and found.get("rejected_score") == found["chosen_score"]:
        found["tie"] = True
    return found


def _number(row: Row, column: str) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError):
        raise ValueError(f"column {column} must be a number; got {row[column]!r}") from None


_FLAGS = {
    **dict.fromkeys(("true", "yes", "good", "desirable", "1", "1.0", "+1"), True),
    **dict.fromkeys(("false", "no", "bad", "undesirable", "0", "0.0", "-1", "-1.0"), False),
}


def _flag(row: Row, column: str) -> bool:
    word = str(row[column]).strip().lower()
    if word not in _FLAGS:
        raise ValueError(f"column {column} must be true or false; got {row[column]!r}")
    return _FLAGS[word]


def demonstration(row: Row) -> Demonstration:
    """A demonstration from `prompt` and `completion`, or from a whole conversation."""
    column = "completion"
    if "completion" not in row:
        column = next((name for name in ("messages", "conversations") if name in row), column)
    before, answer = split_answer(_whole(row, column), column)
    record = Demonstration(_asked(row, before, {"prompt", column}), answer)
    _refuse_empty({column: answer}, record)
    return record


def unpaired(row: Row) -> Unpaired:
    """A judged answer from `prompt`, `completion` and `label`."""
    _need(row, "label")
    before, answer = split_answer(_whole(row, "completion"), "completion")
    prompt = _asked(row, before, {"prompt", "completion", "label"})
    record = Unpaired(prompt, answer, _flag(row, "label"))
    _refuse_empty({"completion": answer}, record)
    return record


def stepwise(row: Row) -> Stepwise:
    """Judged steps from `prompt`, `completions` and `labels` or `ratings`."""
    if isinstance(row.get("label"), Mapping) and "steps" in row["label"]:
        row = _from_prm800k(row)
    column = "ratings" if "ratings" in row else "labels"
    _need(row, "prompt", "completions", column)
    steps = row["completions"]
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise ValueError("column completions must be a list of texts, one a step")
    used = {"prompt", "completions", "labels", "ratings"}
    prompt = _asked(row, asked_of(row["prompt"]), used)
    return Stepwise(prompt, tuple(steps), _step_labels(row[column], column))


def _step_labels(labels: Any, column: str) -> tuple[int, ...]:
    known = {-1: BAD, 0: NEUTRAL, 1: GOOD} if column == "ratings" else {0: BAD, 1: GOOD}
    if not isinstance(labels, list) or not all(label in known for label in labels):
        raise ValueError(
            f"column {column} must be a list of -1, 0, 1 (ratings) or of false, true (labels); "
            f"got {labels!r}. Ratings in a column labels: columns={{'ratings': 'labels'}}"
        )
    return tuple(known[label] for label in labels)


def _from_prm800k(row: Row) -> Row:
    """A row of PRM800K: the completion that was taken at each step, up to the first without a rating."""
    steps, ratings = [], []
    for step in row["label"]["steps"]:
        taken = step.get("chosen_completion") or 0
        completion = step.get("human_completion") or step["completions"][taken]
        if completion.get("rating") is None:
            break
        steps.append(completion["text"])
        ratings.append(completion["rating"])
    return {"prompt": row["question"]["problem"], "completions": steps, "ratings": ratings}


def prompt_of(row: Row) -> Any:
    """A prompt from `prompt` or `messages`."""
    column = "prompt" if "prompt" in row else "messages"
    _need(row, column)
    turns = asked_of(row[column], column)
    if turns[-1]["role"] == "assistant":
        raise ValueError(f"column {column} must not end in an answer")
    return _asked(row, turns, {column})


def _asked(row: Row, turns: list[Turn], used: set[str]) -> Any:
    """The prompt as it came: a text, messages, PocketWorld's `Prompt`, or `Asked` with more columns."""
    if "world" in row and (found := _pocket_prompt(row["world"], turns)):
        return found
    used = used | {"prompt_is_text"}
    columns = {name: value for name, value in row.items() if name not in used}
    if columns:
        return Asked(tuple(turns), columns)
    is_text = row.get("prompt_is_text") or isinstance(row.get("prompt"), str)
    one_turn = (
        len(turns) == 1 and turns[0].keys() == {"role", "content"} and turns[0]["role"] == "user"
    )
    return turns[0]["content"] if is_text and one_turn else turns


def _pocket_prompt(world: Any, turns: list[Turn]) -> Prompt | None:
    """PocketWorld's own `Prompt`, if the column `world` describes one."""
    try:
        known: Any = json.loads(world) if isinstance(world, str) else world
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in known.items()
        }
        return Prompt(messages=tuple(turns), **fields)
    except (ValueError, TypeError, AttributeError):  # somebody else's column of that name
        return None


def _need(row: Row, *names: str) -> None:
    missing = [name for name in names if row.get(name) in (None, [])]
    if missing:
        raise ValueError(
            f"no value for {', '.join(missing)}; the row has {names_of(row)}. Columns of other names: "
            f"columns={{{missing[0]!r}: their name}}"
        )


def names_of(row: Row) -> str:
    """The columns that a row has, for messages."""
    return ", ".join(map(str, row)) or "no columns"
