"""Rewards that are rules: the gold utility, and the answer that can be verified."""

from __future__ import annotations

import torch
from torch import Tensor

from ..lm import Rollout
from ..world import PocketWorld


class GoldReward:
    """The gold utility of PocketWorld: `gold(rollout)` -> (B,) gold points."""

    def __init__(self, world: PocketWorld) -> None:
        self.world = world

    def __call__(self, rollout: Rollout) -> Tensor:
        pairs = zip(rollout.prompts, rollout.texts, strict=True)
        return rollout.logp.new_tensor(
            [self.world.gold(p, t) for p, t in pairs], dtype=torch.float32
        )


def verify_answer(world: PocketWorld, rollout: Rollout) -> Tensor:
    """1.0 where a sum's final answer is right, else 0.0, (B,): a verifiable reward."""
    terms = (
        world.gold_score(prompt, text).terms["task"] > 0
        for prompt, text in zip(rollout.prompts, rollout.texts, strict=True)
    )
    return rollout.logp.new_tensor([float(right) for right in terms], dtype=torch.float32)
