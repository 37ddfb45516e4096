"""Build the chapters: text source (percent format) -> notebook, executed, with header and navigation.

python chapters/source/build.py            # those that are out of step with their source
python chapters/source/build.py 07 18      # these, whether they are or not
python chapters/source/build.py --check    # only say whether all are in step (exit status 1 if not)
python chapters/source/build.py --headers  # renew headers, README's map and the page of equations, without executing
python chapters/source/build.py --text 07  # take over changed text and exercises, keep all outputs, execute nothing

In a source an exercise is two cells: its task, which begins with {exercise: name}, and its solution,
solution_name(...). Heading, stub, check and hints are made here from the library's `Exercise`.
"""

from __future__ import annotations

import os
import re
import sys
import time
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

SOURCE = Path(__file__).resolve().parent
CHAPTERS = SOURCE.parent
TABLE = SOURCE / "chapters.toml"
sys.path.insert(0, str(CHAPTERS.parent))  # this checkout's rlhf_lib, installed or not
README = CHAPTERS.parent / "README.md"
MAP = ("<!-- map of the chapters: written by build.py -->", "<!-- end of the map -->")
NOBODYS_LABELS = CHAPTERS.parent / "build" / "nobodys-labels"
"""Where a chapter that is built looks for a reader's own labels: the stored outputs are nobody's."""

BOOK = "https://rlhfbook.com/c"
INJECTED = ("header", "navigation")
MADE = {"stub", "check", "solution"}
"""Tags of code cells whose outputs follow from the library alone."""
CHECKED = re.compile(r"exercise\(\"(\w+)\"\)\.(check|check_solution)\(")
TASK = re.compile(r"\{exercise: (\w+)\}\s*")
WIDGET = "application/vnd.jupyter.widget-view+json"
LAB_NOTE = "(an interactive widget: run this cell to use it)"


def chapters() -> dict[str, dict]:
    """Name -> table of chapters.toml, in reading order."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def read_source(name: str) -> nbformat.NotebookNode:
    """The source as a notebook without header, navigation and outputs."""
    notebook = jupytext.read(SOURCE / f"{name}.py", fmt="py:percent")
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        raise ValueError(f"{name}.py must begin with a markdown cell that holds the title: '# ...'")
    notebook.cells = with_exercises(notebook.cells)
    for cell in notebook.cells:
        if "solution" in tags(cell) and cell.cell_type == "code":
            cell.metadata["jupyter"] = {"source_hidden": True}  # collapsed in JupyterLab,
            cell.metadata["tags"] = [*tags(cell), "hide-input"]  # and in books
        if "predicted" in tags(cell):  # what a prediction was about: one click away
            cell.metadata["jupyter"] = {"outputs_hidden": True}
    return notebook


def with_exercises(cells: list) -> list:
    """The cells of a source, with each exercise's task and solution made into all its cells.

    Raises:
        ValueError: a task without the exercise's name, or without a solution behind it.
    """
    made, task, number = [], None, 0
    for cell in cells:
        if "exercise" in tags(cell):
            task, number = cell, number + 1
        elif task is not None:
            made += exercise_cells(task, cell, number)
            task = None
        else:
            made.append(cell)
    return made


def exercise_cells(task, solved, number: int) -> list:
    """Task, stub, check, hints and solution of the chapter's exercise of this number."""
    from rlhf_lib.exercises import exercise
    from rlhf_lib.workbook.kit import cells

    match = TASK.match(task.source)
    if match is None or "solution" not in tags(solved):
        raise ValueError(
            "a cell tagged exercise must begin with {exercise: name}, and the next must be tagged "
            f"solution: {task.source[:60]!r}"
        )
    one, text = exercise(match.group(1)), task.source[match.end() :]
    asks, first = hasattr(one, "ask"), number == 1
    made = [
        ("exercise", new_markdown_cell(f"{cells.heading(one, number)}\n\n{text}")),
        *([("predict", new_code_cell(cells.ask(one, imports=first)))] if asks else []),
        ("stub", new_code_cell(cells.stub(one, solved.source))),
        ("check", new_code_cell(cells.check(one, imports=first and not asks))),
        ("hint", new_markdown_cell(cells.hints(one))),
        ("solution", new_code_cell(cells.solution(one, solved.source))),
    ]
    for tag, cell in made:
        cell.metadata["tags"] = [tag, "nbval-check-output"] if tag == "check" else [tag]
    return [cell for _, cell in made]


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
    """Put header and navigation in, after the title and at the end; replace those that are there."""
    cells = [cell for cell in notebook.cells if not set(tags(cell)) & set(INJECTED)]
    top = new_markdown_cell(header(name), metadata={"tags": ["header"]})
    bottom = new_markdown_cell(navigation(name), metadata={"tags": ["navigation"]})
    notebook.cells = [cells[0], top, *cells[1:], bottom]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """A cell's tags."""
    return cell.metadata.get("tags", [])


