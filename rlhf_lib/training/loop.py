"""The loop that the trainers share: go on from a checkpoint, step, log, show, keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..lm.modes import without_dropout
from .alarms import SUPERVISED, look, warn_of_learning_rate
from .checkpoint import Checkpoint
from .guards import apply_gradients, backward, run_steps
from .history import History
from .progress import Progress
from .schedule import linear, set_learning_rate

Item = TypeVar("Item")


@dataclass
class Part:
    """A part of a batch: a loss that is the mean over `weight` rows or tokens, and means like it."""

    loss: Tensor
    weight: float
    metrics: dict[str, float] = field(default_factory=dict)


def adamw(
    module: nn.Module, settings, betas: tuple[float, float] = (0.9, 0.999)
) -> torch.optim.AdamW:
    """AdamW over the weights that are trained; settings: learning_rate, weight_decay.

    Raises:
        ValueError: none are, as in a frozen copy.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("the model has no weight that is trained: is it a frozen copy?")
    return torch.optim.AdamW(
        trained, settings.learning_rate, betas, weight_decay=settings.weight_decay
    )


def update_in_parts(
    parts: Iterable[Part], optimizer: torch.optim.Optimizer, max_grad_norm: float, where: str
) -> dict[str, float]:
    """One update with the gradient of the whole batch, whose parts are in memory one at a time.

    The batch's loss is the mean of its parts' by weight; so are its metrics. Returns them with `loss`
    and `grad_norm` (before clipping).

    Raises:
        guards.NonFiniteError: a loss or the gradient is NaN or infinite; nothing is updated then.
    """
    optimizer.zero_grad(set_to_none=True)
    weights: list[float] = []
    rows: list[dict[str, float]] = []
    for part in parts:
        weights.append(part.weight)
        backward(part.loss * (part.weight / weights[0]), where)
        rows.append({"loss": part.loss.item(), **part.metrics})
    share = weights[0] / sum(weights)
    if share < 1:
        _scale_gradients(optimizer, share)
    norm = apply_gradients(optimizer, max_grad_norm, where)
    return {**weighted_mean(rows, weights), "grad_norm": norm}


def _scale_gradients(optimizer: torch.optim.Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.grad.mul_(share)


def weighted_mean(rows: Sequence[dict[str, float]], weights: Sequence[float]) -> dict[str, float]:
    """{name: mean by weight} of the metrics of a batch's parts."""
    if len(rows) == 1:
        return rows[0]
    total = sum(weights)
    return {
        name: sum(w * row[name] for row, w in zip(rows, weights, strict=True)) / total
        for name in rows[0]
    }


def in_parts(rows: Sequence[Item], size: int | None) -> Iterator[Sequence[Item]]:
    """`rows`, at most `size` at a time; all at once for None."""
    step = size or max(1, len(rows))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def run_training(
    label: str,
    steps: int,
    do_step: Callable[[int], dict[str, float]],
    history: History,
    checkpoint: Checkpoint | None = None,
    shown: Sequence[str] = ("loss", "accuracy"),
) -> History:
    """`do_step(step)` -> its row of the history, for each step that is not done yet.

    Below its line of progress a run says what comes into `history.warnings`, at once, and where it
    stops early, the step and the cause.
    """
    done, progress = checkpoint.resume() if checkpoint else 0, Progress(label, steps)

    def one(step: int) -> None:
        row = do_step(step)
        progress.update(step + 1, **{name: row[name] for name in shown if name in row})
        for warning in history.warnings[len(progress.said) :]:
            progress.say(warning)
        if checkpoint:
            checkpoint.after(step + 1, last=step + 1 == steps)

    run_steps(range(done, steps), one, history)
    ending = f"stopped early, {history.stopped}" if history.stopped else None
    progress.close(*history.warnings[len(progress.said) :], ending)
    return history


def supervised(
    label: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Item],
    parts_of: Callable[[Item], Iterable[Part]],
    settings,
    history: History,
    checkpoint: Checkpoint,
    factor: Callable[[int, int, int], float] = linear,
    dropout: bool = False,
    evaluate: Callable[[], dict[str, float]] = dict,
    evaluate_every: int = 0,
) -> History:
    """Fit `model` in place: an update a batch, on the parts that `parts_of(batch)` gives.

    factor(step, steps, warmup) is the schedule. dropout: whether the model's dropout acts in training;
    at the end the model is in eval mode either way. `evaluate()` is called every `evaluate_every` steps
    and at the last one. settings: learning_rate, warmup_steps, max_grad_norm.
    """
    warn_of_learning_rate(history, model, settings.learning_rate, SUPERVISED)
    if dropout:
        model.train()

    def do_step(step: int) -> dict[str, float]:
        rate = factor(step, len(batches), settings.warmup_steps) * settings.learning_rate
        set_learning_rate(optimizer, rate)
        with nullcontext() if dropout else without_dropout(model):
            parts = parts_of(batches[step])
            row = update_in_parts(parts, optimizer, settings.max_grad_norm, f"step {step}")
        if is_due(step, len(batches), evaluate_every):
            row |= evaluate()
        history.log(step, **row, seconds=history.seconds())
        look(history, settings.max_grad_norm)
        return history.rows[-1]

    run_training(label, len(batches), do_step, history, checkpoint)
    model.eval()
    return history


def is_due(step: int, steps: int, every: int) -> bool:
    """Whether to measure after `step`: at each `every`-th (0: none) and at the last."""
    return step + 1 == steps or (every > 0 and step % every == 0)
