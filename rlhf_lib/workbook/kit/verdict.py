"""What a check says, in a notebook and in a terminal, with the case that failed."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

import torch
from torch import Tensor

NOT_YET, RIGHT, WRONG, SOLUTION = "not attempted yet", "right", "wrong", "the workbook's solution"
SIGNS = {NOT_YET: "…", RIGHT: "✓", WRONG: "✗", SOLUTION: "·"}
COLOURS = {NOT_YET: "#767676", RIGHT: "#00785a", WRONG: "#b34a00", SOLUTION: "#767676"}
"""Dark enough to be read on white (4.5 to 1)."""

MOST_ROWS, MOST_COLUMNS = 6, 8
NOTHING = object()


@dataclass(frozen=True)
class Failure:
    """A case that failed: its arguments by name, the reader's result and the expected one."""

    arguments: dict[str, object]
    yours: object = field(default=NOTHING)
    expected: object = field(default=NOTHING)
    of: str = ""

    def rows(self) -> list[tuple[str, object]]:
        """(label, value) of everything that is shown."""
        rows = list(self.arguments.items())
        if self.yours is not NOTHING:
            rows += [(f"your {self.of or 'result'}", self.yours), ("expected", self.expected)]
        return rows

    def __str__(self) -> str:
        return "\n".join(f"    {label} = {as_text(value)}" for label, value in self.rows())

    def _repr_html_(self) -> str:
        body = "".join(
            f"<tr><td style='text-align:left;vertical-align:top'><code>{html.escape(label)}</code></td>"
            f"<td style='text-align:left'>{self._cells(label, value)}</td></tr>"
            for label, value in self.rows()
        )
        return f"<table style='margin:.4em 0 0'>{body}</table>"

    def _cells(self, label: str, value) -> str:
        yours = label.startswith("your ")
        wrong = unlike(value, self.expected) if yours else None
        return as_html(value, wrong)


@dataclass(frozen=True)
class Verdict:
    """What a check found. Shows itself in colour in a notebook and as lines of text elsewhere."""

    status: str
    message: str
    failure: Failure | None = None

    def assert_right(self) -> Verdict:
        """Return the verdict if it is 'right'.

        Raises:
            AssertionError: it is not; the message is the verdict's.
        """
        if self.status != RIGHT:
            raise AssertionError(f"{self.status}: {self.message}")
        return self

    def __repr__(self) -> str:
        line = f"{SIGNS[self.status]} {self.status}: {self.message}"
        return line if self.failure is None else f"{line}\n{self.failure}"

    def _repr_html_(self) -> str:
        colour = COLOURS[self.status]
        shown = self.failure._repr_html_() if self.failure else ""
        return (
            f'<div style="border-left:4px solid {colour};padding:.3em .8em">'
            f'<b style="color:{colour}">{self.status}</b> · {in_html(self.message)}{shown}</div>'
        )


def in_html(message: str) -> str:
    """A message with its `code` set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(message))


def unlike(value, expected) -> Tensor | None:
    """Which entries of a tensor differ visibly from the expected ones; None where shapes differ."""
    if not isinstance(value, Tensor) or not isinstance(expected, Tensor):
        return None
    if value.shape != expected.shape:
        return None
    return ~torch.isclose(value.detach().double(), expected.detach().double(), 1e-4, 1e-6)


def rows_of(value) -> list[list] | None:
    """The numbers of a small tensor, row by row; None for anything else."""
    if not isinstance(value, Tensor) or value.ndim > 2 or value.numel() == 0:
        return None
    table = value.detach().reshape(-1, value.shape[-1] if value.ndim else 1)
    small = len(table) <= MOST_ROWS and table.shape[1] <= MOST_COLUMNS
    return table.tolist() if small else None


def number(value) -> str:
    """A number as short as it stays clear."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def as_text(value) -> str:
    """A value in a line, or a tensor in a few."""
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(as_text, value)) + ")"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {as_text(v)}" for name, v in value.items())
    rows = rows_of(value)
    if rows is None:
        return _too_large(value)
    lines = ["[" + ", ".join(map(number, row)) + "]" for row in rows]
    if value.ndim == 0:
        return number(rows[0][0])
    return lines[0] if value.ndim == 1 else "[" + ",\n        ".join(lines) + "]"


def as_html(value, wrong: Tensor | None = None) -> str:
    """The same as a small table whose wrong entries stand out."""
    rows = rows_of(value)
    if rows is None or not value.ndim:
        return f"<code>{html.escape(as_text(value))}</code>"
    marks = wrong.reshape(len(rows), -1).tolist() if wrong is not None else None
    lines = []
    for i, row in enumerate(rows):
        cells = (_cell(x, marks is not None and marks[i][j]) for j, x in enumerate(row))
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table style='margin:0'>{''.join(lines)}</table>"


def _cell(value, wrong: bool) -> str:
    style = f"color:{COLOURS[WRONG]};font-weight:bold;text-decoration:underline" if wrong else ""
    return f"<td style='{style}'>{html.escape(number(value))}</td>"


def _too_large(value) -> str:
    if isinstance(value, Tensor):
        return f"tensor of shape {tuple(value.shape)}"
    if isinstance(value, int | float | str):
        return number(value)
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"
