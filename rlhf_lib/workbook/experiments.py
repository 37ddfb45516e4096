"""Run the chapters' experiments and say whether their claims hold: `make experiments`, `make claims`.

python -m rlhf_lib.workbook.experiments                        # all, and store them in data/
python -m rlhf_lib.workbook.experiments 07 --seeds 0 1         # one chapter, some seeds; others are kept
python -m rlhf_lib.workbook.experiments kl_sweep               # one experiment
python -m rlhf_lib.workbook.experiments --claims 07            # anew, storing nothing; prints every claim
python -m rlhf_lib.workbook.experiments --claims --stored      # the claims on the stored runs
"""

from __future__ import annotations

import argparse
import sys
import time

from ..experiments.experiment import Experiment, outcomes
from ..experiments.stored import results_of, store
from .contents import in_chapters


def experiments(only: list[str] | None = None) -> list[tuple[str, Experiment]]:
    """(chapter, experiment) of all chapters, or of those named by chapter ('07') or by experiment."""
    return [
        (chapter, experiment)
        for chapter, named in in_chapters("experiments", "EXPERIMENTS").items()
        for experiment in named.values()
        if not only or chapter[:2] in only or chapter in only or experiment.name in only
    ]


def run_all(only: list[str], seeds: list[int] | None) -> None:
    """Run the seeds one after another and store each as soon as it is done."""
    command = "python -m rlhf_lib.workbook.experiments"
    for chapter, experiment in experiments(only):
        for seed in experiment.seeds if seeds is None else seeds:
            started = time.perf_counter()
            result = experiment.run(seed)
            store(chapter, experiment, seed, result, f"{command} {experiment.name}")
            seconds = time.perf_counter() - started
            print(f"{chapter}/{experiment.name}: seed {seed}, {seconds:.0f} s", flush=True)


def check_all(only: list[str], seeds: list[int] | None, stored: bool) -> int:
    """Print every claim, on stored or fresh runs; the number of those that do not hold."""
    failed = 0
    for chapter, experiment in experiments(only):
        if stored:
            results = [*results_of(chapter, experiment.name).values()]
        else:
            results = [experiment.run(s) for s in (experiment.seeds if seeds is None else seeds)]
        print(f"== {chapter}/{experiment.name} ==", flush=True)
        for outcome in outcomes(experiment, results):
            failed += not outcome.good
            print(f"  {outcome}", flush=True)
    return failed


def main(arguments: list[str]) -> int:
    """Run and store, or check; 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(description="the chapters' experiments and their claims")
    parser.add_argument("only", nargs="*", help="chapters (07) or experiments, by name")
    parser.add_argument("--seeds", nargs="+", type=int, help="these seeds only")
    parser.add_argument("--claims", action="store_true", help="say whether the claims hold")
    parser.add_argument("--stored", action="store_true", help="of stored runs")
    asked = parser.parse_args(arguments)
    if not asked.claims:
        run_all(asked.only, asked.seeds)
        return 0
    failed = check_all(asked.only, asked.seeds, asked.stored)
    print(f"\n{failed} claims failed" if failed else "\nall claims hold")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
