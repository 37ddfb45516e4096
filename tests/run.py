"""`make test`: unit, project and mutation tests beside every chapter, cell by cell; then the labs in a browser.

Two things run at a time, each with half of the cores: models this small hardly use a second core. The labs
come last and alone, so that their latency means something.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from . import book

AT_A_TIME = 2


def run_pytest(*arguments: str) -> tuple[int, int, int]:
    """pytest: (passed, failed, skipped). A run that broke off counts as one failure."""
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
        text=True, cwd=book.ROOT,
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    broken = process.wait() != 0
    closing = next((line for line in reversed(lines) if re.search(r" in [\d.]+s", line)), "")
    passed, failed, skipped = (
        sum(int(number) for number in re.findall(rf"(\d+) (?:{word})", closing))
        for word in ("passed", "failed|error", "skipped")
    )
    return passed, max(failed, int(broken)), skipped


def share_cores() -> None:
    """What runs from here on gets its share of the cores, unless the reader has said how many."""
    threads = (
        max(1, len(os.sched_getaffinity(0)) // AT_A_TIME) if hasattr(os, "sched_getaffinity") else 1
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def main() -> int:
    """Run all three parts and close with one line that counts them."""
    share_cores()
    print("== unit, project and mutation tests ==", flush=True)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        unit = pool.submit(run_pytest, "tests", "--ignore=tests/browser")
        chapters = [pool.submit(book.run_chapter, path) for path in book.chapters()]
        passed, failed, skipped = unit.result()
        print("\n== chapters, executed by nbval ==", flush=True)
        cells, problems = book.report(chapter.result() for chapter in chapters)
    print("\n== labs, in a browser ==", flush=True)
    parts = [(passed, failed, skipped), (cells, problems, 0), run_pytest("tests/browser")]
    passed, failed, skipped = (sum(numbers) for numbers in zip(*parts, strict=True))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
