"""The house of the library: a one-way street of small functions that loads heavy packages late."""

import ast
import subprocess
import sys

import pytest

from rlhf_lib.workbook.contents import chapters
from tests.chapters import ROOT, names

FILES = sorted((ROOT / "rlhf_lib").rglob("*.py"))
ROOMS = sorted(path.parent.name for path in (ROOT / "rlhf_lib").glob("*/__init__.py"))
WORKBOOK = ROOT / "rlhf_lib" / "workbook"
HEAVY = ("transformers", "datasets", "pandas", "matplotlib", "plotly", "ipywidgets", "IPython")
LONGEST = 60
MEDIAN = 13


def functions() -> list[tuple[int, str]]:
    """(lines, place) of every function of the library."""
    return sorted(
        (node.end_lineno - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.name}")
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_functions_are_small():
    lines = functions()
    assert lines[-1][0] <= LONGEST, lines[-1]
    assert lines[len(lines) // 2][0] <= MEDIAN


def test_rooms_import_only_from_rooms_above_them():
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]


def loaded_by(module: str) -> tuple[float, set[str]]:
    """Seconds that importing a module takes in a fresh process, and all that it loads."""
    script = (
        "import sys, time; start = time.perf_counter(); import "
        f"{module}; print(time.perf_counter() - start, *sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    seconds, *modules = run.stdout.split()
    return float(seconds), set(modules)


def test_import_of_the_library_is_quick_and_light():
    seconds, modules = min(loaded_by("rlhf_lib") for _ in range(3))
    assert seconds <= 1.5
    assert not modules & {"torch", *HEAVY}


@pytest.mark.parametrize("room", [*ROOMS, "exercises", "labs"])
def test_rooms_load_heavy_packages_only_when_used(room):
    _, modules = loaded_by(f"rlhf_lib.{room}")
    assert not modules & set(HEAVY)


def test_the_workbook_loads_heavy_packages_only_when_used():
    paths = [path.relative_to(ROOT).with_suffix("") for path in sorted(WORKBOOK.rglob("*.py"))]
    _, modules = loaded_by(", ".join(".".join(path.parts) for path in paths))
    assert not modules & set(HEAVY)


def test_a_chapter_is_a_table_a_source_and_a_folder_with_tests():
    """Each of the places names the same chapters, so none is forgotten and none is left behind."""
    assert sorted(chapters()) == sorted(names())
    for chapter in chapters():
        assert (ROOT / "chapters" / "source" / f"{chapter}.py").exists(), chapter
        assert (ROOT / "tests" / "workbook" / f"ch{chapter}" / "__init__.py").exists(), chapter


def calls(tree: ast.AST) -> set[str]:
    """Dotted names of what a file calls and imports."""
    found = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle_no_remote_code_no_device_by_name(path):
    text = path.read_text(encoding="utf-8")
    unsafe = {"pickle", "dill", "joblib", "torch.load", "torch.save", "eval", "exec", "os.system"}
    assert not calls(ast.parse(text)) & unsafe
    assert "trust_remote_code" not in text
    if path.name != "runtime.py":
        assert ".cuda()" not in text and '"cuda' not in text, "devices are chosen in runtime.py"
