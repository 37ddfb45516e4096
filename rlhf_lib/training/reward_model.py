"""Training reward models: Bradley-Terry on comparisons; outcome and process models on worked sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lm.modes import evaluating
from ..objectives import bradley_terry_loss, outcome_loss, process_loss
from ..rewards import RewardModel, TokenScorer
from ..world import Preference, Stepwise, Unpaired
from .checkpoint import Checkpoint, digest
from .checks import check_settings
from .examples import as_row, with_flaws_noted, without_ties
from .history import History
from .loop import Part, adamw, in_parts, supervised
from .rows import as_preferences, as_stepwise, as_unpaired
from .sft import epochs_of_batches

STANDARDIZED_ON = 256
"""Pairs on whose answers a reward model is standardized."""


@dataclass
class RewardModelSettings:
    """Settings of the reward-model trainers. The rate is for models of a few million parameters; 5e-6 to
    2e-5 are usual from 100M parameters on.

    Raises:
        ValueError: a number out of range.
    """

    epochs: float = 1.0
    """Passes over the data. One is the field's habit: a second one mostly memorises the noise."""
    batch_size: int = 32
    """Pairs (or worked answers) in a batch, B."""
    micro_batch: int | None = None
    """Pairs (or answers) in one forward pass; None: the whole batch. It changes memory, not the gradient."""
    learning_rate: float = 1e-3
    """Peak; linear warm-up, then linear decay."""
    warmup_steps: int = 10
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    margin_weight: float = 0.0
    """m in [RM-2]: the margin is m times how much better the chosen answer is (`Preference.margin`). 0 is
    the plain loss."""
    center_coefficient: float = 0.0
    """Adds this times the mean of (chosen + rejected reward)^2, which holds rewards near 0 (Eisenstein et
    al., 2023); 0.01 is usual."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(
            self,
            positive=("epochs", "batch_size", "micro_batch", "learning_rate", "max_grad_norm"),
            non_negative=(
                "warmup_steps", "weight_decay", "margin_weight", "center_coefficient", "seed",
            ),
        )  # fmt: skip


def train_reward_model(
    model: RewardModel,
    pairs: Sequence[Preference] | Any,
    settings: RewardModelSettings | None = None,
    held_out: Sequence[Preference] | Any | None = None,
    evaluate_every: int = 0,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
) -> History:
    """Fit `model` in place to comparisons by [RM-1] (or [RM-2] with a margin weight), without dropout.

    pairs: `Preference`s, rows with the columns prompt, chosen and rejected, or a `datasets.Dataset`. Ties
    and pairs of equal answers are left out and counted in `history.warnings`: they say nothing about
    which is better. Afterwards the rewards are standardized on the answers of `pairs`. checkpoint: a
    folder; the same call on it goes on where a killed run was (see `training.checkpoint`). Logs `loss`
    and `accuracy` of each batch, and `held_out_accuracy` and `held_out_loss` every `evaluate_every`
    steps (0: at the end only). Source: book `c/05-reward-models`.

    Raises:
        ValueError: no pairs that are not ties; rows that are no comparisons; a checkpoint of another run.
    """
    settings, history = settings or RewardModelSettings(), History()
    pairs = without_ties(with_flaws_noted(as_preferences(pairs), history), history)
    unseen = as_preferences(held_out) if held_out is not None and len(held_out) else []

    def part_of(rows: Sequence[int]) -> Part:
        batch = [pairs[i] for i in rows]
        chosen, rejected = score_pairs(model, batch)
        accuracy = (chosen > rejected).float().mean().item()
        return Part(pair_loss(chosen, rejected, batch, settings), len(rows), {"accuracy": accuracy})

    def evaluate() -> dict[str, float]:
        return evaluate_pairs(model, unseen) if unseen else {}

    _fit(
        "reward model", model, pairs, part_of, settings, history,
        (checkpoint, checkpoint_every), evaluate, evaluate_every,
    )  # fmt: skip
    if history.stopped is None:
        standardize_on(model, pairs[:STANDARDIZED_ON])
    return history


def pair_loss(
    chosen: Tensor, rejected: Tensor, pairs: Sequence[Preference], settings: RewardModelSettings
) -> Tensor:
    """The loss of a batch of rewards (B,), as the settings say."""
    margin = None
    if settings.margin_weight:
        margin = settings.margin_weight * chosen.new_tensor([pair.margin for pair in pairs])
    loss = bradley_terry_loss(chosen, rejected, margin)
    if settings.center_coefficient:
        loss = loss + settings.center_coefficient * (chosen + rejected).square().mean()
    return loss


def standardize_on(model: RewardModel, pairs: Sequence[Preference]) -> None:
    """Give the answers of these pairs rewards of mean 0 and deviation 1, scored in bounded batches."""
    texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    model.standardize(model.score_texts([pair.prompt for pair in pairs] * 2, texts))


def score_pairs(model: RewardModel, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor]:
    """Rewards (B,) of the chosen and (B,) of the rejected answers, in one forward pass."""
    texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    rewards = model(model.encode([pair.prompt for pair in pairs] * 2, texts))
    return rewards[: len(pairs)], rewards[len(pairs) :]


@torch.no_grad()
def evaluate_pairs(model: RewardModel, pairs: Sequence[Preference]) -> dict[str, float]:
    """Loss and accuracy on comparisons that are not ties, without dropout; equal rewards count half."""
    pairs = [pair for pair in pairs if not pair.tie]
    with evaluating(model):
        scored = [score_pairs(model, some) for some in in_parts(pairs, 64)]
    chosen, rejected = (torch.cat(part) for part in zip(*scored, strict=True))
    right = (chosen > rejected).float() + 0.5 * (chosen == rejected).float()
    return {
        "held_out_loss": bradley_terry_loss(chosen, rejected).item(),
        "held_out_accuracy": right.mean().item(),
    }


def train_outcome_model(
    model: TokenScorer,
    examples: Sequence[Unpaired] | Sequence[tuple] | Any,
    settings: RewardModelSettings | None = None,
    level: str = "token",
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
) -> History:
    """Fit an `OutcomeModel` to answers judged right or wrong, by [RM-5]. Logs loss, accuracy.

    examples: (prompt, answer, correct), `Unpaired`s, rows with the columns prompt, completion and label,
    or a `datasets.Dataset`. checkpoint: as in `train_reward_model`.

    Raises:
        ValueError: no examples; a checkpoint of another run.
    """
    settings, history = settings or RewardModelSettings(), History()
    examples = with_flaws_noted(as_unpaired(examples), history)

    def part_of(rows: Sequence[int]) -> Part:
        prompts, texts, correct = zip(*(examples[i] for i in rows), strict=True)
        rollout = model.encode(prompts, texts)
        logits, mask = model.token_scores(rollout), rollout.loss_mask
        target = logits.new_tensor([float(c) for c in correct])
        mean_logit = (logits * mask).sum(1) / mask.sum(1)
        accuracy = ((mean_logit > 0) == (target > 0.5)).float().mean().item()
        return Part(outcome_loss(logits, target, mask, level), len(rows), {"accuracy": accuracy})

    kept = (checkpoint, checkpoint_every)
    return _fit("outcome model", model, examples, part_of, settings, history, kept)


def train_process_model(
    model: TokenScorer,
    examples: Sequence[Stepwise] | Sequence[tuple] | Any,
    settings: RewardModelSettings | None = None,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
) -> History:
    """Fit a `ProcessModel` to answers judged step by step, by [RM-6]. Logs loss, accuracy.

    examples: (prompt, steps, labels), `Stepwise`s, rows with the columns prompt, completions and labels, or
    a `datasets.Dataset`. steps: texts that joined by spaces are the answer; labels: 0 bad, 1 neutral,
    2 good for each. checkpoint: as in `train_reward_model`.

    Raises:
        ValueError: no examples; a checkpoint of another run.
    """
    settings, history = settings or RewardModelSettings(), History()
    examples = with_flaws_noted(as_stepwise(examples), history)

    def part_of(rows: Sequence[int]) -> Part:
        prompts, steps, labels = zip(*(examples[i] for i in rows), strict=True)
        rollout = model.encode(prompts, [" ".join(s) for s in steps])
        targets = step_targets(model, steps, labels, rollout.completion_mask.shape[1])
        targets = targets.to(rollout.token_ids.device)
        logits = model.token_scores(rollout)
        marked = targets != -100
        accuracy = (logits.argmax(-1)[marked] == targets[marked]).float().mean().item()
        return Part(process_loss(logits, targets), float(marked.sum()), {"accuracy": accuracy})

    kept = (checkpoint, checkpoint_every)
    return _fit("process model", model, examples, part_of, settings, history, kept)


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


def _fit(
    label: str,
    model: TokenScorer,
    rows: Sequence,
    part_of: Callable[[Sequence[int]], Part],
    settings: RewardModelSettings,
    history: History,
    kept: tuple[str | Path | None, int],
    evaluate: Callable[[], dict[str, float]] = dict,
    evaluate_every: int = 0,
) -> History:
    """What all reward models share: AdamW, batches of rows in parts, and the checkpoint."""
    if len(rows) == 0:
        raise ValueError("examples must not be empty")
    optimizer = adamw(model, settings)
    parts, facts = (
        {"model": model, "optimizer": optimizer},
        {"data": lambda: digest(map(as_row, rows))},
    )
    checkpoint = Checkpoint(*kept, settings, history, parts, facts=facts)

    def parts_of(batch: list[int]) -> Iterator[Part]:
        return map(part_of, in_parts(batch, settings.micro_batch))

    return supervised(
        label, model, optimizer, list(epochs_of_batches(len(rows), settings)), parts_of, settings,
        history, checkpoint, evaluate=evaluate, evaluate_every=evaluate_every,
    )  # fmt: skip