def build(name: str) -> float:
    """Execute one chapter and write the notebook; returns the seconds that it took.

    If a cell fails, the exception goes to the caller and the notebook that was there stays.
    """
    notebook = read_source(name)
    started = time.perf_counter()
    resources = {"metadata": {"path": str(CHAPTERS)}}
    os.environ["RLHF_LABELS"] = str(NOBODYS_LABELS)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    seconds = time.perf_counter() - started
    if chapters()[name]["seconds"] == 0:
        record(name, seconds=seconds)
    write(notebook, name)
    return seconds


def write(notebook: nbformat.NotebookNode, name: str) -> None:
    """Header, navigation and tidying; then the file."""
    inject(notebook, name)
    tidy(notebook, name)
    nbformat.write(notebook, CHAPTERS / f"{name}.ipynb")


def renew_headers() -> None:
    """Header and navigation of all stored notebooks, and README's map, from chapters.toml."""
    for name in chapters():
        path = CHAPTERS / f"{name}.ipynb"
        if path.exists():
            write(nbformat.read(path, 4), name)
    if README.exists():
        README.write_text(with_map(README.read_text(encoding="utf-8")), encoding="utf-8")
    renew_equations()


def renew_equations() -> None:
    """Write the page of equations anew: its formulas and links come from the chapters."""
    sys.path.insert(0, str(SOURCE))
    import equations

    equations.write()


def chapter_map() -> str:
    """The table of chapters that stands in the README."""
    lines = ["| chapter | you will | read | run |", "|---|---|---|---|"]
    for name, table in chapters().items():
        lines.append(
            f"| [{name[:2]} {table['title']}](chapters/{name}.ipynb) | {table['teaches']} "
            f"| {table['minutes']} min | {table['seconds']:.0f} s |"
        )
    return "\n".join(lines)


def with_map(text: str) -> str:
    """The text with the table between the two marks renewed; unchanged if it has no marks."""
    if not all(mark in text for mark in MAP):
        return text
    before, rest = text.split(MAP[0], 1)
    after = rest.split(MAP[1], 1)[1]
    return f"{before}{MAP[0]}\n{chapter_map()}\n{MAP[1]}{after}"


