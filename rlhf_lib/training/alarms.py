"""Runs that go wrong without a number that is not finite: they say so in `history.warnings`, once."""

from __future__ import annotations

from torch import nn

from .history import History
from .settings import usual_learning_rate

KL_PER_TOKEN = 1.5
"""Nats. Each token of an answer is then four times as likely as under the reference."""
KL_OF_ANSWER = 25.0
"""Nats, where lengths are not logged."""
STEEP = 100.0
"""Times max_grad_norm, at `IN_A_ROW` updates one after another."""
IN_A_ROW = 3
SUPERVISED = 2e-4
"""Learning rate of fine-tuning and of reward models above which a large model is warned of; 5e-5 else."""
SMALL_MODEL = 20e6
"""Trained parameters up to which pocket learning rates are right."""


def look(history: History, max_grad_norm: float) -> None:
    """Look at the newest row, and warn of a run that is being destroyed or that learns nothing.

    Read are kl, length, grad_norm, loss and zero_variance_groups, where they are logged.
    """
    row = history.rows[-1]
    kl, step = row.get("kl", 0.0), int(row["step"])
    bound = KL_PER_TOKEN * row["length"] if "length" in row else KL_OF_ANSWER
    if kl > bound:
        _once(history, "nats from its reference", f"step {step}: the policy is {kl:.0f} nats from its "
              "reference, mean of an answer: lower learning_rate, or raise the KL coefficient")  # fmt: skip
    last = [r.get("grad_norm", 0.0) for r in history.rows[-IN_A_ROW:]]
    if len(last) == IN_A_ROW and min(last) > STEEP * max_grad_norm:
        _once(history, "times max_grad_norm", f"step {step}: the gradient's norm is {last[-1]:.0f}, "
              f"{last[-1] / max_grad_norm:.0f} times max_grad_norm, for {IN_A_ROW} steps: every update "
              "is a clipped one; lower learning_rate")  # fmt: skip
    if row.get("grad_norm") == 0.0 and row.get("loss") == 0.0:
        _once(history, "nothing is learned", f"step {step}: loss and gradient are exactly 0, nothing is "
              f"learned{_why(row)}")  # fmt: skip


def warn_of_learning_rate(
    history: History, model: nn.Module, learning_rate: float, limit: float = 5e-5
) -> None:
    """Warn of a learning rate for pocket models on a model of more than 20M trained parameters."""
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if size > SMALL_MODEL and learning_rate > limit:
        _once(history, "is a pocket model's", f"learning_rate {learning_rate:g} is a pocket model's; for "
              f"{size / 1e6:.0f}M parameters {usual_learning_rate(size):g} is usual")  # fmt: skip


def _why(row: dict[str, float]) -> str:
    if row.get("zero_variance_groups") == 1.0:
        return ": the answers to each prompt all have the same reward"
    return ""


def _once(history: History, mark: str, sentence: str) -> None:
    if not any(mark in said for said in history.warnings):
        history.warnings.append(sentence)
