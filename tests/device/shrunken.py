"""A chapter's cells one after another in this process, with short training runs, on a chosen device.

    python -m tests.device.shrunken 03 07        # on the pretended accelerator
    python -m tests.device.shrunken --bf16 03    # on the CPU, computing in bfloat16
    python -m tests.device.shrunken --long 03    # with runs of their whole length, claims included

Each training run does its first and its last step. What a chapter claims needs whole runs, so the cells with
claims are left out. Prints the cells that failed; the exit status is 1 if there are any.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from io import StringIO
from unittest import mock

from ..chapters import build, code_cells, names, tags
from .pretend import pretended


@contextmanager
def short_runs() -> Iterator[None]:
    """Every trainer takes its first and its last step only."""
    for room in ("exercises", "labs"):  # the highest: all others are loaded with them
        importlib.import_module(f"rlhf_lib.{room}")
    guards = sys.modules["rlhf_lib.training.guards"]
    whole = guards.run_steps

    def ends(steps, *arguments, **options):
        steps = list(steps)
        return whole([steps[0], *steps[1:][-1:]], *arguments, **options)

    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("rlhf_lib.") and getattr(module, "run_steps", None) is whole:
                stack.enter_context(mock.patch.object(module, "run_steps", ends))
        yield


def run_chapter(name: str, claims: bool = False) -> list[str]:
    """Run the cells of a chapter in order; a sentence for each that failed, with its number and source."""
    from IPython.core.interactiveshell import InteractiveShell

    shell, failures = InteractiveShell(), []
    for number, cell in enumerate(code_cells(build.read_source(name))):
        if "claims" in tags(cell) and not claims:
            continue
        said = StringIO()
        started = time.perf_counter()
        with redirect_stdout(said), redirect_stderr(said):
            result = shell.run_cell(cell.source)
        if os.environ.get("RLHF_TIMES"):
            print(f"{name} {number}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            failures.append(
                f"cell {number}: {type(error).__name__}: {error}\n{cell.source}\n{where}"
            )
        _close_figures()
    return failures


def _close_figures() -> None:
    import matplotlib.pyplot as plt

    plt.close("all")


def main(arguments: list[str]) -> int:
    """Run the named chapters (all, without a name); 1 if a cell failed."""
    os.environ["MPLBACKEND"] = "Agg"
    flags = {text for text in arguments if text.startswith("-")}
    wanted = tuple(text for text in arguments if text not in flags)
    bf16, long = "--bf16" in flags, "--long" in flags
    if bf16:
        os.environ["RLHF_DTYPE"] = "bfloat16"
    failed = 0
    for name in names():
        if wanted and not name.startswith(wanted):
            continue
        started = time.perf_counter()
        with nullcontext() if bf16 else pretended(), nullcontext() if long else short_runs():
            failures = run_chapter(name, claims=long)
        print(
            f"{name}: {len(failures)} cells failed, {time.perf_counter() - started:.0f} s",
            flush=True,
        )
        print("\n".join(failures), flush=True)
        failed += len(failures)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
