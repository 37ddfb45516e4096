"""The silent-bug clinic of chapter 09."""

from __future__ import annotations

import torch

from ..kit.bug import Bug
from .clinic_runs import run_accumulation


def _one_mean(losses, masks):
    total = sum((loss * mask).sum() for loss, mask in zip(losses, masks, strict=True))
    return total / sum(mask.sum() for mask in masks)


def _by_weight(losses, masks):
    counts = torch.stack([mask.sum() for mask in masks])
    means = torch.stack([(x * m).sum() / m.sum() for x, m in zip(losses, masks, strict=True)])
    return (means * counts).sum() / counts.sum()


def _mean_of_means(losses, masks):
    means = [(loss * mask).sum() / mask.sum() for loss, mask in zip(losses, masks, strict=True)]
    return torch.stack(means).mean()


_LOSSES = [torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 1.0]])]
_MASKS = [torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 1.0]])]


def _prove(implementation):
    found = float(implementation([x.clone() for x in _LOSSES], [m.clone() for m in _MASKS]))
    assert abs(found - 7 / 4) < 1e-6, "four tokens with losses 4, 1, 1, 1: their mean is 7/4"


mean_of_means = Bug(
    name="mean_of_means",
    chapter="09",
    title="The same batch, another loss",
    story="A batch of twelve demonstrations does not fit into memory, so it comes in two parts of six, sorted by "
    "length to save padding, and one update is made for both. Data, seed and learning rate are those of the run "
    "before the batch was split. The loss that is shown is higher now, and long answers are learned later.",
    function="loss(losses, masks) of the parts of a batch, lists of (B, T) -> the batch's loss per token",
    source="Gradient accumulation in the trainers of transformers and others until October 2024, found by users "
    "whose losses did not match with it on and off.",
    lesson="A mean of means is the mean only if all parts have as many tokens. Divide once, by the tokens of "
    "the whole batch.",
    right=_one_mean,
    also_right=_by_weight,
    wrong=_mean_of_means,
    example=lambda: ([x.clone() for x in _LOSSES], [m.clone() for m in _MASKS]),
    run=run_accumulation,
    watch=("loss", "long_answers"),
    options=(
        (
            "Each part is divided by its own number of tokens.",
            "Then a token in a part of short answers weighs more, and their tokens are harder to predict.",
        ),
        (
            "The learning rate is two times too high for it.",
            "Then the run would be rough or fall apart. It learns, with other weights on the tokens.",
        ),
        (
            "The padding of short answers counts as tokens.",
            "Sorting by length leaves hardly any, and padding would make the shown loss odd from step to step.",
        ),
    ),
    hints=(
        "Make two parts that have different numbers of tokens, and say what the mean over all tokens is.",
        "Losses [[4, 0, 0]] and [[1, 1, 1]] with masks [[1, 0, 0]] and [[1, 1, 1]]: four tokens, mean 7/4.",
    ),
    proof=_prove,
)

BUGS = (mean_of_means,)
