"""The page of all equations is what its script writes, and knows every tag's function and test."""

import importlib.util
import sys

import nbformat
import pytest

from tests.chapters import CHAPTERS, ROOT, SOURCE, build, names
from tests.notebooks.test_equations import library_tags

_spec = importlib.util.spec_from_file_location("equations_page", SOURCE / "equations.py")
equations = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = equations  # where dataclasses look for their module
_spec.loader.exec_module(equations)


@pytest.fixture(scope="module")
def collected():
    return equations.collect()


def test_the_stored_page_is_in_step():
    stored = [cell.source for cell in nbformat.read(CHAPTERS / "equations.ipynb", 4).cells]
    made = [cell.source for cell in equations.page().cells]
    assert stored == made, "python chapters/source/equations.py"


def test_every_tag_of_the_library_is_there_with_function_and_test(collected):
    assert set(collected) == library_tags()
    text = "\n".join(cell.source for cell in nbformat.read(CHAPTERS / "equations.ipynb", 4).cells)
    for tag, equation in collected.items():
        assert f"**[{tag}]**" in text
        assert equation.functions and equation.tests and equation.summary, tag
        for name, file in equation.functions + equation.tests:
            assert name.split(".")[-1] in (ROOT / file).read_text(encoding="utf-8") or name in file


def test_taught_equations_have_a_section_and_a_formula_or_a_sentence(collected):
    families = {f for table in build.chapters().values() for f in table["equations"]}
    for tag, equation in collected.items():
        if tag.split("-")[0] in families:
            assert equation.mentions, tag
        for mention in equation.mentions:
            assert mention.chapter in names() and mention.section, tag
        assert not equation.mentions or any(m.formula or m.sentence for m in equation.mentions), tag


def test_families_have_names(collected):
    assert {tag.split("-")[0] for tag in collected} <= set(equations.FAMILIES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so $$a = b \qquad \text{[RM-1]}$$ and", ("a = b", True)),
        (r"$$x$$ then $p = q$ [RM-1]. More $y = z$", ("p = q", False)),
        ("whitened [RM-1], as $a = b$ says", ("", False)),
        (r"$$c = d \qquad \text{[RM-2]}$$ [RM-1]", ("", False)),
    ],
)
def test_formulas_are_found_beside_their_tags(text, expected):
    assert equations.formula_of(text, "RM-1") == expected


def test_sentences_and_summaries():
    text = "First. Advantages are **whitened** [RM-1]. Last."
    assert equations.sentence_of(text, "RM-1") == "Advantages are **whitened**."
    assert equations.shorten("p_v * q (B,). More") == r"p\_v \* q (B,)"
    assert equations.shorten("the `top_p` of p_v.") == r"the `top_p` of p\_v"
