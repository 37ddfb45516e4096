"""The parts of a chapter: exercises in order, claims, recap, lab, and cells short enough to read."""

import ast
import re
import warnings

from rlhf_lib.exercises import BY_CHAPTER, exercise
from rlhf_lib.workbook.contents import builds, decides
from rlhf_lib.workbook.kit.cells import solution_name
from rlhf_lib.workbook.kit.decide import Decide
from tests.chapters import code_cells, tags

PARTS = ("exercise", "stub", "check", "hint", "solution")
LABEL = re.compile(r"### .*\((easy|medium|hard), (\d+) minutes?\)")
CALL = re.compile(r"exercise\(\s*[\"'](\w+)[\"']\s*\)\.check(?:_solution)?\(")
EXEMPT = {"setup", "stub", "solution", "claims", "long"}
GOOD, HARD, HARD_EXEMPT = 12, 20, 30


def parts(notebook) -> list[tuple[str, object]]:
    """(part, cell) of everything that belongs to an exercise, in order; solved clinic cases do not."""
    found = [(tag, cell) for cell in notebook.cells for tag in PARTS if tag in tags(cell)]
    return [(tag, cell) for tag, cell in found if tag != "solution" or "exercise(" in cell.source]


def test_each_exercise_has_its_five_parts_in_order(notebook):
    kinds = [kind for kind, _ in parts(notebook)]
    assert len(kinds) >= 3 * len(PARTS), "a chapter has at least three exercises"
    assert kinds == list(PARTS) * (len(kinds) // len(PARTS))


def test_exercises_are_those_of_the_library(chapter, notebook):
    checked = [
        CALL.search(cell.source).group(1) for kind, cell in parts(notebook) if kind == "check"
    ]
    larger = {one.name for kind in (builds(), decides()) for one in kind.get(chapter, ())}
    assert len(checked) == len(set(checked))
    assert set(checked) - larger == {e.name for e in BY_CHAPTER[chapter]}


def test_labels_say_difficulty_and_minutes_as_the_library_does(notebook):
    cells = parts(notebook)
    tasks = [cell.source for kind, cell in cells if kind == "exercise"]
    checks = [cell.source for kind, cell in cells if kind == "check"]
    for task, check in zip(tasks, checks, strict=True):
        label, about = LABEL.search(task), exercise(CALL.search(check).group(1))
        assert label, f"no '(easy|medium|hard, N minutes)' in {task.splitlines()[0]!r}"
        level = ("easy", "medium", "hard")[about.difficulty - 1]
        assert label.groups() == (level, str(about.minutes)), about.name


def test_stub_check_and_solution_are_about_the_same_function(notebook):
    cells = parts(notebook)
    for place in range(0, len(cells), len(PARTS)):
        stub, check, solution = (cells[place + i][1].source for i in (1, 2, 4))
        name = CALL.search(check).group(1)
        own = solution_name(exercise(name))
        if isinstance(exercise(name), Decide):
            assert f"{name}_choice = ..." in stub and f".check_solution({own}, " in solution
            continue
        assert name in defined(stub) and own in defined(solution)
        assert CALL.search(solution).group(1) == name
        assert f".check_solution({own})" in solution, f"the solution of {name} must pass its check"


def defined(source: str) -> list[str]:
    """The functions that a cell defines."""
    return [n.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]


def test_a_solution_never_takes_the_name_of_what_the_reader_writes(notebook):
    """Running through a folded solution must leave the reader's function, and say nothing of it."""
    written = {name for cell in code_cells(notebook, "stub") for name in defined(cell.source)}
    written |= {
        name
        for cell in code_cells(notebook)
        for name in defined(cell.source)
        if "..." in cell.source
    }
    for cell in code_cells(notebook, "solution"):
        assert not written & set(defined(cell.source)), cell.source
        assert "the workbook's solution" in str(cell.outputs) and "right</b>" not in str(
            cell.outputs
        )


def test_hints_open_one_at_a_time(notebook):
    for cell in notebook.cells:
        if "hint" in tags(cell):
            assert cell.source.count("<details>") == cell.source.count("</details>") == 3


def test_untouched_stubs_say_not_attempted_yet(notebook):
    for cell in code_cells(notebook, "check"):
        assert "not attempted yet" in str(cell.outputs), cell.source


def test_claims_assert_with_a_message(notebook):
    claims = code_cells(notebook, "claims")
    asserts = [
        n for c in claims for n in ast.walk(ast.parse(c.source)) if isinstance(n, ast.Assert)
    ]
    assert asserts, "no claims cell with an assert"
    for node in asserts:
        assert node.msg is not None, f"say what is claimed: {ast.unparse(node)}"


def test_recap_recall_and_lab_are_there(chapter, notebook):
    assert any("recap" in tags(cell) for cell in notebook.cells)
    assert any(f'recall("{chapter}")' in cell.source for cell in code_cells(notebook))
    assert chapter.startswith("00") or code_cells(notebook, "lab")


def test_some_outputs_are_compared_and_no_tag_is_ignored(notebook):
    used = {tag for cell in notebook.cells for tag in tags(cell)}
    assert "NBVAL_CHECK_OUTPUT" not in used, "as a tag nbval wants it as nbval-check-output"
    strict = [c for c in code_cells(notebook) if "NBVAL_CHECK_OUTPUT" in c.source]
    strict += code_cells(notebook, "nbval-check-output")
    assert strict, "tag a seeded, rounded cell (such as a `check`) nbval-check-output"
    assert all(cell.outputs for cell in strict)


def test_code_cells_are_short(chapter, notebook):
    for cell in code_cells(notebook):
        lines = [line.strip() for line in cell.source.splitlines()]
        count = sum(bool(line) and not line.startswith("#") for line in lines)
        exempt = EXEMPT & set(tags(cell))
        assert count <= (HARD_EXEMPT if exempt else HARD), f"{count} lines:\n{cell.source}"
        if count > GOOD and not exempt:
            warnings.warn(f"{chapter}: a cell of {count} lines: {lines[0]}", stacklevel=1)


def test_no_magics_no_shell_no_input(notebook):
    for cell in code_cells(notebook):
        ast.parse(cell.source)  # a magic or a shell line is no Python
        assert not re.search(r"\binput\(", cell.source)
