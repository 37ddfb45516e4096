"""Build exercise of chapter 07: train a reward model, and measure it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kit.build import Build, descend, numbers, weights
from ..kit.cases import generator, ragged_mask


class TinyScorer(nn.Module):
    """A score for each token (B, T), from the tokens up to it. Its dropout always drops the same units.

    Real dropout throws dice. This one does not, so that the same loop gives the same numbers; like the
    real one it acts in training mode only.
    """

    def __init__(self, vocabulary: int = 8, size: int = 6, seed: int = 0) -> None:
        super().__init__()
        dice = generator(seed)
        self.embedding = nn.Parameter(
            torch.randn(vocabulary, size, generator=dice, dtype=torch.float64)
        )
        self.head = nn.Parameter(torch.randn(size, generator=dice, dtype=torch.float64))

    def forward(self, token_ids: Tensor) -> Tensor:
        """Scores (B, T)."""
        hidden = torch.tanh(self.embedding[token_ids].cumsum(1))
        if self.training:
            kept = torch.arange(hidden.shape[-1]) % 3 != 0
            hidden = hidden * kept * 1.5
        return hidden @ self.head


def _at_end(scores, mask):
    return scores[torch.arange(len(scores)), mask.sum(1).long() - 1]


def _train(model, batches, held_out, learning_rate, **slips):
    """The loop, and what it becomes by a slip."""
    read, detach = slips.get("read", _at_end), slips.get("detach", lambda x: x)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=learning_rate), []
    model.train(slips.get("train", True))
    for chosen, chosen_mask, rejected, rejected_mask in batches:
        gap = read(model(chosen), chosen_mask) - detach(read(model(rejected), rejected_mask))
        loss = -F.logsigmoid(slips.get("sign", 1) * gap)
        loss = loss.sum() if slips.get("sum") else loss.mean()
        losses.append(descend(optimizer, loss, add_up=slips.get("kept", False)))
    model.train(slips.get("measure", False))
    chosen, chosen_mask, rejected, rejected_mask = held_out
    with torch.no_grad():
        gap = read(model(chosen), chosen_mask) - read(model(rejected), rejected_mask)
    return losses, -F.logsigmoid(gap).mean().item()


def _slip(**slips):
    return lambda *arguments: _train(*arguments, **slips)


def _observe(arguments, result) -> dict[str, Tensor]:
    losses, held_out = result
    return {
        "your losses": numbers(losses),
        "the held-out loss": numbers([held_out]),
        "the weights at the end": weights(arguments[0]),
        "the model's mode at the end (1: training)": numbers([arguments[0].training]),
    }


def _pairs(count: int, seed: int) -> tuple[Tensor, ...]:
    """Random pairs of answers: token ids and mask of the chosen, then of the rejected ones."""
    dice, parts = generator(seed), []
    for width in (5, 4):
        lengths = torch.randint(1, width + 1, (count,), generator=dice).tolist()
        mask = ragged_mask(lengths, width)
        parts += [torch.randint(1, 8, (count, width), generator=dice) * mask.long(), mask]
    return tuple(parts)


reward_training = Build(
    name="my_reward_training",
    title="Build a reward model's training",
    difficulty=2,
    minutes=30,
    reference=lambda model, batches, held_out, learning_rate: _train(
        model, batches, held_out, learning_rate
    ),
    cases=lambda: [
        (TinyScorer(seed=1), [_pairs(4, 1), _pairs(4, 2), _pairs(4, 3)], _pairs(6, 9), 0.5),
        (TinyScorer(seed=2), [_pairs(3, 4), _pairs(2, 5)], _pairs(5, 8), 0.2),
    ],
    observe=_observe,
    mistakes=(
        (
            _slip(read=lambda scores, mask: scores[:, -1]),
            "you read the score in the last column: in a shorter answer that is padding. The reward sits on "
            "the last real token",
        ),
        (
            _slip(read=lambda scores, mask: (scores * mask).sum(1) / mask.sum(1)),
            "you average the scores over the answer: the reward sits on the last real token",
        ),
        (_slip(sign=-1), "chosen and rejected are swapped: the loss wants chosen minus rejected"),
        (_slip(sum=True), "you add up the losses of a batch: take their mean"),
        (
            _slip(detach=torch.Tensor.detach),
            "the rejected rewards are detached: only half of the gradient arrives. Both answers are scored "
            "by the model that learns",
        ),
        (_slip(kept=True), "gradients of earlier steps add up: call `optimizer.zero_grad()`"),
        (
            _slip(train=False),
            "you train in eval mode, without dropout: call `model.train()` before the loop",
        ),
        (
            _slip(measure=True),
            "you measure with dropout on: call `model.eval()` before the held-out pairs",
        ),
    ),
    hints=(
        "Two halves: a loop that trains in training mode, and a measurement in eval mode without gradient.",
        "`scores[torch.arange(len(scores)), mask.sum(1).long() - 1]` are the rewards. You need them four "
        "times: write a small function of your own.",
        "`loss = -F.logsigmoid(chosen_reward - rejected_reward).mean()`; `zero_grad`, `backward`, `step`. "
        "Then `model.eval()` and, under `torch.no_grad()`, the same loss on `held_out`.",
    ),
    plan=(
        "1. an optimizer: torch.optim.SGD; model.train()",
        "2. for each batch: the rewards of both answers, the loss, one update; keep the loss",
        "3. model.eval(); the loss on held_out without a gradient",
        "4. return the list of losses and the held-out loss",
    ),
)

BUILDS = (reward_training,)
