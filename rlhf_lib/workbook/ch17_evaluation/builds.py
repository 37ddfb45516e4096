"""Build exercise of chapter 17: the arena's fit, with style held constant."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..kit.build import Build, descend
from ..kit.cases import generator, normal


class Strengths(nn.Module):
    """What is fitted: `strength` (K,) of each model and `weights` (S,) of each style, all 0 at first."""

    def __init__(self, models: int, styles: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(models, dtype=torch.float64))
        self.weights = nn.Parameter(torch.zeros(styles, dtype=torch.float64))


def _difference(style_first, style_second):
    gap = style_first - style_second
    return gap / gap.std(0, unbiased=False)


def _chance_loss(logits, score):
    return nn.functional.binary_cross_entropy_with_logits(logits, score)


def _fit(model, first, second, score, style_first, style_second, steps, learning_rate, **slips):
    """The loop, and what it becomes by a slip."""
    gap = slips.get("gap", _difference)(style_first, style_second)
    average, sign = slips.get("average", _chance_loss), slips.get("sign", 1)
    score = slips.get("marks", lambda given: given)(score)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=learning_rate), []
    for _ in range(steps):
        logits = model.strength[first] - sign * model.strength[second] + gap @ model.weights
        losses.append(descend(optimizer, average(logits, score), slips.get("kept", False)))
    return losses


def _slip(**slips):
    return lambda *arguments: _fit(*arguments, **slips)


def arena_case(seed: int, count: int = 30, models: int = 4, styles: int = 2) -> tuple[Tensor, ...]:
    """Votes with ties, and the styles of both answers."""
    dice = generator(seed)
    first = torch.randint(models, (count,), generator=dice)
    second = (first + torch.randint(1, models, (count,), generator=dice)) % models
    score = torch.randint(3, (count,), generator=dice).double() / 2
    scales = torch.tensor([10.0, 0.5], dtype=torch.float64)[:styles]
    mine, theirs = (normal(count, styles, seed=seed + i).abs() * scales for i in (1, 2))
    return first, second, score, mine, theirs


ratings = Build(
    name="my_ratings",
    title="Build the arena's fit: strength and style at once [EV-2, EV-3]",
    difficulty=2,
    minutes=30,
    reference=lambda model, first, second, score, style_first, style_second, steps, learning_rate: (
        _fit(model, first, second, score, style_first, style_second, steps, learning_rate)
    ),
    cases=lambda: [
        (Strengths(4, 2), *arena_case(7), 5, 0.7),
        (Strengths(3, 2), *arena_case(17, 20, 3), 3, 0.4),
    ],
    mistakes=(
        (
            _slip(gap=lambda a, b: a / a.std(0, unbiased=False)),
            "the style of the first answer alone: what sways a vote is the difference of the two",
        ),
        (
            _slip(gap=lambda a, b: a - b),
            "the styles are not divided by their standard deviation: words then drown bullets",
        ),
        (
            _slip(marks=lambda score: (score > 0.5).double()),
            "ties count as losses of the first: a score of 1/2 is half a win",
        ),
        (
            _slip(average=lambda logits, score: _chance_loss(-logits, score)),
            "your sign is flipped: this makes the winner weak",
        ),
        (
            _slip(sign=-1),
            "you add the two strengths: the chance to win depends on their difference",
        ),
        (
            _slip(average=lambda logits, score: _chance_loss(logits, score) * len(score)),
            "the loss is summed over votes; here it is their mean",
        ),
        (_slip(kept=True), "gradients of earlier steps add up: call `optimizer.zero_grad()`"),
    ),
    hints=(
        "A logistic regression: one logit for each vote, its sigmoid is the chance that the first wins.",
        "`gap = style_first - style_second`, each column divided by `gap.std(0, unbiased=False)`.",
        "`logits = model.strength[first] - model.strength[second] + gap @ model.weights`; the loss is "
        "`torch.nn.functional.binary_cross_entropy_with_logits(logits, score)`.",
    ),
    plan=(
        "1. the difference of style, each column divided by its standard deviation",
        "2. torch.optim.SGD over model.parameters()",
        "3. in each step: logits, mean loss, one update; keep the loss",
    ),
)

BUILDS = (ratings,)
