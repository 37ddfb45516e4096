"""`make test`: unit, project and mutation tests; then every chapter, cell by cell, once."""

from __future__ import annotations

import re
import subprocess
import sys

from . import book


def run_pytest() -> tuple[int, int, int]:
    """All of tests/: (passed, failed, skipped). A run that broke off counts as one failure."""
    command = [sys.executable, "-m", "pytest", "tests", "-v", "--durations=8"]  # -v undoes our -q
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
    """Run both parts and close with one line that counts them."""
    print("== unit, project and mutation tests ==", flush=True)
    passed, failed, skipped = run_pytest()
    print("\n== chapters, executed by nbval ==", flush=True)
    cells, problems = book.main()
    print(f"\n{passed + cells} passed, {failed + problems} failed, {skipped} skipped")
    return int(failed + problems > 0)


if __name__ == "__main__":
    sys.exit(main())
