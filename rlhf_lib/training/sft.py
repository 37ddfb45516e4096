"""Supervised fine-tuning on demonstrations: the pre-training loss on completion tokens alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..lm import Policy, Rollout
from ..lm.chat import as_messages
from ..lm.modes import evaluating
from ..world import Demonstration
from .checkpoint import Checkpoint, digest
from .checks import check_settings
from .examples import are_conversations, as_row, with_flaws_noted
from .history import History
from .loop import Part, adamw, in_parts, supervised
from .rows import as_demonstrations

SCORED_AT_ONCE = 128
"""Demonstrations in one forward pass of a measurement."""


@dataclass
class SFTSettings:
    """Settings of `train_sft`. The rate is for models of a few million parameters; 1e-5 to 5e-5 are usual
    from 100M parameters on, and 1e-4 to 3e-4 for LoRA.

    Raises:
        ValueError: a number out of range.
    """

    epochs: float = 1.0
    """Passes over the demonstrations."""
    batch_size: int = 64
    """Demonstrations in a batch, B."""
    micro_batch: int | None = None
    """Demonstrations in one forward pass; None: the whole batch. It changes memory, not the gradient."""
    learning_rate: float = 1e-3
    """Peak; linear warm-up, then linear decay."""
    warmup_steps: int = 20
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(
            self,
            positive=("epochs", "batch_size", "micro_batch", "learning_rate", "max_grad_norm"),
            non_negative=("warmup_steps", "weight_decay", "seed"),
        )


def train_sft(
    policy: Policy,
    demonstrations: Sequence[Demonstration] | Sequence[tuple] | Any,
    settings: SFTSettings | None = None,
    held_out: Sequence[Demonstration] | Sequence[tuple] | Any | None = None,
    *,
    train_on: str = "all",
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
) -> History:
    """Fine-tune `policy` in place on demonstrations. Source: book `c/04-instruction-tuning`.

    demonstrations: (prompt, answer) pairs, `Demonstration`s, rows with the columns prompt and completion
    or with whole conversations in messages, a `datasets.Dataset` or a file of such rows. train_on: of
    whole conversations 'all' of the assistant's turns, or the 'last' alone. checkpoint: a folder; the same call on it goes on where a killed run was (see `training.checkpoint`). Logs `loss`
    (nats per completion token), grad_norm, seconds and, at the end, `held_out_loss`. The model's dropout
    acts in training; it is left in eval mode.

    Raises:
        ValueError: no demonstrations, or rows that are none; another word for train_on; a checkpoint of
            another run.
    """
    settings = settings or SFTSettings()
    if train_on not in ("all", "last"):
        raise ValueError(f"train_on must be 'all' or 'last'; got {train_on!r}")
    history = History()
    rows = with_flaws_noted(as_demonstrations(demonstrations), history)
    if not rows:
        raise ValueError("demonstrations must hold at least one (prompt, answer) pair")
    unseen = as_demonstrations(held_out) if held_out is not None and len(held_out) else []
    turns = train_on if are_conversations(demonstrations) else "last"
    optimizer = adamw(policy.model, settings)
    parts = {"policy": policy.model, "optimizer": optimizer}
    facts = {"demonstrations": lambda: digest([*map(as_row, rows), (turns,)])}
    kept = Checkpoint(checkpoint, checkpoint_every, settings, history, parts, facts=facts)

    def parts_of(batch: list[int]) -> Iterator[Part]:
        for some in in_parts(batch, settings.micro_batch):
            rollout = encode_demonstrations(policy, [rows[i] for i in some], turns)
            yield Part(completion_loss(policy, rollout), float(rollout.loss_mask.sum()))

    def evaluate() -> dict[str, float]:
        return {"held_out_loss": held_out_loss(policy, unseen, turns)} if unseen else {}

    return supervised(
        "fine-tuning", policy.model, optimizer, list(epochs_of_batches(len(rows), settings)),
        parts_of, settings, history, kept, dropout=True, evaluate=evaluate,
    )  # fmt: skip


def encode_demonstrations(policy: Policy, demonstrations: Sequence, turns: str = "last") -> Rollout:
    """Prompts and answers as a rollout, an end token after each answer.

    turns: 'all' puts the assistant's turns that a prompt holds into what is trained on.
    """
    prompts, texts = zip(*demonstrations, strict=True)
    if turns == "last":
        return policy.encode_completions(prompts, texts)
    answers = [{"role": "assistant", "content": text} for text in texts]
    asked = [as_messages(prompt) for prompt in prompts]
    return policy.encode_conversations([[*a, b] for a, b in zip(asked, answers, strict=True)])


def completion_loss(policy: Policy, rollout: Rollout) -> Tensor:
    """Mean negative log-likelihood (nats) of the completion tokens; prompt and padding do not count.

    Equation: [SFT-1].
    """
    return -(policy.logprobs(rollout) * rollout.loss_mask).sum() / rollout.loss_mask.sum()


@torch.no_grad()
def held_out_loss(policy: Policy, demonstrations: Sequence, turns: str = "last") -> float:
    """`completion_loss` over unseen (prompt, answer) pairs, without dropout, in bounded batches.

    turns: as in `encode_demonstrations`.
    """
    total, tokens = 0.0, 0.0
    with evaluating(policy):
        for some in in_parts(demonstrations, SCORED_AT_ONCE):
            rollout = encode_demonstrations(policy, some, turns)
            count = float(rollout.loss_mask.sum())
            total, tokens = total + count * float(completion_loss(policy, rollout)), tokens + count
    return total / tokens


def epochs_of_batches(n: int, settings) -> Iterator[list[int]]:
    """Shuffled batches of row numbers for `settings.epochs` passes (the last may be a part of one).

    They follow from n and the seed alone, so that a resumed run sees the same.
    """
    rng = random.Random(settings.seed)
    left = max(1, round(settings.epochs * n))
    while left > 0:
        order = rng.sample(range(n), n)[:left]
        for start in range(0, len(order), settings.batch_size):
            yield order[start : start + settings.batch_size]
        left -= n
