"""Build exercises: the reader writes a whole loop, and it runs a few steps beside the workbook's.

The models are tiny and throw no dice of their own, so that the same loop gives the same numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .attempt import limited
from .exercise import Exercise


def losses_and_weights(arguments: tuple, result) -> dict[str, Tensor]:
    """What most loops are compared by: the list that they return, and the model that they leave."""
    return {"what you return": numbers(result), "the weights at the end": weights(arguments[0])}


@dataclass(frozen=True)
class Build(Exercise):
    """An exercise of 15 to 40 lines: a loop or a whole algorithm.

    observe: (arguments as the loop left them, what it returned) -> {name: tensor}, which are compared in
    this order. kind: as the heading says it.
    """

    observe: Callable[[tuple, object], dict[str, Tensor]] = field(default=losses_and_weights)
    kind: str = "build"

    changes_arguments = True

    def run(self, function: Callable, case: tuple) -> tuple[object, tuple]:
        """What is seen of the loop, and the arguments as it left them.

        Where the result cannot be read as it should be, the result itself is given back.
        """
        arguments = copy.deepcopy(case)
        result = limited(function, arguments, self.seconds)
        if result is None or result is ...:
            return result, arguments
        try:
            return self.observe(arguments, result), arguments
        except (TypeError, ValueError):
            return result, arguments

    def shown(self, case: tuple) -> dict[str, object]:
        """The numbers among the arguments: models and batches are too large to read."""
        return {n: v for n, v in self.arguments(case).items() if isinstance(v, int | float)}


def numbers(result) -> Tensor:
    """A list of numbers, or a tuple of such lists, in one row."""
    if isinstance(result, tuple):
        return torch.cat([numbers(part) for part in result])
    return torch.tensor([float(value) for value in result], dtype=torch.float64)


def weights(model: nn.Module) -> Tensor:
    """All weights of a model in one row."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, add_up: bool = False) -> float:
    """One update; the loss as a number. add_up: the slip of leaving the gradients of earlier updates there."""
    if not add_up:
        optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


class BigramPolicy(nn.Module):
    """A language model that looks at the last token alone: a table of logits (V, V), row by last token.

    A prompt is one token. Token 0 ends an answer, and stands on what follows (padding).
    """

    def __init__(self, vocabulary: int = 6, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        table = torch.randn(vocabulary, vocabulary, generator=generator, dtype=torch.float64)
        self.table = nn.Parameter(table)

    def logprobs(self, prompts: Tensor, token_ids: Tensor) -> Tensor:
        """Log-probability (B, T) of each token of answers (B, T) to prompts (B,); also of padding."""
        before = torch.cat((prompts[:, None], token_ids[:, :-1]), 1)
        logp = self.table[before].log_softmax(-1)
        return logp.gather(-1, token_ids[..., None]).squeeze(-1)

    @torch.no_grad()
    def sample(
        self, prompts: Tensor, samples: int, seed: int, length: int = 5
    ) -> tuple[Tensor, Tensor]:
        """Answers and mask (B * G, T), G = samples; rows i * G to i * G + G - 1 answer prompt i."""
        generator = torch.Generator().manual_seed(seed)
        last = prompts.repeat_interleave(samples)
        alive, columns, masks = torch.ones(len(last), dtype=torch.bool), [], []
        for _ in range(length):
            drawn = torch.multinomial(self.table[last].softmax(-1), 1, generator=generator)[:, 0]
            last = torch.where(alive, drawn, 0)
            columns.append(last)
            masks.append(alive.double())
            alive = alive & (last != 0)
        return torch.stack(columns, 1), torch.stack(masks, 1)


def bigram_reward(token_ids: Tensor, mask: Tensor) -> Tensor:
    """Rewards (B,): how many real tokens are odd, minus half a point for each real token."""
    return ((token_ids % 2 == 1) * mask).sum(1) - 0.5 * mask.sum(1)
