"""Run every chapter under nbval, one at a time, and report cells, seconds and peak memory.

nbval compares outputs in cells tagged `nbval-check-output`; elsewhere a cell passes if it runs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = float(os.environ.get("RLHF_CHAPTER_SECONDS", 90))
LIMIT_GIGABYTES = 2.0


@dataclass
class Run:
    """What running one chapter showed."""

    name: str
    passed: int
    failed: int
    seconds: float
    gigabytes: float
    claims: int
    output: str

    @property
    def problems(self) -> list[str]:
        """Why this run does not count as good."""
        found = [f"{self.failed} cells failed"] if self.failed or not self.passed else []
        if self.claims == 0:
            found.append("no claims cell")
        if self.seconds > LIMIT_SECONDS:
            found.append(
                f"took more than {LIMIT_SECONDS:.0f} s (RLHF_CHAPTER_SECONDS changes that)"
            )
        if self.gigabytes > LIMIT_GIGABYTES:
            found.append(f"took more than {LIMIT_GIGABYTES} GB")
        return found


def run_chapter(path: Path) -> Run:
    """One chapter in a process of its own."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-v",
               "--nbval-cell-timeout", "300", "-p", "no:cacheprovider", str(path)]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    notebook = nbformat.read(path, 4)
    claims = sum("claims" in cell.metadata.get("tags", []) for cell in notebook.cells)
    return Run(
        name=path.stem,
        passed=_count(output, "passed"),
        failed=_count(output, "failed") + _count(output, "error"),
        seconds=time.perf_counter() - started,
        gigabytes=usage.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6),
        claims=claims,
        output=output,
    )


def _count(output: str, word: str) -> int:
    found = re.findall(rf"(\d+) {word}", output.splitlines()[-1] if output.strip() else "")
    return int(found[0]) if found else 0


def main() -> tuple[int, int]:
    """Run all; print a table; return (cells passed, problems)."""
    passed = problems = 0
    print(f"{'chapter':24s} {'cells':>6s} {'claims':>6s} {'seconds':>8s} {'GB':>5s}")
    total = 0.0
    for path in sorted((ROOT / "chapters").glob("[0-9]*.ipynb")):
        run = run_chapter(path)
        trouble = run.problems
        row = f"{run.name:24s} {run.passed:6d} {run.claims:6d} {run.seconds:8.1f} {run.gigabytes:5.2f}"
        print(row + ("  " + "; ".join(trouble) if trouble else ""), flush=True)
        if trouble:
            print(run.output[-6000:])
        passed, problems, total = passed + run.passed, problems + len(trouble), total + run.seconds
    print(f"{'all':24s} {passed:6d} {'':6s} {total:8.1f}")
    return passed, problems


if __name__ == "__main__":
    sys.exit(main()[1] > 0)
