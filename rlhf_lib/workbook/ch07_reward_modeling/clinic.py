"""The silent-bug clinic of chapter 07."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..kit.bug import Bug
from .clinic_runs import run_reward_loss, run_truncated_pairs

# --- the sign of the Bradley-Terry loss


def _bt(chosen, rejected):
    return F.softplus(rejected - chosen).mean()


def _bt_by_cross_entropy(chosen, rejected):
    scores = torch.stack((chosen, rejected), dim=1)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


def _bt_upside_down(chosen, rejected):
    return F.softplus(chosen - rejected).mean()


def _prove_sign(implementation):
    low, high = torch.tensor([0.0]), torch.tensor([2.0])
    assert implementation(high, low) < implementation(low, high), "right order must cost less"


_TWO = (torch.tensor([1.0, 0.5, -0.2]).double(), torch.tensor([0.0, 1.0, -0.1]).double())

upside_down_loss = Bug(
    name="upside_down_loss",
    chapter="07",
    title="A reward model that dislikes what people like",
    story="The training loss falls smoothly, as in a textbook. On unseen comparisons the model agrees with "
    "the annotators less often than a coin.",
    function="loss(chosen (B,), rejected (B,)) -> the Bradley-Terry loss, a mean",
    source="Erratum 46 of the book: the softplus form of the loss had the wrong sign.",
    lesson="-log sigmoid(c - r) = softplus(r - c). The loss of a right order is the smaller one.",
    right=_bt,
    also_right=_bt_by_cross_entropy,
    wrong=_bt_upside_down,
    example=lambda: _TWO,
    run=run_reward_loss,
    watch=("loss", "held_out_accuracy"),
    options=(
        (
            "The sign in the softplus is the wrong one.",
            "Accuracy then falls as far below a half as it should be above it.",
        ),
        (
            "The model has learned its pairs by heart.",
            "Overfitting brings accuracy down to a half, and not below it.",
        ),
        (
            "The labels are too noisy for any model to learn.",
            "Noise alone gives a half. Less than half takes a system.",
        ),
    ),
    hints=(
        "Which of two orders must cost less?",
        "Compare the loss of rewards (2, 0) with that of (0, 2).",
    ),
    proof=_prove_sign,
)


# --- the logarithm of the mean


def _log_of_mean(chosen, rejected):
    return -torch.sigmoid(chosen - rejected).mean().log()


def _prove_log(implementation):
    chosen, rejected = torch.tensor([2.0, -2.0]), torch.zeros(2)
    by_hand = (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2
    assert abs(float(implementation(chosen, rejected)) - by_hand) < 1e-5, (
        "take the log of each pair first"
    )


log_of_the_mean = Bug(
    name="log_of_the_mean",
    chapter="07",
    title="Sure of itself, and wrong",
    story="The training loss falls faster and further than in the other run. The loss on unseen comparisons "
    "turns and climbs, although the accuracy is about the same.",
    function="loss(chosen (B,), rejected (B,)) -> the Bradley-Terry loss, a mean",
    source="Errata 461 and 465 of the book: in the derivation the log stood outside of the mean.",
    lesson="A likelihood is a product over pairs, so its log is a sum of logs: log first, then the mean.",
    right=_bt,
    also_right=_bt_by_cross_entropy,
    wrong=_log_of_mean,
    example=lambda: _TWO,
    run=run_reward_loss,
    watch=("loss", "held_out_loss", "held_out_accuracy"),
    options=(
        (
            "Probabilities are averaged before the logarithm.",
            "A pair that is surely wrong then costs next to nothing, so nothing holds confidence back.",
        ),
        (
            "The sign of the loss is the wrong way round.",
            "Then the accuracy would be below a half.",
        ),
        (
            "The loss is a sum over the pairs instead of a mean.",
            "That would change its size, and with Adam hardly its course.",
        ),
    ),
    hints=(
        "One pair right and one wrong: what is the mean of their two losses?",
        "Gaps 2 and -2: (log(1 + e^-2) + log(1 + e^2)) / 2 = 1.127. The wrong code says log 2.",
    ),
    proof=_prove_log,
)


# --- pairs that truncation makes identical


def _keep_after(chosen, rejected, limit):
    pairs = zip(chosen, rejected, strict=True)
    return [i for i, (a, b) in enumerate(pairs) if a[:limit] != b[:limit]]


def _keep_after_by_loop(chosen, rejected, limit):
    kept = []
    for i in range(len(chosen)):
        first, second = tuple(chosen[i][:limit]), tuple(rejected[i][:limit])
        if first == second:
            continue
        kept.append(i)
    return kept


def _keep_before(chosen, rejected, limit):
    return [i for i, (a, b) in enumerate(zip(chosen, rejected, strict=True)) if a != b]


def _prove_truncation(implementation):
    chosen, rejected = [[1, 2, 3, 4], [1, 2]], [[1, 2, 3, 5], [2, 1]]
    assert list(implementation(chosen, rejected, 3)) == [1], "equal after the cut: nothing to learn"
    assert list(implementation(chosen, rejected, 4)) == [0, 1]


identical_pairs = Bug(
    name="identical_pairs",
    chapter="07",
    title="The accuracy that will not rise",
    story="Answers are cut to a few tokens to save memory. Training accuracy stays some points below that of "
    "the other run, and the loss above it. On unseen comparisons the two models are the same.",
    function="keep(chosen, rejected, limit) -> indices of the comparisons that are worth training on; chosen "
    "and rejected are lists of token ids",
    source="Errata 503 and 504 of the book's code: 352 of 5,000 pairs were the same after truncation.",
    lesson="Filter what the model sees, after the cut and not before.",
    right=_keep_after,
    also_right=_keep_after_by_loop,
    wrong=_keep_before,
    example=lambda: ([[1, 2, 3, 4], [1, 2]], [[1, 2, 3, 5], [2, 1]], 3),
    run=run_truncated_pairs,
    watch=("loss", "train_accuracy", "held_out_accuracy"),
    options=(
        (
            "Some pairs have become identical by the cut.",
            "They can be neither right nor wrong, so they hold the averages down and teach nothing.",
        ),
        (
            "The labels of the pairs that were cut have been swapped.",
            "Then the model on unseen pairs would be worse. It is the same.",
        ),
        (
            "The learning rate is too low for it.",
            "It is the same in both runs, and both have come to rest.",
        ),
    ),
    hints=(
        "Two answers that differ only after the limit: should they be kept?",
        "[1, 2, 3, 4] against [1, 2, 3, 5] with a limit of 3 has to go, with a limit of 4 to stay.",
    ),
    proof=_prove_truncation,
)

BUGS = (
    upside_down_loss,
    log_of_the_mean,
    identical_pairs,
)
