"""Answers and worked steps as small HTML tables; plain text where there is no HTML."""

from __future__ import annotations

import html
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of text cells with an optional score in front; shows itself in a notebook."""

    header: tuple[str, ...]
    rows: tuple[tuple, ...]

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{html.escape(h)}</th>" for h in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left;vertical-align:top'>{_cell(c)}</td>" for c in row)
            + "</tr>"
            for row in self.rows
        )  # fmt: skip
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        lines = [" | ".join(self.header)]
        lines += [" | ".join(_plain(cell) for cell in row) for row in self.rows]
        return "\n".join(lines)


@dataclass(frozen=True)
class Scored:
    """A text with a score, coloured by its sign."""

    text: str
    score: float


def answers_table(prompts: Sequence, answers: dict[str, Sequence[str]], gold=None) -> Table:
    """Prompts down, models across. gold: function (prompt, text) -> score, shown as a coloured chip."""
    rows = []
    for i, prompt in enumerate(prompts):
        texts = [texts[i] for texts in answers.values()]
        cells = [Scored(t, gold(prompt, t)) if gold else t for t in texts]
        rows.append((getattr(prompt, "text", str(prompt)), *cells))
    return Table(("request", *answers), tuple(rows))


def typical_answers(
    prompts: Sequence, answers: dict[str, Sequence[str]], gold, rows: int = 3
) -> Table:
    """The requests whose answers lie nearest to each model's mean gold; below them the means over all requests.

    Arguments as in `answers_table`. rows: requests that are shown.
    """
    scores = {
        m: [gold(p, t) for p, t in zip(prompts, ts, strict=True)] for m, ts in answers.items()
    }
    means = {model: statistics.fmean(values) for model, values in scores.items()}
    strange = [max(abs(scores[m][i] - means[m]) for m in answers) for i in range(len(prompts))]
    typical = sorted(range(len(prompts)), key=strange.__getitem__)[:rows]
    some = {model: [texts[i] for i in typical] for model, texts in answers.items()}
    table = answers_table([prompts[i] for i in typical], some, gold)
    last = (f"mean of all {len(prompts)} requests", *(Scored("", mean) for mean in means.values()))
    return Table(table.header, (*table.rows, last))


def coloured_steps(examples: Sequence[tuple[str, Sequence[str], Sequence[float]]]) -> Table:
    """(request, steps, scores from -1 to 1) -> a table in which each step has the colour of its score."""
    rows = [
        (request, tuple(Scored(s, float(v)) for s, v in zip(steps, scores, strict=True)))
        for request, steps, scores in examples
    ]
    return Table(("request", "steps"), tuple(rows))


def _chip(score: float) -> str:
    red, green, blue = (0, 158, 115) if score >= 0 else (213, 94, 0)
    strength = 0.15 + 0.5 * min(1.0, abs(score))
    return (
        f"<span style='background:rgba({red},{green},{blue},{strength:.2f});border-radius:4px;"
        f"padding:0 .35em;white-space:nowrap'>{score:+.2f}</span>"
    )


def _cell(cell) -> str:
    if isinstance(cell, tuple):
        return "<br>".join(_cell(part) for part in cell)
    if isinstance(cell, Scored):
        return f"{_chip(cell.score)} {html.escape(cell.text)}"
    return html.escape(str(cell)).replace("\n", "<br>")


def _plain(cell) -> str:
    if isinstance(cell, tuple):
        return "; ".join(_plain(part) for part in cell)
    return f"[{cell.score:+.2f}] {cell.text}" if isinstance(cell, Scored) else str(cell)
