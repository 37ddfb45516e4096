"""Losses that turn comparisons and labels into a reward model. Book: `c/05-reward-models`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ._checks import has_dimensions, mask_covers_rows, one_of, same_shape


def bradley_terry_probability(first: Tensor, second: Tensor) -> Tensor:
    """P(first is preferred) = sigmoid(first - second), elementwise.

    Rewards of any common shape -> probabilities of that shape. Only the difference matters: adding a
    constant to both changes nothing. Equation: [RM-1].
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
        'sequence': one prediction a sequence, from its mean logit. Equation: [RM-5].

    Raises:
        ValueError: shapes, an empty row of the mask, or an unknown level.
    """
    one_of("level", level, ("token", "sequence"))
    has_dimensions("logits", logits, "(B, T)")
    same_shape(logits=logits, mask=mask)
    same_shape(correct=correct, logits_row=logits[:, 0])
    mask_covers_rows(mask)
    correct, mask = correct.to(logits.dtype), mask.to(logits.dtype)
    if level == "sequence":
        mean_logit = (logits * mask).sum(1) / mask.sum(1)
        return F.binary_cross_entropy_with_logits(mean_logit, correct)
    targets = correct[:, None].expand_as(logits)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((losses * mask).sum(1) / mask.sum(1)).mean()


def process_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a process reward model at the ends of steps, mean over all labelled tokens.

    logits (B, T, 3): bad, neutral, good. labels (B, T): 0, 1, 2 at the last token of a step, -100
    elsewhere. Equation: [RM-6].

    Raises:
        ValueError: shapes, no labelled token, or a label out of range.
    """
    has_dimensions("logits", logits, "(B, T, 3)")
    if logits.shape[-1] != 3:
        raise ValueError(f"logits must have shape (B, T, 3); got {tuple(logits.shape)}")
    same_shape(logits_row=logits[..., 0], labels=labels)
    marked = labels[labels != -100]
    if marked.numel() == 0:
        raise ValueError("labels mark no step: all are -100")
    if bool((marked < 0).any()) or bool((marked > 2).any()):
        raise ValueError("labels must be 0, 1, 2, or -100 for tokens that do not count")
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def _check_ranking(rewards: Tensor) -> None:
    has_dimensions("rewards", rewards, "(B, K)")
    if rewards.shape[1] < 2:
        raise ValueError(
            f"rewards must rank at least 2 answers, (B, K >= 2); got {rewards.shape[1]}"
        )