def tidy(notebook: nbformat.NotebookNode, name: str) -> None:
    """No widget state, no timestamps, stable cell ids: so that a diff shows what has changed."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{name[:2]}-{number:03d}"
        for volatile in ("execution", "lines_to_next_cell"):
            cell.metadata.pop(volatile, None)
        if any(has_still(output) for output in cell.get("outputs", [])):
            cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.pop(WIDGET, None) and "text/html" not in data:
                data["text/plain"] = LAB_NOTE
            output.get("metadata", {}).pop(WIDGET, None)


def has_still(output: dict) -> bool:
    """Whether an output is the still picture of a lab, which then stands in place of the live one."""
    return "rlhf-still" in "".join(output.get("data", {}).get("text/html", ""))


def record(name: str, **measured: float) -> None:
    """Write measured `seconds` and `gigabytes` into chapters.toml."""
    text = TABLE.read_text(encoding="utf-8")
    for key, value in measured.items():
        shown = f"{value:.0f}" if key == "seconds" else f"{value:.1f}"
        pattern = rf"(?ms)(^\[{name}\]$(?:(?!^\[).)*?^{key} = )[0-9.]+"
        text = re.sub(pattern, rf"\g<1>{shown}", text, count=1)
    TABLE.write_text(text, encoding="utf-8")


def take_text(name: str) -> None:
    """Take over the text and the exercises of a source and keep the outputs of all other code.

    Raises:
        ValueError: code that has changed otherwise, and so must be run.
    """
    there = [c for c in nbformat.read(CHAPTERS / f"{name}.ipynb", 4).cells if c.cell_type == "code"]
    notebook = read_source(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if len(code) != len(there):
        raise ValueError(f"{name} has other code cells than its notebook: build it")
    for number, (cell, stored) in enumerate(zip(code, there, strict=True), start=1):
        cell.execution_count = number
        if cell.source.strip() == stored.source.strip():
            cell.outputs = stored.outputs
        elif MADE & set(tags(cell)):
            cell.outputs = exercise_outputs(cell, number)
        else:
            raise ValueError(f"{name}: this cell has changed, so build it:\n{cell.source}")
    write(notebook, name)


def exercise_outputs(cell, number: int) -> list:
    """What a stub, a check of an untouched stub or a solution shows when it is run."""
    from rlhf_lib.exercises import SOLVED_CASE, exercise

    called = CHECKED.search(cell.source)
    if called is not None:
        one, solved = exercise(called.group(1)), called.group(2) == "check_solution"
        if hasattr(one, "ask"):  # a measurement is only known when it has been run
            raise ValueError(f"{one.name} measures something: build the chapter")
        verdict = one.check_solution(one.reference) if solved else one.check(lambda *arguments: ...)
    elif "solution" in tags(cell):  # of a case of the clinic
        verdict = SOLVED_CASE
    else:
        return []
    data = {"text/html": verdict._repr_html_(), "text/plain": repr(verdict)}
    return [new_output("execute_result", data, execution_count=number)]


def in_step(name: str) -> bool:
    """Whether the stored notebook has the cells of its source."""
    path = CHAPTERS / f"{name}.ipynb"
    if not path.exists():
        return False
    return cell_texts(nbformat.read(path, 4)) == cell_texts(read_source(name))


def cell_texts(notebook: nbformat.NotebookNode) -> list[tuple]:
    """Type, text and tags of each cell that is not injected."""
    return [
        (cell.cell_type, cell.source.strip(), sorted(tags(cell)))
        for cell in notebook.cells
        if not set(tags(cell)) & set(INJECTED)
    ]


def try_build(name: str) -> bool:
    """Build one chapter and say how it went."""
    try:
        print(f"{name}: {build(name):.0f} s", flush=True)
    except (CellExecutionError, CellTimeoutError, DeadKernelError, ValueError) as error:
        print(f"{name}: not built, the notebook that was there stays\n{error}", flush=True)
        return False
    return True


def main(arguments: list[str]) -> int:
    """Build or check."""
    names = [name for name in chapters() if (SOURCE / f"{name}.py").exists()]
    if arguments == ["--headers"]:
        renew_headers()
        return 0
    if arguments[:1] == ["--text"]:
        for name in [n for n in names if n.startswith(tuple(arguments[1:]))]:
            take_text(name)
        return 0
    stale = [name for name in names if not in_step(name)]
    if arguments == ["--check"]:
        print(f"out of step: {', '.join(stale)}" if stale else "all chapters are in step")
        return bool(stale)
    wanted = [n for n in names if any(n.startswith(a) for a in arguments)] if arguments else stale
    if not wanted:
        print(f"no chapter {' '.join(arguments)}" if arguments else "all chapters are in step")
        return bool(arguments)
    built = [try_build(name) for name in wanted]
    renew_headers()
    return int(not all(built))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
