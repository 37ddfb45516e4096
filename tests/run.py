"""`make test`: unit, project and mutation tests; then every chapter, cell by cell."""

from __future__ import annotations

import re
import subprocess
import sys

from . import book


def main() -> int:
    """Run both parts and close with one line that counts them."""
    print("== unit, project and mutation tests ==", flush=True)
    command = [sys.executable, "-m", "pytest", "tests", "--durations=8"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    broken = process.wait() != 0
    closing = lines[-1] if lines else ""
    passed = sum(int(n) for n in re.findall(r"(\d+) passed", closing))
    failed = sum(int(n) for n in re.findall(r"(\d+) (?:failed|error)", closing))
    print("\n== chapters, executed by nbval ==", flush=True)
    cells, problems = book.main()
    print(f"\n{passed + cells} passed, {max(failed, int(broken)) + problems} failed")
    return int(broken or problems > 0)


if __name__ == "__main__":
    sys.exit(main())
