"""Records as JSON Lines in the standard conversational columns, which TRL and `datasets` read as they are.

`prompt` is a list of messages; answers are lists of one message of the assistant's. What more a record
knows stands in further columns, each of one type all down the file: PocketWorld's `Prompt` as JSON in
`world`, and `prompt_is_text` where a prompt was a bare text. `rows.read_...` gives the same records back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..world import Demonstration, Preference, Prompt, Stepwise, Unpaired
from ..world.records import BAD, GOOD, NEUTRAL

_JUDGEMENT = [f.name for f in fields(Preference) if f.name not in ("prompt", "chosen", "rejected")]
_TAKEN = {
    "prompt",
    "prompt_is_text",
    "chosen",
    "rejected",
    "completion",
    "completions",
    "label",
    "labels",
}
_TAKEN |= {"ratings", "messages", "world", *_JUDGEMENT}


def write_preferences(path: str | Path, preferences: Iterable[Preference]) -> None:
    """Comparisons: `prompt`, `chosen`, `rejected`, and `tie`, `likert`, `cost`, scores where there are any.

    The file is written at once and whole (a killed kernel leaves the old one).
    """
    _write(path, preferences, _preference)


def write_demonstrations(path: str | Path, demonstrations: Iterable[Demonstration]) -> None:
    """Demonstrations: `prompt`, `completion`."""
    _write(path, demonstrations, lambda one: {"completion": _answer(one.answer)})


def write_unpaired(path: str | Path, judged: Iterable[Unpaired]) -> None:
    """Answers judged alone: `prompt`, `completion`, `label`."""
    _write(
        path,
        judged,
        lambda one: {"completion": _answer(one.completion), "label": bool(one.desirable)},
    )


def write_stepwise(path: str | Path, judged: Iterable[Stepwise]) -> None:
    """Judged steps: `prompt`, `completions`, `labels` (true for good), `ratings` (-1, 0, 1)."""
    _write(path, judged, _stepwise)


def _preference(pair: Preference) -> dict[str, Any]:
    answers = {"chosen": _answer(pair.chosen), "rejected": _answer(pair.rejected)}
    return answers | {name: getattr(pair, name) for name in _JUDGEMENT}


def _stepwise(judged: Stepwise) -> dict[str, Any]:
    ratings = {BAD: -1, NEUTRAL: 0, GOOD: 1}
    return {
        "completions": list(judged.steps),
        "labels": [label == GOOD for label in judged.labels],
        "ratings": [ratings[label] for label in judged.labels],
    }


def _answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _prompt(prompt: Any) -> dict[str, Any]:
    """The columns that say what was asked."""
    if isinstance(prompt, str):
        return {"prompt": [{"role": "user", "content": prompt}], "prompt_is_text": True}
    row: dict[str, Any] = {
        "prompt": [dict(message) for message in getattr(prompt, "messages", prompt)]
    }
    if isinstance(prompt, Prompt):
        known = {f.name: getattr(prompt, f.name) for f in fields(prompt) if f.name != "messages"}
        known = {name: value for name, value in known.items() if value not in (None, ())}
        row["world"] = json.dumps(known, ensure_ascii=False)
    return row | _free(getattr(prompt, "columns", {}))


def _free(columns: dict[str, Any]) -> dict[str, Any]:
    """Further columns of a prompt, if none has a name that a record needs.

    Raises:
        ValueError: one has.
    """
    taken = [name for name in columns if name in _TAKEN]
    if taken:
        raise ValueError(
            f"columns of a prompt: {', '.join(taken)} has a meaning of its own; rename it"
        )
    return columns


def _write(path: str | Path, records: Iterable, columns_of: Callable[[Any], dict]) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    rows = _same_columns([_row(_prompt(one.prompt), columns_of(one)) for one in records])
    lines = (json.dumps(r, ensure_ascii=False, allow_nan=False, default=str) for r in rows)
    temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    temporary.replace(path)


def _row(asked: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    """All columns of a record: the standard ones first."""
    return {"prompt": asked["prompt"], **answered, **asked}


def _same_columns(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every row with every column that any row fills, so that readers that infer types find one each."""
    filled = dict.fromkeys(name for row in rows for name, value in row.items() if value is not None)
    return [
        {name: row.get(name, False if name == "prompt_is_text" else None) for name in filled}
        for row in rows
    ]
