"""The chapters as the tests see them: where they are, and the tool that builds them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
SOURCE = CHAPTERS / "source"

_spec = importlib.util.spec_from_file_location("build_chapters", SOURCE / "build.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

tags = build.tags


def names() -> list[str]:
    """The chapters of chapters.toml, in reading order."""
    return list(build.chapters())


def stored(name: str) -> nbformat.NotebookNode:
    """The notebook as it is committed."""
    return nbformat.read(CHAPTERS / f"{name}.ipynb", 4)


def code_cells(notebook: nbformat.NotebookNode, tag: str | None = None) -> list:
    """Code cells, all or those with the tag."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and (tag is None or tag in tags(cell))
    ]


def markdown(notebook: nbformat.NotebookNode) -> str:
    """All markdown cells as one text."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def text_outputs(cell) -> str:
    """What a code cell printed or returned, as text."""
    parts = [output.get("text", "") for output in cell.outputs]
    for output in cell.outputs:
        data = output.get("data", {})
        parts += [
            data[kind] for kind in ("text/plain", "text/html", "text/markdown") if kind in data
        ]
    return "\n".join(parts)


def equation_tags(text: str) -> set[str]:
    """Tags such as RM-1 that stand in brackets in a text."""
    return set(re.findall(r"\[([A-Z]{2,5}-\d+)\]", text))
