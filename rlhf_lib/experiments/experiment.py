"""What an experiment is, and what it claims. Chapter cell, stored run and claim call the same `run(seed)`.

A chapter's experiments stand in `EXPERIMENTS` of its `experiments.py`, by name. `make experiments` stores their
runs (see `stored`), `make claims` repeats them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Claim = Callable[[list[dict]], tuple[int, float]]
"""Results, one a seed -> (on how many seeds it holds, margin in standard deviations over seeds)."""

NEEDED = 0.8
"""The share of seeds on which a claim has to hold."""


@dataclass(frozen=True)
class Experiment:
    """One experiment.

    name: of its file in data/. run: seed -> results that JSON can hold: numbers, curves, dictionaries of
    these; a curve's places go under "step". seeds: those that are stored, five or more. claims: sentence ->
    `Claim`. settings: what the run was made with, kept beside its results.

    Raises:
        ValueError: a name that is no file name, or no seeds.
    """

    name: str
    run: Callable[[int], dict]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name must be a word such as 'kl_sweep'; got {self.name!r}")
        if not self.seeds:
            raise ValueError(f"experiment {self.name!r} must have at least one seed")


@dataclass(frozen=True)
class Outcome:
    """What came of one claim: on how many of `seeds` it holds, and by how many standard deviations over seeds."""

    sentence: str
    holds: int
    seeds: int
    margin: float

    @property
    def good(self) -> bool:
        """Whether it holds on as many seeds as a claim must."""
        return self.holds >= NEEDED * self.seeds

    def __str__(self) -> str:
        verdict = "ok  " if self.good else "FAIL"
        return (
            f"{verdict} {self.holds} of {self.seeds} seeds, {self.margin:+.1f} sd: {self.sentence}"
        )


def outcomes(experiment: Experiment, results: list[dict]) -> list[Outcome]:
    """All claims of an experiment on its results, one result a seed.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError(f"results of {experiment.name!r} must hold at least one seed")
    return [
        Outcome(sentence, *claim(results)[:1], len(results), claim(results)[1])
        for sentence, claim in experiment.claims.items()
    ]


def above(measure: Callable[[dict], float], bound: float = 0.0) -> Claim:
    """The claim that `measure(result)` lies above `bound` on each seed.

    For "a ends higher than b" give the difference as the measure. With one seed, or equal values, the margin
    is infinite: there is no spread to compare with.
    """

    def claim(results: list[dict]) -> tuple[int, float]:
        values = np.array([measure(result) for result in results], dtype=float) - bound
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        margin = values.mean() / spread if spread > 0 else np.copysign(np.inf, values.mean())
        return int((values > 0).sum()), float(margin)

    return claim
