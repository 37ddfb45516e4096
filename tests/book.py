"""Run every chapter under nbval and report cells, seconds and peak memory.

nbval compares outputs in cells tagged `nbval-check-output`; elsewhere a cell passes if it runs.

    python -m tests.book             # all chapters
    python -m tests.book 07 18       # these
    python -m tests.book --record    # also write seconds and gigabytes into chapters.toml and the headers
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from .chapters import ROOT, build, tags

HANGS = 3600
"""Seconds after which a cell is taken to hang. No verdict depends on how fast a machine is."""
LIMIT_GIGABYTES = 2.0
CLOSING = re.compile(r"(?:passed|failed|error)\S* in ([\d.]+)s")
"""pytest's last line. Its seconds are those of the kernel's start and the cells, without pytest's own start."""
CELL = re.compile(r"::Cell (\d+) (PASSED|FAILED|ERROR|XFAIL|SKIPPED)")


@dataclass
class Run:
    """What running one chapter showed. `results`: number of the code cell -> PASSED, FAILED, ..."""

    name: str
    results: dict[int, str]
    tagged: dict[str, list[int]]
    status: int
    seconds: float
    gigabytes: float
    output: str

    def passed(self, tag: str | None = None) -> int:
        """Cells that passed; only those with this tag, if one is given."""
        numbers = self.results if tag is None else self.tagged.get(tag, [])
        return sum(self.results.get(number) == "PASSED" for number in numbers)

    @property
    def problems(self) -> list[str]:
        """Why this run does not count as good."""
        failed = [str(n) for n, result in self.results.items() if result in ("FAILED", "ERROR")]
        found = [f"code cells {', '.join(failed)} failed"] if failed else []
        if not failed and (self.status != 0 or not self.results):
            found.append(f"pytest ended with status {self.status}")
        if self.passed("claims") == 0:
            found.append("no claims cell passed")
        if self.gigabytes > LIMIT_GIGABYTES:
            found.append(f"over {LIMIT_GIGABYTES} GB")
        return found


def environment(threads: int | None) -> dict[str, str]:
    """Variables for a process that computes with so many threads; None: with all cores. A reader's labels stay out."""
    whole = {**os.environ, "RLHF_LABELS": str(ROOT / "build" / "nobodys-labels")}
    return whole if threads is None else {**whole, "OMP_NUM_THREADS": str(threads)}


def run_chapter(path: Path, threads: int | None = None) -> Run:
    """One chapter in a process of its own, and its kernel in another; memory is the larger of both."""
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-v", "-o", "addopts=",
               "--nbval-cell-timeout", str(HANGS), "-p", "no:cacheprovider", "--color=no", "--durations=3",
               str(path)]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=environment(threads), encoding="utf-8",
    )  # fmt: skip
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    closing = CLOSING.findall(output)
    return Run(
        name=path.stem,
        results={int(number): result for number, result in CELL.findall(output)},
        tagged=tagged_cells(path),
        status=process.returncode,
        seconds=float(closing[-1]) if closing else time.perf_counter() - started,
        gigabytes=usage.ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6),
        output=output,
    )


def tagged_cells(path: Path) -> dict[str, list[int]]:
    """Tag -> numbers of the code cells that have it, counted from 0 as nbval does."""
    found: dict[str, list[int]] = {}
    code = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    for number, cell in enumerate(code):
        for tag in tags(cell):
            found.setdefault(tag, []).append(number)
    return found


def row(run: Run) -> str:
    """One line of the table."""
    note = "; ".join(run.problems)
    counts = "".join(f" {run.passed(tag):7d}" for tag in (None, "solution", "claims"))
    return f"{run.name:22s}{counts} {run.seconds:8.1f} {run.gigabytes:6.2f}  {note}".rstrip()


def chapters(only: Sequence[str] = ()) -> list[Path]:
    """The notebooks in reading order; only those whose names begin so, if any are given."""
    paths = sorted((ROOT / "chapters").glob("[0-9]*.ipynb"))
    return [p for p in paths if not only or p.name.startswith(tuple(only))]


def report(runs: Iterable[Run], record: bool = False) -> tuple[int, int]:
    """Print a table of the runs as they come; return (cells passed, problems)."""
    heads = ("all", "solved", "claims", "seconds", "GB")
    print("{:22s} {:>7s} {:>7s} {:>7s} {:>8s} {:>6s}".format("cells that passed", *heads))
    done = []
    for run in runs:
        done.append(run)
        print(row(run), flush=True)
        if run.problems:
            print(run.output[-6000:], flush=True)
        elif record:
            build.record(run.name, seconds=run.seconds, gigabytes=run.gigabytes)
    cells, seconds = sum(run.passed() for run in done), sum(run.seconds for run in done)
    print(f"{'all':22s} {cells:7d} {'':15s} {seconds:8.1f}")
    return cells, sum(len(run.problems) for run in done) + (not done)


def main(arguments: list[str]) -> int:
    """Run the chapters one at a time; 1 if anything went wrong."""
    record = "--record" in arguments
    only = [text for text in arguments if not text.startswith("-")]
    _, problems = report(map(run_chapter, chapters(only)), record)
    if record:
        build.renew_headers()
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
