"""A world of six requests, a table that is trained on it, and what is measured on the way: seconds a run."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

from ..lm import load_policy
from ..training import History
from ..training.guards import optimizer_step, run_steps
from ..world import PocketWorld
from .training import TabularPolicy, draw
from .world import ExactWorld, exact_world

BETA = 0.3
SAMPLES = 8


@functools.cache
def small_world() -> ExactWorld:
    """Six requests with sixty answers each, as pocket-sft finds them likely."""
    world = PocketWorld()
    prompts = world.prompts(6, ("fact", "opinion", "lookalike", "sum"), seed=13)
    return exact_world(world, prompts, load_policy("pocket-sft"), size=60)


def train_table(
    loss_of: Callable, steps: int = 60, learning_rate: float = 0.1, every: int = 3
) -> History:
    """Train a table on `loss_of(table, exact, generator) -> (loss, metrics)`; exact measurements.

    The history has loss, grad_norm, the metrics, and those of `ExactWorld.measure` at beta 0.3.
    """
    exact, generator = small_world(), torch.Generator().manual_seed(0)
    table, history = TabularPolicy(exact.ref_logp), History()
    optimizer = torch.optim.Adam(table.parameters(), learning_rate)

    def do_step(step: int) -> None:
        measured = exact.measure(table.table(), BETA)
        loss, metrics = loss_of(table, exact, generator)
        norm = optimizer_step(loss, optimizer, 1e9, f"step {step}")
        if step % every == 0:
            history.log(step, loss=loss.item(), grad_norm=norm, **metrics, **measured)

    return run_steps(range(steps), do_step, history)


def sampled(table: TabularPolicy, exact: ExactWorld, generator, count: int = SAMPLES):
    """Answers (N, G) drawn from the table, with their log-probabilities, reference and rewards."""
    with torch.no_grad():
        index = draw(table.table(), count, generator)
    return (
        table.pick(index),
        exact.ref_logp.gather(1, index),
        exact.rewards.gather(1, index),
    )
