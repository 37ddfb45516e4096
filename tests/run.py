"""`make test`: unit, project and mutation tests; every chapter, cell by cell; the labs in a browser.

    python -m tests.run                  # all of it
    python -m tests.run units chapters   # parts

Tests and chapters run side by side, a thread each: work on small models gains little from a second one.
The labs run alone, since their latency is measured. (`make book` runs one chapter at a time, with all cores.)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from . import book
from .chapters import build

AT_ONCE = min(4, os.cpu_count() or 1)
HALF = tuple(f"tests/{room}" for room in ("workbook", "training", "notebooks", "exact"))
"""Unit tests that take about as long as all others."""


def run_pytest(*arguments: str, threads: int | None = None) -> tuple[int, int, int]:
    """pytest: (passed, failed, skipped). A run that broke off counts as one failure.

    threads: to compute with; all cores by default. Its output is printed when it ends.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        *arguments,
        "-v",
        "--durations=8",
    ]  # -v undoes our -q
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd=book.ROOT, env=book.environment(threads), encoding="utf-8",
    )  # fmt: skip
    lines = process.stdout.readlines()
    broken = process.wait() != 0
    print("".join(lines), flush=True)
    closing = next((line for line in reversed(lines) if re.search(r" in [\d.]+s", line)), "")
    passed, failed, skipped = (
        sum(int(number) for number in re.findall(rf"(\d+) (?:{word})", closing))
        for word in ("passed", "failed|error", "skipped")
    )
    return passed, max(failed, int(broken)), skipped


def recorded_seconds(chapter: Path) -> float:
    """What a chapter took when it was last recorded."""
    return build.chapters()[chapter.stem]["seconds"]


def units() -> list[tuple[int, int, int]]:
    """Unit, project and mutation tests, in three processes side by side."""
    apart = ("tests/device",)  # a process of its own: it stands in for parts of torch
    others = ("tests", *(f"--ignore={folder}" for folder in ("tests/browser", *apart, *HALF)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda part: run_pytest(*part, threads=1), (HALF, apart, others)))


def chapters() -> list[tuple[int, int, int]]:
    """Every chapter that there is, the longest first."""
    print(f"{AT_ONCE} at a time", flush=True)
    longest_first = sorted(book.chapters(), key=recorded_seconds, reverse=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = pool.map(partial(book.run_chapter, threads=1), longest_first)
        return [(*book.report(runs), 0)]


def labs() -> list[tuple[int, int, int]]:
    """The labs in a real browser, alone."""
    return [run_pytest("tests/browser")]


PARTS = {
    "units": ("unit, project and mutation tests", units),
    "chapters": ("chapters, executed by nbval", chapters),
    "labs": ("labs, in a browser", labs),
}


def main(names: list[str]) -> int:
    """Run these parts, or all, and close with one line that counts them."""
    found: list[tuple[int, int, int]] = []
    for name in names or PARTS:
        title, run = PARTS[name]
        print(f"\n== {title} ==", flush=True)
        found += run()
    passed, failed, skipped = (sum(numbers) for numbers in zip(*found, strict=True))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
