"""Training reward models: Bradley-Terry on comparisons; outcome and process models on worked sums."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..objectives import bradley_terry_loss, outcome_loss, process_loss
from ..rewards import RewardModel, TokenScorer
from ..world import Preference
from .guards import optimizer_step, run_steps
from .history import History
from .progress import Progress
from .schedule import linear, set_learning_rate
from .sft import epochs_of_batches


@dataclass
class RewardModelSettings:
    """Settings of the reward-model trainers.

    Raises:
        ValueError: a number out of range.
    """

    epochs: float = 1.0
    """Passes over the data. One is the field's habit: a second one mostly memorises the noise."""
    batch_size: int = 32
    """Pairs (or worked answers) in a batch, B."""
    learning_rate: float = 1e-3
    """Peak; linear warm-up, then linear decay."""
    warmup_steps: int = 10
    max_grad_norm: float = 1.0
    margin_weight: float = 0.0
    """m in [RM-2]: the margin is m times the Likert score. 0 is the plain loss."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "max_grad_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.margin_weight < 0:
            raise ValueError(f"margin_weight must be 0 or more; got {self.margin_weight}")


def train_reward_model(
    model: RewardModel,
    pairs: Sequence[Preference],
    settings: RewardModelSettings | None = None,
    held_out: Sequence[Preference] | None = None,
    evaluate_every: int = 0,
) -> History:
    """Fit `model` in place to comparisons by [RM-1] (or [RM-2] with a margin weight).

    Ties are left out: they say nothing about which answer is better. Afterwards the rewards are
    standardized on the answers of `pairs`. Logs `loss` and `accuracy` of each batch, and
    `held_out_accuracy` and `held_out_loss` every `evaluate_every` steps (0: at the end only).
    Source: book `c/05-reward-models`.

    Raises:
        ValueError: no pairs that are not ties.
    """
    settings = settings or RewardModelSettings()
    pairs = [pair for pair in pairs if not pair.tie]
    if not pairs:
        raise ValueError("pairs must hold at least one comparison that is not a tie")

    def loss_of(rows: list[int]) -> tuple[Tensor, dict[str, float]]:
        batch = [pairs[i] for i in rows]
        chosen, rejected = score_pairs(model, batch)
        margin = None
        if settings.margin_weight:
            margin = settings.margin_weight * chosen.new_tensor([pair.margin for pair in batch])
        loss = bradley_terry_loss(chosen, rejected, margin)
        return loss, {"accuracy": (chosen > rejected).float().mean().item()}

    def evaluate() -> dict[str, float]:
        return evaluate_pairs(model, held_out) if held_out else {}

    history = _fit(model, len(pairs), loss_of, evaluate, evaluate_every, settings, "reward model")
    if history.stopped is None:
        sample = pairs[:256]
        texts = [pair.chosen for pair in sample] + [pair.rejected for pair in sample]
        model.standardize(model.score_texts([pair.prompt for pair in sample] * 2, texts))
    return history


def score_pairs(model: RewardModel, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor]:
    """Rewards (B,) of the chosen and (B,) of the rejected answers, in one forward pass."""
    texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    rewards = model(model.encode([pair.prompt for pair in pairs] * 2, texts))
    return rewards[: len(pairs)], rewards[len(pairs) :]


@torch.no_grad()
def evaluate_pairs(model: RewardModel, pairs: Sequence[Preference]) -> dict[str, float]:
    """Loss and accuracy on comparisons that are not ties; equal rewards count half."""
    pairs = [pair for pair in pairs if not pair.tie]
    scored = [score_pairs(model, pairs[i : i + 64]) for i in range(0, len(pairs), 64)]
    chosen, rejected = (torch.cat(part) for part in zip(*scored, strict=True))
    right = (chosen > rejected).float() + 0.5 * (chosen == rejected).float()
    return {
        "held_out_loss": bradley_terry_loss(chosen, rejected).item(),
        "held_out_accuracy": right.mean().item(),
    }


def train_outcome_model(
    model: TokenScorer,
    examples: Sequence[tuple],
    settings: RewardModelSettings | None = None,
    level: str = "token",
) -> History:
    """Fit an `OutcomeModel` to (prompt, answer, correct) examples by [RM-5]. Logs loss, accuracy."""
    settings = settings or RewardModelSettings()

    def loss_of(rows: list[int]) -> tuple[Tensor, dict[str, float]]:
        prompts, texts, correct = zip(*(examples[i] for i in rows), strict=True)
        rollout = model.encode(prompts, texts)
        logits, mask = model.token_scores(rollout), rollout.completion_mask
        target = logits.new_tensor(correct, dtype=torch.float32)
        mean_logit = (logits * mask).sum(1) / mask.sum(1)
        accuracy = ((mean_logit > 0) == (target > 0.5)).float().mean().item()
        return outcome_loss(logits, target, mask, level), {"accuracy": accuracy}

    return _fit(model, len(examples), loss_of, dict, 0, settings, "outcome model")


def train_process_model(
    model: TokenScorer, examples: Sequence[tuple], settings: RewardModelSettings | None = None
) -> History:
    """Fit a `ProcessModel` to (prompt, steps, labels) examples by [RM-6].

    steps: texts that joined by spaces are the answer; labels: 0 bad, 1 neutral, 2 good for each.
    """
    settings = settings or RewardModelSettings()

    def loss_of(rows: list[int]) -> tuple[Tensor, dict[str, float]]:
        prompts, steps, labels = zip(*(examples[i] for i in rows), strict=True)
        rollout = model.encode(prompts, [" ".join(s) for s in steps])
        targets = step_targets(model, steps, labels, rollout.completion_mask.shape[1])
        targets = targets.to(rollout.token_ids.device)
        logits = model.token_scores(rollout)
        marked = targets != -100
        accuracy = (logits.argmax(-1)[marked] == targets[marked]).float().mean().item()
        return process_loss(logits, targets), {"accuracy": accuracy}

    return _fit(model, len(examples), loss_of, dict, 0, settings, "process model")


def step_targets(model: TokenScorer, steps: Sequence, labels: Sequence, length: int) -> Tensor:
    """Labels (B, T) at the last token of each step, -100 elsewhere."""
    targets = torch.full((len(steps), length), -100)
    for row, (texts, marks) in enumerate(zip(steps, labels, strict=True)):
        for column, mark in zip(step_ends(model, texts), marks, strict=True):
            targets[row, column] = mark
    return targets


def step_ends(model: TokenScorer, steps: Sequence[str]) -> list[int]:
    """Index of the last token of each step within the completion ' '.join(steps)."""
    encode = model.backbone.tokenizer.encode
    joined = (" ".join(steps[: i + 1]) for i in range(len(steps)))
    return [len(encode(text, add_special_tokens=False)) - 1 for text in joined]


@torch.no_grad()
def score_steps(model: TokenScorer, prompt, steps: Sequence[str]) -> Tensor:
    """P(good) - P(bad) of each step (number of steps,), from a `ProcessModel`."""
    logits = model.token_scores(model.encode([prompt], [" ".join(steps)]))[0]
    probabilities = F.softmax(logits[step_ends(model, steps)], dim=-1)
    return probabilities[:, 2] - probabilities[:, 0]


def _fit(model, n, loss_of, evaluate, evaluate_every, settings, label) -> History:
    """The loop that all reward models share: batches, schedule, update, log."""
    if n == 0:
        raise ValueError("examples must not be empty")
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=0.01)
    batches = list(epochs_of_batches(n, settings))
    history, progress = History(), Progress(label, len(batches))
    started = time.perf_counter()

    def do_step(numbered: tuple[int, list[int]]) -> None:
        step, rows = numbered
        rate = linear(step, len(batches), settings.warmup_steps) * settings.learning_rate
        set_learning_rate(optimizer, rate)
        loss, metrics = loss_of(rows)
        optimizer_step(loss, optimizer, settings.max_grad_norm, f"step {step}")
        last = step + 1 == len(batches)
        if last or (evaluate_every and step % evaluate_every == 0):
            metrics |= evaluate()
        seconds = time.perf_counter() - started
        history.log(step, loss=loss.item(), **metrics, seconds=seconds)
        progress.update(step + 1, loss=loss.item(), accuracy=metrics["accuracy"])

    run_steps(enumerate(batches), do_step, history)
    progress.close()
    model.eval()
    return history
