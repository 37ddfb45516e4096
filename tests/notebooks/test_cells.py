"""What the build makes of a source: exercises from the library, folds, and text taken over."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from rlhf_lib.exercises import exercise
from rlhf_lib.workbook.kit import cells
from tests.chapters import CHAPTERS, SOURCE, build, tags

TASK = "{exercise: my_k3}\n\n`logp` and `ref_logp` (B, T)."
SOLVED = "def solution_k3(logp, ref_logp):\n    return logp"


def tagged(cell, tag):
    cell.metadata["tags"] = [tag]
    return cell


def made(task=TASK, solved=SOLVED, tag="solution"):
    source = [tagged(new_markdown_cell(task), "exercise"), tagged(new_code_cell(solved), tag)]
    return build.with_exercises(source)


def test_an_exercise_is_made_from_the_library():
    task, stub, check, hints, solution = made()
    k3 = exercise("my_k3")
    assert task.source.startswith(f"### Exercise 1: {k3.title} (medium, 10 minutes)\n\n`logp`")
    assert stub.source == "def my_k3(logp, ref_logp):\n    ..."
    assert check.source.endswith('exercise("my_k3").check(my_k3)')
    assert all(hint in hints.source for hint in k3.hints) and hints.source.count("<details>") == 3
    assert solution.source.endswith('exercise("my_k3").check_solution(solution_k3)')
    assert tags(check) == ["check", "nbval-check-output"] and tags(solution) == ["solution"]


def test_the_plan_of_a_build_stands_in_its_stub():
    stub = cells.stub(
        exercise("my_dpo_training"), "def solution_dpo_training(a, b=2):\n    return a"
    )
    assert stub.startswith("def my_dpo_training(a, b=2):\n    # 1. a reference")
    assert stub.endswith("\n    ...")


def test_a_decision_is_predicted_measured_and_chosen():
    task, ask, stub, check, hints, solution = made(
        "{exercise: my_labels}\n\nTrain.", "solution_labels = {}\nsolution_labels_choice = '1'"
    )
    assert ask.source.endswith('exercise("my_labels").ask()') and tags(ask) == ["predict"]
    assert stub.source.splitlines()[1] == "my_labels_choice = ..."
    assert check.source == 'exercise("my_labels").check(my_labels, my_labels_choice)'
    assert solution.source.endswith(".check_solution(solution_labels, solution_labels_choice)")


@pytest.mark.parametrize(
    ("task", "solved", "tag", "said"),
    [
        ("### Exercise 1", SOLVED, "solution", "must begin with {exercise: name}"),
        (TASK, SOLVED, "stub", "tagged solution"),
        (
            TASK,
            "def my_k3(logp, ref_logp):\n    return logp",
            "solution",
            "must define solution_k3",
        ),
        ("{exercise: my_k9}", SOLVED, "solution", "there are"),
    ],
)
def test_a_source_that_cannot_be_made_into_cells_says_why(task, solved, tag, said):
    with pytest.raises(ValueError, match=said):
        made(task, solved, tag)


def test_text_is_taken_over_without_losing_an_output(monkeypatch):
    """A changed sentence keeps every picture; changed code is refused."""
    name, written = "00_start_here", []
    there = nbformat.read(CHAPTERS / f"{name}.ipynb", 4)
    monkeypatch.setattr(build, "write", lambda notebook, _: written.append(notebook))
    source = build.read_source(name)
    source.cells[0].source += " And one sentence more."
    monkeypatch.setattr(build, "read_source", lambda _: source)
    build.take_text(name)
    old, new = ([c.outputs for c in n.cells if c.cell_type == "code"] for n in (there, written[0]))
    assert old == new
    next(c for c in source.cells if c.cell_type == "code").source += "\nprint(1)"
    with pytest.raises(ValueError, match="this cell has changed"):
        build.take_text(name)


def test_pages_fold_solutions_and_what_was_predicted():
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="folded", extra_template_basedirs=[str(SOURCE)])
    shown = [new_output("stream", text="it fell")]
    notebook = new_notebook(
        cells=[
            tagged(new_code_cell("answer = 42"), "solution"),
            tagged(new_code_cell("look()", outputs=shown), "predicted"),
            new_code_cell("unfolded"),
        ]
    )
    page = exporter.from_notebook_node(notebook)[0]
    body = page[page.index("<main>") :]
    assert body.count('<details class="jp-Cell">') == body.count("</details>") == 2
    assert body.index("Solution</summary>") < body.index("42") < body.index("</details>")
    assert body.index("make your guess first") < body.index("it fell") < body.rindex("</details>")
    assert body.rindex("</details>") < body.index("unfolded")
