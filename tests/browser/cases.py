"""The labs that are tried in the browser: `CASES` of `lab_cases.py` in the chapters' folders of tests/workbook."""

from __future__ import annotations

import importlib
from pathlib import Path

from .case import Case

WORKBOOK = Path(__file__).resolve().parents[1] / "workbook"


def cases_of_chapters() -> list[Case]:
    """All cases, chapter by chapter."""
    modules = [
        importlib.import_module(f"tests.workbook.{path.parent.name}.lab_cases")
        for path in sorted(WORKBOOK.glob("ch*/lab_cases.py"))
    ]
    return [case for module in modules for case in module.CASES]


CASES = cases_of_chapters()
