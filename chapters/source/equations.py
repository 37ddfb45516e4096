"""Write chapters/equations.ipynb: every equation with its formula, its chapter, its function and its test.

Nothing is kept by hand: the tags are read from the chapters' markdown, the library's docstrings and the tests.

python chapters/source/equations.py          # build.py --headers does the same
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import nbformat

SOURCE = Path(__file__).resolve().parent
CHAPTERS = SOURCE.parent
ROOT = CHAPTERS.parent
PAGE = CHAPTERS / "equations.ipynb"
TAG = re.compile(r"\[([A-Z]{2,5}-\d+)\]")
INTRODUCTION = "00_start_here"  # which names a tag as an example
NOT_UNIT = {
    "project",
    "notebooks",
    "chapters.py",
}  # tests that are about the tags, not the equations


def family_names() -> dict[str, str]:
    """Family of tags -> its name, from the chapters' tables, in reading order."""
    tables = tomllib.loads((SOURCE / "chapters.toml").read_text(encoding="utf-8"))
    return {family: name for table in tables.values() for family, name in table["equations"].items()}


FAMILIES = {**family_names(), "KD": "Distillation"}  # which the library has and no chapter yet


@dataclass(frozen=True)
class Mention:
    """A tag in a chapter: the formula beside it (LaTeX) or '', the sentence, and where it stands."""

    chapter: str
    title: str
    section: str
    formula: str
    display: bool
    sentence: str


@dataclass
class Equation:
    """All that is known of one tag. functions, tests: (name, file relative to the top)."""

    tag: str
    mentions: list[Mention] = field(default_factory=list)
    functions: list[tuple[str, str]] = field(default_factory=list)
    tests: list[tuple[str, str]] = field(default_factory=list)
    summary: str = ""


def collect() -> dict[str, Equation]:
    """Every tag of the library with its chapters, functions and tests, in the order of `FAMILIES`."""
    found: dict[str, Equation] = {}
    for path in sorted((ROOT / "rlhf_lib").rglob("*.py")):
        _read_functions(path, found)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.relative_to(ROOT / "tests").parts[0] not in NOT_UNIT:
            _read_tests(path, found)
    for name, table in tomllib.loads(
        (SOURCE / "chapters.toml").read_text(encoding="utf-8")
    ).items():
        if name != INTRODUCTION and (CHAPTERS / f"{name}.ipynb").exists():
            _read_chapter(name, table["title"], found)
    return dict(sorted(found.items(), key=lambda pair: place(pair[0])))


def place(tag: str) -> tuple[int, str, int]:
    """Order of a tag: its family as in `FAMILIES`, unknown ones last, then its number."""
    family, number = tag.split("-")
    known = list(FAMILIES)
    return known.index(family) if family in known else len(known), family, int(number)


def _read_functions(path: Path, found: dict[str, Equation]) -> None:
    module = ".".join(path.relative_to(ROOT / "rlhf_lib").with_suffix("").parts)
    for name, node in _definitions(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node) or ""
        for tag in dict.fromkeys(TAG.findall(text.partition("Equation")[2])):
            equation = found.setdefault(tag, Equation(tag))
            equation.functions.append((f"{module}.{name}", str(path.relative_to(ROOT))))
            equation.summary = equation.summary or " ".join(text.split("\n\n")[0].split())


