"""Losses that turn comparisons and labels into a reward model. Book: `c/05-reward-models`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ._checks import has_dimensions, has_shape, mask_covers_rows, one_of, same_shape
from ._masked import masked_mean


def bradley_terry_probability(first: Tensor, second: Tensor) -> Tensor:
    """P(first is preferred) = sigmoid(first - second), elementwise.

    Rewards of any common shape -> probabilities of that shape. Only the difference matters: adding a
    constant to both changes nothing. Equation: [RM-1].

    Raises:
        ValueError: shapes differ.
    """
    same_shape(first=first, second=second)
    return torch.sigmoid(first - second)


def bradley_terry_loss(chosen: Tensor, rejected: Tensor, margin: Tensor | None = None) -> Tensor:
    """-mean log sigmoid(chosen - rejected - margin), the negative log-likelihood of the choices.

    chosen, rejected (B,): rewards of the two answers of each pair. margin (B,), optional: how much
    better the chosen one is (Llama 2; larger margins ask for larger gaps). It is log 2 = 0.693 for
    equal rewards without a margin. Equation: [RM-1]; with a margin [RM-2].

    Raises:
        ValueError: shapes differ or are not (B,).
    """
    has_dimensions("chosen", chosen, "(B,)")
    same_shape(chosen=chosen, rejected=rejected, margin=margin)
    gap = chosen - rejected if margin is None else chosen - rejected - margin
    return -F.logsigmoid(gap).mean()


def plackett_luce_loss(rewards: Tensor) -> Tensor:
    """Negative log-likelihood of whole rankings, mean over the batch.

    rewards (B, K): columns ordered from best to worst. The best is drawn first with probability
    softmax over all K, the next over the K - 1 that are left, and so on; for K = 2 this is
    Bradley-Terry. Equation: [RM-3].

    Raises:
        ValueError: not (B, K) with K of 2 or more.
    """
    _check_ranking(rewards)
    remaining = rewards.flip(-1).logcumsumexp(-1).flip(-1)  # log-sum over the columns not yet drawn
    return (remaining - rewards).sum(-1).mean()


def balanced_comparison_loss(rewards: Tensor) -> Tensor:
    """Mean Bradley-Terry loss over all K-choose-2 pairs of a ranking (InstructGPT).

    rewards (B, K), best to worst. All pairs of one prompt share a batch and count 1 / (K choose 2)
    each, so that a prompt with many answers weighs no more than another. Equation: [RM-4].

    Raises:
        ValueError: not (B, K) with K of 2 or more.
    """
    _check_ranking(rewards)
    better, worse = torch.triu_indices(rewards.shape[1], rewards.shape[1], 1, device=rewards.device)
    return -F.logsigmoid(rewards[:, better] - rewards[:, worse]).mean()


def outcome_loss(logits: Tensor, correct: Tensor, mask: Tensor, level: str = "token") -> Tensor:
    """Cross-entropy of an outcome reward model, which predicts from each token whether the answer is right.

    logits (B, T); correct (B,), 1 for a right answer; mask (B, T), 1.0 on completion tokens.
    level: 'token': mean over a sequence's tokens, then over sequences (the book's 1/T sum);
        'sequence': one prediction a sequence, from its mean logit (Lyu et al., 2025).
    Equation: [RM-5].

    Raises:
        ValueError: shapes, an empty row of the mask, correct outside [0, 1], or an unknown level.
    """
    one_of("level", level, ("token", "sequence"))
    has_dimensions("logits", logits, "(B, T)")
    same_shape(logits=logits, mask=mask)
    has_shape("correct", correct, logits.shape[:1], "a column of logits")
    mask_covers_rows(mask)
    correct = correct.to(logits.dtype)
    if not bool(((correct >= 0) & (correct <= 1)).all()):
        raise ValueError("correct must lie between 0 (wrong answer) and 1 (right answer)")
    if level == "sequence":
        return F.binary_cross_entropy_with_logits(masked_mean(logits, mask, dim=1), correct)
    targets = correct[:, None].expand_as(logits)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return masked_mean(losses, mask, dim=1).mean()


def process_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a process reward model at the ends of steps, mean over all labelled tokens.

    logits (B, T, 3): bad, neutral, good. labels (B, T): 0, 1, 2 at the last token of a step, -100
    elsewhere. Three classes as in the book's code; its text writes the binary form. A long solution
    weighs more than a short one, by its number of steps. Equation: [RM-6].

    Raises:
        ValueError: shapes, no labelled token, or a label out of range.
    """
    has_dimensions("logits", logits, "(B, T, 3)")
    if logits.shape[-1] != 3:
        raise ValueError(f"logits must have shape (B, T, 3); got {tuple(logits.shape)}")
    has_shape("labels", labels, logits.shape[:2], "logits' (B, T)")
    if not bool((labels != -100).any()):
        raise ValueError("labels mark no step: all are -100")
    known = (labels == -100) | (labels == 0) | (labels == 1) | (labels == 2)
    if not bool(known.all()):
        raise ValueError("labels must be 0, 1, 2, or -100 for tokens that do not count")
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten().long(), ignore_index=-100)


def _check_ranking(rewards: Tensor) -> None:
    has_dimensions("rewards", rewards, "(B, K)")
    if rewards.shape[1] < 2:
        raise ValueError(
            f"rewards must rank at least 2 answers, (B, K >= 2); got {rewards.shape[1]}"
        )
