"""A chapter's cells one after another in this process, with short training runs, on a chosen device.

    python -m tests.device.shrunken 03 07        # on the pretended accelerator
    python -m tests.device.shrunken --bf16 03    # on the CPU, computing in bfloat16
    python -m tests.device.shrunken --whole 03   # on the CPU as it is, with whole runs and what they claim

Each training run takes its first and its last step (a trainer that is stepped by hand, and a run in the exact
world: its first `STEPS`; from then on it repeats its last row), what is measured on the way is measured on fewer
requests (`SIZES`), answers have up to `LONGEST` tokens, and the cells with claims, which need whole runs, are left
out. Labs are built, and each of their controls is moved once.
Prints the cells that failed; the exit status is 1 if there are any.
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

LONGEST = 12
"""Tokens of a sampled answer."""
STEPS = 2
"""Steps of a trainer that are real."""
WORKBOOK = "rlhf_lib.workbook."
SIZES = {
    "ch07_reward_modeling.linear": {"ITERATIONS": 3},
    "ch07_reward_modeling.measures": {"HELD_OUT": 32, "REQUESTS": 12},
    "ch12_direct_alignment.measures": {"REQUESTS": 12},
    "ch12_direct_alignment.experiments": {"WEIGHED": 40},
}
"""Module of a chapter -> how many comparisons, requests or iterations it uses here."""
ROWS = {"read_preferences": 168, "near_pairs": 48}
"""Comparisons that chapter 12's experiments read from a file, or make."""


def stepped(step):
    """A trainer's `step` that is real for `STEPS` calls and then logs its last row once more."""

    def first_steps(trainer, *arguments, **options):
        rows = trainer.history.rows
        if len(rows) < STEPS:
            return step(trainer, *arguments, **options)
        rows.append({**rows[-1], "step": len(rows)})
        return rows[-1]

    return first_steps


class ExactSteps:
    """How many steps of a run in the exact world are real: all, where a solution decides by its numbers."""

    real: float = STEPS


def few_losses(loss_of_run):
    """`_loss_of` of the exact world: its losses are real for so many calls; then the last one, without a graph."""

    def loss_of_few(*arguments):
        loss_of, seen = loss_of_run(*arguments), []

        def loss():
            if len(seen) >= ExactSteps.real:
                return seen[-1]
            found = loss_of()
            seen.append(found.detach())
            return found

        return loss

    return loss_of_few


def where_it_has_a_graph(update):
    """`optimizer_step` that leaves a loss without a graph alone."""
    return lambda loss, *arguments: update(loss, *arguments) if loss.requires_grad else 0.0


def few_updates(whole):
    """Chapter 07's `train_and_look` with `STEPS` real updates; it looks after each of the others all the same."""
    from rlhf_lib.training.sft import epochs_of_batches

    def train_and_look(model, pairs, settings, look, steps=None):
        losses = whole(model, pairs, settings, look, STEPS)
        for done in range(STEPS, len(list(epochs_of_batches(len(pairs), settings))[:steps])):
            losses.append(losses[-1])
            look(done + 1)
        return losses

    return train_and_look


def few_rows(read):
    """A function that gives comparisons, and now the first of them."""
    return lambda *arguments, **options: read(*arguments, **options)[: ROWS[read.__name__]]


