"""Build the chapters: text source (percent format) -> notebook, executed, with header and navigation.

    python chapters/source/build.py            # those that are out of step with their source
    python chapters/source/build.py 07 18      # these, whether they are or not
    python chapters/source/build.py --check    # only say whether all are in step (exit status 1 if not)
"""

from __future__ import annotations

import re
import sys
import time
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

SOURCE = Path(__file__).resolve().parent
CHAPTERS = SOURCE.parent
TABLE = SOURCE / "chapters.toml"
BOOK = "https://rlhfbook.com/c"
INJECTED = ("header", "navigation")
WIDGET = "application/vnd.jupyter.widget-view+json"
LAB_NOTE = "(an interactive lab: run this cell to use it; a still picture of the same stands nearby)"


def chapters() -> dict[str, dict]:
    """Name -> table of chapters.toml, in reading order."""
    return tomllib.loads(TABLE.read_text())


def read_source(name: str) -> nbformat.NotebookNode:
    """The source as a notebook without header, navigation and outputs."""
    notebook = jupytext.read(SOURCE / f"{name}.py", fmt="py:percent")
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []) and cell.cell_type == "code":
            cell.metadata["jupyter"] = {"source_hidden": True}
    return notebook


def header(name: str) -> str:
    """What stands under the title: the book's chapter, times, licence."""
    table = chapters()[name]
    return (
        f"*Mirrors the chapter **[{table['book']}]({BOOK}/{table['slug']})** of Nathan Lambert's "
        f"RLHF book · {table['minutes']} minutes to read · runs in {table['seconds']:.0f} s on two "
        "CPU cores, offline*\n\n" + navigation(name)
    )


def navigation(name: str) -> str:
    """Links to the chapters before and after."""
    names, tables = list(chapters()), chapters()
    place, links = names.index(name), []
    if place > 0:
        before = names[place - 1]
        links.append(f"← [{tables[before]['title']}]({before}.ipynb)")
    if place + 1 < len(names):
        after = names[place + 1]
        links.append(f"[{tables[after]['title']}]({after}.ipynb) →")
    return " · ".join(links)


def inject(notebook: nbformat.NotebookNode, name: str) -> None:
    """Put header and navigation in, after the title and at the end."""
    top = nbformat.v4.new_markdown_cell(header(name), metadata={"tags": ["header"]})
    bottom = nbformat.v4.new_markdown_cell(navigation(name), metadata={"tags": ["navigation"]})
    notebook.cells = [notebook.cells[0], top, *notebook.cells[1:], bottom]


def build(name: str) -> float:
    """Execute one chapter and write the notebook; returns the seconds that it took."""
    notebook = read_source(name)
    started = time.perf_counter()
    resources = {"metadata": {"path": str(CHAPTERS)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    seconds = time.perf_counter() - started
    record_seconds(name, seconds)
    inject(notebook, name)
    tidy(notebook, name)
    nbformat.write(notebook, CHAPTERS / f"{name}.ipynb")
    return seconds


def tidy(notebook: nbformat.NotebookNode, name: str) -> None:
    """No widget state, no timestamps, stable cell ids: so that a diff shows what has changed."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{name[:2]}-{number:03d}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET in data:
                del data[WIDGET]
                data["text/plain"] = LAB_NOTE
            output.get("metadata", {}).pop(WIDGET, None)


def record_seconds(name: str, seconds: float) -> None:
    """Write the measured seconds into chapters.toml."""
    pattern = rf"(\[{name}\].*?seconds = )[0-9.]+"
    text = re.sub(pattern, rf"\g<1>{seconds:.0f}", TABLE.read_text(), count=1, flags=re.DOTALL)
    TABLE.write_text(text)


def in_step(name: str) -> bool:
    """Whether the stored notebook has the cells of its source."""
    path = CHAPTERS / f"{name}.ipynb"
    if not path.exists():
        return False
    return cell_texts(nbformat.read(path, 4)) == cell_texts(read_source(name))


def cell_texts(notebook: nbformat.NotebookNode) -> list[tuple]:
    """Type, text and tags of each cell that is not injected."""
    tagged = ((cell, sorted(cell.metadata.get("tags", []))) for cell in notebook.cells)
    return [
        (cell.cell_type, cell.source.strip(), tags)
        for cell, tags in tagged
        if not set(tags) & set(INJECTED)
    ]


def main(arguments: list[str]) -> int:
    """Build or check."""
    names = [name for name in chapters() if (SOURCE / f"{name}.py").exists()]
    if arguments == ["--check"]:
        stale = [name for name in names if not in_step(name)]
        print(f"out of step: {', '.join(stale)}" if stale else "all chapters are in step")
        return bool(stale)
    wanted = [n for n in names if any(n.startswith(a) for a in arguments)] if arguments else [
        n for n in names if not in_step(n)
    ]
    for name in wanted:
        print(f"{name}: {build(name):.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
