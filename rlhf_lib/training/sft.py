"""Supervised fine-tuning on demonstrations: the pre-training loss on completion tokens alone."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..lm import Policy, Rollout
from .guards import optimizer_step, run_steps
from .history import History
from .progress import Progress
from .schedule import linear, set_learning_rate


@dataclass
class SFTSettings:
    """Settings of `train_sft`.

    Raises:
        ValueError: a number out of range.
    """

    epochs: float = 1.0
    """Passes over the demonstrations."""
    batch_size: int = 64
    """Demonstrations in a batch, B."""
    learning_rate: float = 1e-3
    """Peak; linear warm-up, then linear decay."""
    warmup_steps: int = 20
    max_grad_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "max_grad_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")


def train_sft(
    policy: Policy,
    demonstrations: Sequence[tuple],
    settings: SFTSettings | None = None,
    held_out: Sequence[tuple] | None = None,
) -> History:
    """Fine-tune `policy` in place on (prompt, answer) pairs. Source: book `c/04-instruction-tuning`.

    Logs `loss` (nats per completion token) and, at the end, `held_out_loss`.

    Raises:
        ValueError: no demonstrations.
    """
    settings = settings or SFTSettings()
    if len(demonstrations) == 0:
        raise ValueError("demonstrations must hold at least one (prompt, answer) pair")
    model = policy.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=0.0)
    batches = list(epochs_of_batches(len(demonstrations), settings))
    history, progress = History(), Progress("fine-tuning", len(batches))
    started = time.perf_counter()

    def do_step(numbered: tuple[int, list[int]]) -> None:
        step, rows = numbered
        rate = linear(step, len(batches), settings.warmup_steps) * settings.learning_rate
        set_learning_rate(optimizer, rate)
        prompts, texts = zip(*(demonstrations[i] for i in rows), strict=True)
        loss = completion_loss(policy, policy.encode_completions(prompts, texts))
        optimizer_step(loss, optimizer, settings.max_grad_norm, f"step {step}")
        history.log(step, loss=loss.item(), seconds=time.perf_counter() - started)
        progress.update(step + 1, loss=loss.item())

    run_steps(enumerate(batches), do_step, history)
    if held_out and history.rows:
        history.rows[-1]["held_out_loss"] = held_out_loss(policy, held_out)
    progress.close()
    model.eval()
    return history


def completion_loss(policy: Policy, rollout: Rollout) -> Tensor:
    """Mean negative log-likelihood (nats) of the completion tokens; prompt and padding do not count.

    Equation: [SFT-1].
    """
    return -policy.logprobs(rollout).sum() / rollout.completion_mask.sum()


@torch.no_grad()
def held_out_loss(policy: Policy, demonstrations: Sequence[tuple]) -> float:
    """`completion_loss` over unseen (prompt, answer) pairs, in batches of 128."""
    total, tokens = 0.0, 0.0
    for start in range(0, len(demonstrations), 128):
        prompts, texts = zip(*demonstrations[start : start + 128], strict=True)
        rollout = policy.encode_completions(prompts, texts)
        total -= float(policy.logprobs(rollout).sum())
        tokens += float(rollout.completion_mask.sum())
    return total / tokens


def epochs_of_batches(n: int, settings) -> Iterator[list[int]]:
    """Shuffled batches of row numbers for `settings.epochs` passes (the last may be a part of one)."""
    rng = random.Random(settings.seed)
    left = round(settings.epochs * n)
    while left > 0:
        order = rng.sample(range(n), n)[:left]
        for start in range(0, len(order), settings.batch_size):
            yield order[start : start + settings.batch_size]
        left -= n
