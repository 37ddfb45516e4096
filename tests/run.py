"""`make test`: unit, project and mutation tests; every chapter, cell by cell; the labs in a browser.

One thing at a time, with all cores: two at a time, each with half of them, were slower.
"""

from __future__ import annotations

import re
import subprocess
import sys

from . import book


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


def main() -> int:
    """Run all three parts and close with one line that counts them."""
    print("== unit, project and mutation tests ==", flush=True)
    unit = run_pytest("tests", "--ignore=tests/browser")
    print("\n== chapters, executed by nbval ==", flush=True)
    chapters = (*book.report(map(book.run_chapter, book.chapters())), 0)
    print("\n== labs, in a browser ==", flush=True)
    labs = run_pytest("tests/browser")
    passed, failed, skipped = (sum(numbers) for numbers in zip(unit, chapters, labs, strict=True))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
