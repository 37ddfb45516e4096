"""Answers written in many styles, what can be counted in them, and what annotators would say of them.

A linear reward on these counts is fitted in milliseconds, so that a question about labels gets many seeds.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from ...world import Annotator, PocketWorld, Prompt
from ...world.styles import draw_style
from .looks import looks_of

ANSWERS = 4
HELD_OUT = 400
"""Requests at the end on which the order of answers is judged; nobody labels them."""


@dataclass(frozen=True)
class Written:
    """Four answers to each of N requests: looks (N, 4, H), each divided by its deviation `scale` (H,); gold (N, 4)."""

    prompts: list[Prompt]
    texts: list[list[str]]
    looks: Tensor
    scale: Tensor
    gold: Tensor

    def seen_by(self, annotator: Annotator) -> Tensor:
        """The utility (N, 4) that an annotator perceives, without noise."""
        return torch.tensor(
            [
                [annotator.perceived(prompt, text) for text in texts]
                for prompt, texts in zip(self.prompts, self.texts, strict=True)
            ],
            dtype=torch.float64,
        )


@functools.lru_cache(maxsize=4)
def written_answers(
    requests: int = 1600, seed: int = 0, kinds: tuple[str, ...] | None = None
) -> Written:
    """Four different answers to each request, written in the styles of the instruction set."""
    world, dice = PocketWorld(), random.Random(seed)
    prompts = world.prompts(requests, kinds=kinds, seed=300 + seed)
    texts = [_four(world, prompt, dice) for prompt in prompts]
    flat = [text for four in texts for text in four]
    looks = looks_of(world, [p for p in prompts for _ in range(ANSWERS)], flat).double()
    scale = looks.std(0).clamp(min=1e-3)
    looks = (looks / scale).view(requests, ANSWERS, -1)
    gold = torch.tensor(
        [[world.gold(p, t) for t in four] for p, four in zip(prompts, texts, strict=True)]
    )
    return Written(prompts, texts, looks, scale, gold.double())


def _four(world: PocketWorld, prompt: Prompt, dice: random.Random) -> list[str]:
    """Four answers, different where the styles allow it."""
    found: list[str] = []
    for _ in range(40):
        text = world.answer(prompt, draw_style(prompt, dice), dice)
        found += [text] if text not in found else []
        if len(found) == ANSWERS:
            return found
    return (found * ANSWERS)[:ANSWERS]


def order_found(weights: Tensor, looks: Tensor, truth: Tensor) -> float:
    """Share of pairs of answers to one request that the weights order as the truth (n, K) does; ties left out."""
    scores = looks.double() @ weights.double()
    up = scores[:, :, None] > scores[:, None, :]
    better = truth[:, :, None] > truth[:, None, :] + 1e-9
    return up[better].double().mean().item()
