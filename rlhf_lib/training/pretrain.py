"""Pre-training: next-token prediction on a stream of documents, packed into rows of fixed length."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..lm import Policy
from ..lm.modes import evaluating, forward_passes
from ..lm.token_scores import token_scores
from .checkpoint import Checkpoint, CountedStream
from .checks import check_settings
from .guards import OutOfData
from .history import History
from .loop import Part, adamw, supervised
from .schedule import cosine


@dataclass
class PretrainSettings:
    """Settings of `train_language_model`; the defaults take six minutes on two cores.

    Raises:
        ValueError: a number out of range.
    """

    steps: int = 2000
    """Updates."""
    batch_size: int = 32
    """Rows in a batch, B."""
    micro_batch: int | None = None
    """Rows in one forward pass; None: the whole batch. It changes memory, not the gradient."""
    row_length: int = 128
    """Tokens in a row, T."""
    learning_rate: float = 3e-3
    """Peak of the schedule (linear warm-up, then cosine)."""
    warmup_steps: int = 50
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    seed: int = 0
    """Only with dropout, whose numbers it seeds: documents are taken in the order in which they come."""

    def __post_init__(self) -> None:
        check_settings(
            self,
            positive=(
                "steps", "batch_size", "micro_batch", "row_length", "learning_rate", "max_grad_norm",
            ),
            non_negative=("warmup_steps", "weight_decay", "seed"),
        )  # fmt: skip


def train_language_model(
    policy: Policy,
    documents: Iterable[str],
    settings: PretrainSettings,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 100,
) -> History:
    """Train `policy.model` in place on `documents`; logs loss (nats per token), grad_norm and seconds.

    checkpoint: a folder; the same call on it goes on where a killed run was (see `training.checkpoint`),
    for which `documents` must begin anew. Dropout acts in training; the model is left in eval mode. A
    run whose documents come to an end stops there and says so.
    """
    model, history = policy.model, History()
    torch.manual_seed(settings.seed)  # of dropout, which draws from torch's own generator
    optimizer = adamw(model, settings, betas=(0.9, 0.95))
    blocks = CountedStream(packed_rows(policy, documents, settings.batch_size, settings.row_length))
    parts = {"policy": model, "optimizer": optimizer, "blocks": blocks}
    kept = Checkpoint(checkpoint, checkpoint_every, settings, history, parts)

    def parts_of(step: int) -> Iterator[Part]:
        block = next(blocks, None)
        if block is None:
            raise OutOfData(
                f"documents filled {step} of {settings.steps} batches: give more of them"
            )
        for rows in block.split(settings.micro_batch or len(block)):
            yield Part(next_token_loss(policy, rows), len(rows))

    return supervised(
        "pre-training", model, optimizer, range(settings.steps), parts_of, settings, history, kept,
        factor=cosine, dropout=True,
    )  # fmt: skip


def next_token_loss(policy: Policy, token_ids: Tensor) -> Tensor:
    """Mean negative log-likelihood (nats) of each token of rows (B, T + 1) but the first ones.

    With a coefficient it is the pretraining term of PPO-ptx (Ouyang et al., 2022, equation 2).
    Equation: [REG-1].
    """
    with forward_passes(policy.model, policy.device):
        states = policy.model.hidden_states(token_ids[:, :-1]).flatten(0, 1)
        logp, _ = token_scores(policy.model, states, token_ids[:, 1:].flatten())
    return -logp.mean()


@torch.no_grad()
def document_loss(
    policy: Policy,
    documents: Iterable[str],
    batches: int = 4,
    batch_size: int = 16,
    row_length: int = 128,
) -> float:
    """Mean `next_token_loss` on documents: where it rises in later training, it measures forgetting.

    Raises:
        ValueError: too few documents for that many rows.
    """
    rows = packed_rows(policy, documents, batch_size, row_length)
    with evaluating(policy):
        found = [next_token_loss(policy, block) for block in itertools.islice(rows, batches)]
    if len(found) < max(1, batches):
        raise ValueError(
            f"documents must fill {batches} batches of {batch_size} rows of {row_length} tokens; "
            f"they filled {len(found)}"
        )
    return torch.stack(found).mean().item()


def packed_rows(
    policy: Policy, documents: Iterable[str], batch_size: int, row_length: int
) -> Iterator[Tensor]:
    """Batches (B, T + 1) of token ids: documents end to end, each after a boundary (`document_boundary`)."""
    boundary = document_boundary(policy)
    needed = batch_size * (row_length + 1)
    stream: list[int] = []
    for document in documents:
        stream += [*boundary, *policy.tokenizer.encode(document, add_special_tokens=False)]
        while len(stream) >= needed:
            block, stream = stream[:needed], stream[needed:]
            yield torch.tensor(block, device=policy.device).view(batch_size, -1)


def document_boundary(policy: Policy) -> list[int]:
    """What stands before each document: the end-of-text token, else the tokenizer's eos, else its bos.

    Empty for a tokenizer without any; an unknown token never stands for one.
    """
    from ..lm.tokenizer import END_OF_TEXT

    tokenizer = policy.tokenizer
    for token in (END_OF_TEXT, tokenizer.eos_token, tokenizer.bos_token):
        number: Any = tokenizer.convert_tokens_to_ids(token) if token is not None else None
        if number is not None and (
            token == tokenizer.unk_token or number != tokenizer.unk_token_id
        ):
            return [number]
    return []
