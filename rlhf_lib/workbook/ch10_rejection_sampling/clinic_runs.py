"""The real trainings behind the curves of chapter 10's clinic. Each takes an implementation and uses it."""

from __future__ import annotations

from collections.abc import Callable

from ...exact.small_world import sampled, train_table
from ...training import History


def run_selection(implementation: Callable) -> History:
    """Rounds of rejection sampling: draw (N, G), keep implementation(rewards, keep), imitate."""

    def loss_of(table, exact, generator):
        logp, _, rewards = sampled(table, exact, generator)
        rows, columns = zip(*implementation(rewards, len(rewards)), strict=True)
        return -logp[list(rows), list(columns)].mean(), {}

    return train_table(loss_of, steps=60, learning_rate=0.05)
