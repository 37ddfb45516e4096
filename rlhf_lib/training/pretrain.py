"""Pre-training: next-token prediction on a stream of documents, packed into rows of fixed length."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lm import Policy
from .guards import optimizer_step, run_steps
from .history import History
from .progress import Progress
from .schedule import cosine, set_learning_rate


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
    row_length: int = 128
    """Tokens in a row, T."""
    learning_rate: float = 3e-3
    """Peak of the schedule (linear warm-up, then cosine)."""
    warmup_steps: int = 50
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "row_length", "learning_rate", "max_grad_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")


def train_language_model(
    policy: Policy, documents: Iterable[str], settings: PretrainSettings
) -> History:
    """Train `policy.model` in place on `documents`; logs the loss in nats per token."""
    model = policy.model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, (0.9, 0.95), weight_decay=settings.weight_decay
    )
    history, progress = History(), Progress("pre-training", settings.steps)
    rows = packed_rows(policy, documents, settings.batch_size, settings.row_length)
    started = time.perf_counter()

    def do_step(step: int) -> None:
        token_ids = next(rows)
        rate = cosine(step, settings.steps, settings.warmup_steps) * settings.learning_rate
        set_learning_rate(optimizer, rate)
        loss = next_token_loss(policy, token_ids)
        optimizer_step(loss, optimizer, settings.max_grad_norm, f"step {step}")
        history.log(step, loss=loss.item(), seconds=time.perf_counter() - started)
        progress.update(step + 1, loss=loss.item())

    run_steps(range(settings.steps), do_step, history)
    progress.close()
    model.eval()
    return history


def next_token_loss(policy: Policy, token_ids: Tensor) -> Tensor:
    """Mean negative log-likelihood (nats) of each token of rows (B, T + 1) but the first ones.

    With a coefficient it is the pretraining term of PPO-ptx (Ouyang et al., 2022, equation 2).
    Equation: [REG-1].
    """
    logits = policy.model(token_ids[:, :-1]).float()
    return F.cross_entropy(logits.flatten(0, 1), token_ids[:, 1:].flatten())


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
    """Batches (B, T + 1) of token ids: documents end to end, each after an end-of-text token."""
    from ..lm.tokenizer import END_OF_TEXT

    boundary = policy.tokenizer.convert_tokens_to_ids(END_OF_TEXT)
    needed = batch_size * (row_length + 1)
    stream: list[int] = []
    for document in documents:
        stream += [boundary, *policy.tokenizer.encode(document, add_special_tokens=False)]
        while len(stream) >= needed:
            block, stream = stream[:needed], stream[needed:]
            yield torch.tensor(block, device=policy.device).view(batch_size, -1)
