"""Types: mypy finds nothing in the rooms that `pyproject.toml` names."""

import subprocess
import sys

import pytest

from tests.chapters import ROOT


def test_mypy_is_content():
    pytest.importorskip("mypy", reason="mypy is not installed (it is in the extra 'test')")
    run = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