def _definitions(tree: ast.AST, prefix: str = ""):
    """(dotted name, node) of functions and classes, methods within their classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name, node
            yield from _definitions(node, f"{prefix}{node.name}.")


def _read_tests(path: Path, found: dict[str, Equation]) -> None:
    text = path.read_text(encoding="utf-8")
    tests = [(n, ast.get_source_segment(text, node) or "") for n, node in _definitions(ast.parse(text))
             if n.startswith("test_")]  # fmt: skip
    file = str(path.relative_to(ROOT))
    for tag in dict.fromkeys(TAG.findall(text)):
        if tag in found:
            names = [name for name, body in tests if f"[{tag}]" in body] or [path.stem]
            found[tag].tests += [(name, file) for name in names]


def _read_chapter(name: str, title: str, found: dict[str, Equation]) -> None:
    section, seen = "", set()
    for cell in nbformat.read(CHAPTERS / f"{name}.ipynb", 4).cells:
        if cell.cell_type != "markdown":
            continue
        heading = re.search(r"^## (.+)$", cell.source, re.MULTILINE)
        section = heading.group(1).strip() if heading else section
        if {"exercise", "hint", "recap"} & set(cell.metadata.get("tags", [])):
            continue
        for tag in dict.fromkeys(TAG.findall(cell.source)):
            if tag in found and tag not in seen:
                formula, display = formula_of(cell.source, tag)
                sentence = sentence_of(cell.source, tag)
                found[tag].mentions.append(
                    Mention(name, title, section, formula, display, sentence)
                )
                seen.add(tag)


def formula_of(text: str, tag: str) -> tuple[str, bool]:
    """LaTeX of the formula beside a tag and whether it is a displayed one; ('', False) if there is none."""
    for block in re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL):
        if f"[{tag}]" in block:
            return re.sub(
                r"\s*\\q*quad\s*\\text\{[^}]*\[[A-Z]{2,5}-\d+\][^}]*\}", "", block
            ).strip(), True
    inline = re.sub(r"\$\$.+?\$\$", " ", text, flags=re.DOTALL)
    near = re.search(rf"\$([^$\n]+)\$[^$\n]{{0,12}}\[{tag}\]", inline)
    return (near.group(1), False) if near and "=" in near.group(1) else ("", False)


def sentence_of(text: str, tag: str) -> str:
    """The sentence (or row of a table) in which a tag stands, without the tag."""
    text = re.sub(r"\$\$.+?\$\$", " ", text, flags=re.DOTALL)
    for line in text.split("\n\n"):
        for sentence in re.split(r"(?<=[.:])\s+", line.replace("\n", " ")):
            if f"[{tag}]" in sentence and "|" not in sentence:
                return re.sub(r" +(?=[.,;:])", "", TAG.sub("", sentence)).strip(" -:")
    return ""


def block(equation: Equation) -> str:
    """One equation as markdown."""
    lines = [f"**[{equation.tag}]** {shorten(equation.summary)}"]
    best = max(equation.mentions, key=lambda m: (m.display, bool(m.formula)), default=None)
    if best and best.formula:
        lines.append(f"$${best.formula}$$")
    elif best and best.sentence:
        lines.append(f"> {best.sentence}")
    chapters = ", ".join(section_link(m) for m in equation.mentions) or "not yet in a chapter"
    lines.append(
        f"- chapter: {chapters}\n- function: {code_links(equation.functions)}\n"
        f"- test: {code_links(equation.tests)}"
    )
    return "\n\n".join(lines)


def shorten(summary: str) -> str:
    """A docstring's first sentence, in which markdown's signs stand for themselves."""
    sentence = re.split(r"(?<=[.:]) (?=[A-Z0-9])", TAG.sub("", summary).partition(" Equation")[0])[
        0
    ]
    parts = sentence.rstrip(":.").split("`")  # every second one is code
    parts[::2] = [re.sub(r"([*_<>|$~\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def section_link(mention: Mention) -> str:
    """A link to the section of a chapter."""
    anchor = quote(mention.section.replace(" ", "-"))
    section = mention.section.replace("[", "").replace("]", "")
    return f"[{mention.title}, {section}]({mention.chapter}.ipynb#{anchor})"


def code_links(places: list[tuple[str, str]]) -> str:
    """Names as links to their files; a file's further names follow without a link."""
    shown = [f"[`{name}`](../{file})" for name, file in dict.fromkeys(places)]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")


def page() -> nbformat.NotebookNode:
    """The whole page as a notebook of markdown cells."""
    equations = collect()
    families: dict[str, list[Equation]] = {}
    for tag, equation in equations.items():
        families.setdefault(tag.split("-")[0], []).append(equation)
    texts = [
        f"# Equations\n\nAll {len(equations)} tagged equations of the workbook: the formula, where it is taught, the function that "
        "computes it, and the test that proves it on numbers worked out by hand. This page is written by "
        "`python chapters/source/equations.py` from the tags in the chapters, the docstrings and the tests.\n\n"
        "[Start here](00_start_here.ipynb) · "
        + " · ".join(f"{FAMILIES.get(f, f)} [{f}]" for f in families)
    ]
    texts += [
        "\n\n".join([f"## {FAMILIES.get(family, family)}", *map(block, group)])
        for family, group in families.items()
    ]
    cells = [nbformat.v4.new_markdown_cell(text, id=f"eq-{i:03d}") for i, text in enumerate(texts)]
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def write() -> None:
    """Write the page."""
    nbformat.write(page(), PAGE)


if __name__ == "__main__":
    write()