@contextmanager
def shortened() -> Iterator[None]:
    """Every trainer takes its first and its last step only; answers are cut at `LONGEST` tokens."""
    importlib.import_module("rlhf_lib.training")  # so that there is something to patch
    from rlhf_lib.exact import training as exact_training
    from rlhf_lib.lm import Policy
    from rlhf_lib.training import DirectTrainer, OnlineTrainer, guards
    from rlhf_lib.workbook.ch07_reward_modeling import measures
    from rlhf_lib.workbook.ch12_direct_alignment import experiments as direct

    whole, sample, exact = guards.run_steps, Policy.sample, exact_training.run_training
    at_full_length = False

    def ends(steps, *arguments):
        steps = list(steps)
        return whole(steps if at_full_length else [*steps[:1], *steps[1:][-1:]], *arguments)

    def run_exact(*arguments, **options):  # drawn beside stored runs, step by step
        nonlocal at_full_length
        at_full_length = True
        try:
            return exact(*arguments, **options)
        finally:
            at_full_length = False

    def sample_few(policy, prompts, samples_per_prompt=1, max_new_tokens=LONGEST, *more, **options):
        return sample(
            policy, prompts, samples_per_prompt, min(LONGEST, max_new_tokens), *more, **options
        )

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Policy, "sample", sample_few))
        for owner, attribute, change in (
            (exact_training, "_loss_of", few_losses),
            (exact_training, "optimizer_step", where_it_has_a_graph),
            (measures, "train_and_look", few_updates),
            (direct, "read_preferences", few_rows),
            (direct, "near_pairs", few_rows),
        ):
            changed = change(getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, changed))
        stack.enter_context(mock.patch.object(exact_training, "run_training", run_exact))
        for module, sizes in SIZES.items():
            there = importlib.import_module(WORKBOOK + module)
            stack.enter_context(mock.patch.multiple(there, **sizes))
        for trainer in (OnlineTrainer, DirectTrainer):
            stack.enter_context(mock.patch.object(trainer, "step", stepped(trainer.step)))
        for name, module in list(sys.modules.items()):
            if (
                name.startswith("rlhf_lib.training.")
                and getattr(module, "run_steps", None) is whole
            ):
                stack.enter_context(mock.patch.object(module, "run_steps", ends))
        yield


def run_chapter(name: str, claims: bool = False) -> list[str]:
    """Run the cells of a chapter in order; what failed, with the number of the cell and its source."""
    import matplotlib.pyplot as plt
    from IPython.core.interactiveshell import InteractiveShell

    shell, failures = InteractiveShell(), []
    for number, cell in enumerate(code_cells(build.read_source(name))):
        if "claims" in tags(cell) and not claims:
            continue
        ExactSteps.real = float("inf") if "solution" in tags(cell) else STEPS
        said, started = StringIO(), time.process_time()
        with redirect_stdout(said), redirect_stderr(said):
            result = shell.run_cell(cell.source)
            error = result.error_before_exec or result.error_in_exec
            if error is None and "lab" in tags(cell):
                error = moved(result.result)
        if os.environ.get("RLHF_TIMES"):
            print(f"{name} {number}: {time.process_time() - started:.1f} s", file=sys.stderr)
        if error is not None:
            failures.append(described(number, cell.source, error))
        plt.close("all")
    return failures


def moved(lab) -> Exception | None:
    """Set each control of a lab to another value; what went wrong, or None."""
    try:
        for control in getattr(lab, "controls", {}).values():
            if hasattr(control, "options"):
                control.index = (control.index + 1) % len(control.options)
            else:
                control.value = control.max if control.value != control.max else control.min
    except Exception as error:  # shown like that of a cell
        return error
    return None


def described(number: int, source: str, error: BaseException) -> str:
    """A failed cell, to read."""
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    return f"cell {number}: {type(error).__name__}: {str(error)[:500]}\n{source}\n{where}"


def main(arguments: list[str]) -> int:
    """Run the named chapters (all, without a name); 1 if a cell failed."""
    os.environ["MPLBACKEND"] = "Agg"
    flags = {text for text in arguments if text.startswith("-")}
    wanted = tuple(text for text in arguments if text not in flags)
    if "--bf16" in flags:
        os.environ["RLHF_DTYPE"] = "bfloat16"
    whole = "--whole" in flags
    device = nullcontext if flags & {"--bf16", "--whole"} else pretended
    failed = 0
    for name in names():
        if wanted and not name.startswith(wanted):
            continue
        started = time.process_time()
        with device(), nullcontext() if whole else shortened():
            failures = run_chapter(name, claims=whole)
        seconds = time.process_time() - started
        print(f"{name}: {len(failures)} cells failed; {seconds:.0f} CPU seconds", flush=True)
        print(*failures, sep="\n", flush=True)
        failed += len(failures)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
