"""What is committed under chapters/: in step with its source, executed, and readable without a kernel."""

import re

from tests.chapters import CHAPTERS, SOURCE, build, code_cells, names, text_outputs

MACHINE = re.compile(r"/(?:home|root|work|Users|tmp)/[\w.-]+|[A-Z]:\\Users\\[\w.-]+")


def test_the_table_and_the_folder_list_the_same_chapters():
    for folder, kind in ((SOURCE, "[0-9]*.py"), (CHAPTERS, "[0-9]*.ipynb")):
        assert sorted(path.stem for path in folder.glob(kind)) == sorted(names()), folder


def test_notebook_is_in_step_with_its_source(chapter, notebook):
    stored, source = (build.cell_texts(n) for n in (notebook, build.read_source(chapter)))
    remedy = f"make chapters ONLY={chapter[:2]}"
    for number, (there, here) in enumerate(zip(stored, source, strict=False)):
        assert there == here, f"cell {number} differs from the source: {remedy}"
    assert len(stored) == len(source), remedy


def test_header_and_navigation_are_those_of_the_table(chapter, notebook):
    injected = [
        cell.source for cell in notebook.cells if {"header", "navigation"} & set(build.tags(cell))
    ]
    assert injected == [build.header(chapter), build.navigation(chapter)], (
        "python chapters/source/build.py --headers"
    )
    assert build.tags(notebook.cells[1]) == ["header"]


def test_every_code_cell_was_run_in_order(notebook):
    assert [cell.execution_count for cell in code_cells(notebook)] == list(
        range(1, len(code_cells(notebook)) + 1)
    )


def test_outputs_hold_no_error_no_warning_and_no_widget(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", f"{cell.source}\n{output.get('text')}"
            assert build.WIDGET not in output.get("data", {}), cell.source


def test_metadata_is_what_the_build_writes(notebook):
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_solutions_are_collapsed(notebook):
    for cell in code_cells(notebook, "solution"):
        assert cell.metadata.jupyter.source_hidden and "hide-input" in build.tags(cell)


def test_no_path_of_some_machine(notebook):
    for cell in notebook.cells:
        texts = cell.source + (text_outputs(cell) if cell.cell_type == "code" else "")
        assert not MACHINE.search(texts), MACHINE.search(texts).group()


def test_notebook_has_a_figure_and_stays_small(chapter, notebook):
    kinds = {kind for c in code_cells(notebook) for o in c.outputs for kind in o.get("data", {})}
    assert {"image/png", "image/svg+xml"} & kinds
    assert (CHAPTERS / f"{chapter}.ipynb").stat().st_size < 4e6
