"""The three sets of equation tags: in the chapters, in the library's docstrings, in the tests."""

import ast

from tests.chapters import CHAPTERS, ROOT, build, equation_tags, markdown, names, stored


def library_tags() -> set[str]:
    """Tags in docstrings that have an 'Equation: [..]' line."""
    found = set()
    for path in (ROOT / "rlhf_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                text = ast.get_docstring(node) or ""
                found |= equation_tags(text.partition("Equation")[2])
    return found


def proved_tags() -> set[str]:
    """Tags in the tests of the library."""
    aside = {"project", "notebooks", "chapters.py"}
    files = [
        p
        for p in (ROOT / "tests").rglob("*.py")
        if p.relative_to(ROOT / "tests").parts[0] not in aside
    ]
    return set().union(*(equation_tags(path.read_text(encoding="utf-8")) for path in files))


def chapter_tags() -> set[str]:
    """Tags in the markdown of all stored chapters."""
    there = [name for name in names() if (CHAPTERS / f"{name}.ipynb").exists()]
    return set().union(*(equation_tags(markdown(stored(name))) for name in there))


def test_every_equation_of_the_library_is_proved_by_a_test():
    assert library_tags() == proved_tags()


def test_chapters_teach_the_equations_of_their_families_and_no_others():
    families = {family for table in build.chapters().values() for family in table["equations"]}
    taught = {tag for tag in library_tags() if tag.split("-")[0] in families}
    assert chapter_tags() == taught
