"""Rewards that are rules: the gold utility, and the answer that can be verified."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..lm import Rollout
from ..world import PocketWorld


class GoldReward:
    """The gold utility of PocketWorld: `gold(rollout)` -> (B,) gold points.

    Raises, when called:
        ValueError: a prompt that is none of PocketWorld's, such as a plain text: what it asks, and what a
            right answer is, is not known of it.
    """

    def __init__(self, world: PocketWorld) -> None:
        self.world = world

    def __call__(self, rollout: Rollout) -> Tensor:
        pairs = zip(rollout.prompts, rollout.texts, strict=True)
        return _on_device(rollout, [self.world.gold(_of_world(p), t) for p, t in pairs])


class VerifiedAnswer:
    """A verifiable reward: 1.0 where the final answer of a sum or fact is right, else 0.0, (B,).

    Raises, when called:
        ValueError: as `GoldReward`.
    """

    def __init__(self, world: PocketWorld) -> None:
        self.world = world

    def __call__(self, rollout: Rollout) -> Tensor:
        pairs = zip(rollout.prompts, rollout.texts, strict=True)
        scored = (self.world.gold_score(_of_world(p), t) for p, t in pairs)
        return _on_device(rollout, [float(found.terms["task"] > 0) for found in scored])


def verify_answer(world: PocketWorld, rollout: Rollout) -> Tensor:
    """`VerifiedAnswer(world)(rollout)`."""
    return VerifiedAnswer(world)(rollout)


def _of_world(prompt):
    if isinstance(prompt, Mapping):
        prompt = prompt.get("prompt", prompt)
    if not hasattr(prompt, "kind"):
        raise ValueError(
            "the gold utility needs prompts of PocketWorld, such as world.prompts(8): of any other "
            f"what a right answer is is not known; got {type(prompt).__name__} {str(prompt)[:60]!r}"
        )
    return prompt


def _on_device(rollout: Rollout, values: list[float]) -> Tensor:
    return rollout.completion_mask.new_tensor(values)
