"""Build exercise of chapter 05: from the rows of a label file to a reward model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kit.build import Build, descend, numbers, weights
from ..kit.cases import generator


class LinearTaste(nn.Module):
    """A reward (B,) from what can be counted in answers (B, H): one weight for each count, all 0 at first."""

    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, dtype=torch.float64))

    def forward(self, looks: Tensor) -> Tensor:
        """Rewards (B,)."""
        return looks @ self.weight


def _target(scale):
    return 0.5 + 0.5 * torch.sign((scale - 4).double())


def _train(model, batches, learning_rate, **slips):
    """The loop, and what it becomes by a slip."""
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=learning_rate), []
    right, decided = 0, 0
    for left, right_hand, scale in batches:
        target, keep = (
            slips.get("target", _target)(scale),
            slips.get("keep", torch.ones_like)(scale) > 0,
        )
        gap = slips.get("sign", 1) * (model(right_hand) - model(left))
        loss = F.binary_cross_entropy_with_logits(
            gap[keep], target[keep], reduction=slips.get("mean", "mean")
        )
        losses.append(descend(optimizer, loss, add_up=slips.get("kept", False)))
    with torch.no_grad():
        for left, right_hand, scale in batches:
            gap = model(right_hand) - model(left)
            some = scale >= 0 if slips.get("count_ties") else scale != 4
            right += (((gap > 0) == (scale > 4)) & some).sum().item()
            decided += some.sum().item()
    return losses, right / decided


def _slip(**slips):
    return lambda *arguments: _train(*arguments, **slips)


def _observe(arguments, result) -> dict[str, Tensor]:
    losses, accuracy = result
    return {
        "your losses": numbers(losses),
        "the weights at the end": weights(arguments[0]),
        "the accuracy": numbers([accuracy]),
    }


def _batches(count: int, rows: int, seed: int) -> list[tuple]:
    dice = generator(seed)
    found = []
    for _ in range(count):
        left, right = (torch.randn(rows, 3, generator=dice, dtype=torch.float64) for _ in range(2))
        scale = torch.randint(1, 8, (rows,), generator=dice)
        scale[0], scale[1] = 4, 6
        found.append((left, right, scale))
    return found


taste_training = Build(
    name="my_taste_training",
    title="Build your reward model from your labels",
    difficulty=2,
    minutes=25,
    reference=lambda model, batches, learning_rate: _train(model, batches, learning_rate),
    cases=lambda: [
        (LinearTaste(), _batches(4, 5, 1), 0.5),
        (LinearTaste(), _batches(3, 7, 2), 0.2),
    ],
    observe=_observe,
    mistakes=(
        (
            _slip(keep=lambda scale: (scale != 4).double()),
            "you leave the ties out of the loss: a tie says that the two are level, which is half a win for either",
        ),
        (
            _slip(target=lambda scale: (scale > 4).double()),
            "a tie counts as a win of the left answer: its target is 0.5",
        ),
        (
            _slip(target=lambda scale: (scale >= 4).double()),
            "a tie counts as a win of the right answer: its target is 0.5",
        ),
        (
            _slip(target=lambda scale: (scale.double() - 1) / 6),
            "your target is the place on the scale: the probability that the right answer wins is 1, 0.5 or 0 by its sign",
        ),
        (
            _slip(sign=-1),
            "left and right are swapped: a key above 4 means that the right answer is better",
        ),
        (_slip(mean="sum"), "you add up the losses of a batch: take their mean"),
        (_slip(kept=True), "gradients of earlier steps add up: call `optimizer.zero_grad()`"),
        (
            _slip(count_ties=True),
            "you count ties among the labels that the model could get right: they have no right side. Leave them out of the accuracy",
        ),
    ),
    hints=(
        "Two loops: one that trains on each batch, one that counts at the end how often the model is on your side.",
        "A target of 1 for keys above 4, 0 for keys below, 0.5 for 4; the logit is the right reward minus the left one.",
        "`F.binary_cross_entropy_with_logits(model(right) - model(left), target)`. Accuracy: over labels with `scale != 4`, "
        "whether `gap > 0` equals `scale > 4`.",
    ),
    plan=(
        "1. an optimizer: torch.optim.SGD",
        "2. for each batch: targets from the keys, the loss, one update; keep the loss",
        "3. without a gradient: over all batches, the share of decided labels that the model orders as you did",
        "4. return the list of losses and that share",
    ),
)

BUILDS = (taste_training,)
