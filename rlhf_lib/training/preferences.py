"""Preference files: JSON Lines with the columns prompt, chosen and rejected, as on the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from ..world import Preference, Prompt

COLUMNS = ("prompt", "chosen", "rejected")
_PROMPT_FIELDS = [f.name for f in fields(Prompt) if f.name not in ("kind", "messages")]


def read_preferences(path: str | Path) -> list[Preference]:
    """Read comparisons from a JSON Lines file.

    Each line has `prompt` (a text or messages), `chosen` and `rejected` (a text, or messages of which
    the last is the answer), and may have `likert`, `tie` and `cost`. Lines that PocketWorld wrote
    come back with its `Prompt`, so that their answers can be given a gold utility.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an empty file; a line that is not JSON, lacks a column, or compares an answer with
            itself; each with its line number.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no preference file {path}; `make models` writes the shipped ones")
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [
        preference_from_row(_read_line(path, number, line), f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not rows:
        raise ValueError(f"{path} holds no comparisons: the file is empty")
    return rows


def preferences_from_rows(rows: Iterable[dict]) -> list[Preference]:
    """The same from dictionaries, such as the rows of a `datasets.Dataset`."""
    found = [preference_from_row(row, f"row {i}") for i, row in enumerate(rows)]
    if not found:
        raise ValueError("rows hold no comparisons")
    return found


def preference_from_row(row: dict, where: str) -> Preference:
    """One dictionary -> `Preference`; `where` begins the messages of errors."""
    missing = [column for column in COLUMNS if row.get(column) in (None, [])]
    if missing:
        raise ValueError(
            f"{where}: no value for {', '.join(missing)} (needed: {', '.join(COLUMNS)})"
        )
    chosen, rejected = _answer(row["chosen"]), _answer(row["rejected"])
    if chosen == rejected:
        raise ValueError(
            f"{where}: chosen and rejected are the same text, so nothing can be learned"
        )
    extras = {name: row[name] for name in ("tie", "likert", "cost") if row.get(name) is not None}
    return Preference(_prompt(row), chosen, rejected, **extras)


def write_preferences(path: str | Path, preferences: Iterable[Preference]) -> None:
    """Write comparisons as JSON Lines, at once and whole (a killed kernel leaves the old file)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    lines = (json.dumps(_row(preference), ensure_ascii=False) for preference in preferences)
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)


def _row(preference: Preference) -> dict:
    row = {
        "prompt": _messages(preference.prompt),
        "chosen": preference.chosen,
        "rejected": preference.rejected,
        "tie": preference.tie,
        "likert": preference.likert,
        "cost": preference.cost,
    }
    if isinstance(preference.prompt, Prompt):
        prompt = preference.prompt
        asked = {name: getattr(prompt, name) for name in _PROMPT_FIELDS}
        row["world"] = {
            "kind": prompt.kind,
            **{k: v for k, v in asked.items() if v not in (None, ())},
        }
    return row


def _messages(prompt) -> list[dict] | str:
    return prompt if isinstance(prompt, str) else list(getattr(prompt, "messages", prompt))


def _prompt(row: dict):
    if "world" not in row:
        return row["prompt"]
    known = dict(row["world"])
    known["steps"] = tuple(known.get("steps", ()))
    return Prompt(messages=tuple(row["prompt"]), **known)


def _answer(value: str | list) -> str:
    return value if isinstance(value, str) else value[-1]["content"]


def _read_line(path: Path, number: int, line: str) -> dict:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {number}: not valid JSON ({error.msg})") from None
    if not isinstance(row, dict):
        raise ValueError(f"{path}, line {number}: each line must be a JSON object {{...}}")
    return row
