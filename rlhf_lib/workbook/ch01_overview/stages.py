"""The chain from a document writer to an assistant: base, SFT, RLHF, RLVR, and what each stage changes."""

from __future__ import annotations

import torch

from ...evaluation.knowledge import cloze_accuracy
from ...lm import Policy
from ...rewards import GoldReward, RewardModel, VerifiedAnswer
from ...training import OnlineSettings, train_online
from ...world import PocketWorld
from ...world.facts import ATTRIBUTES

SUMS = {"kinds": ("sum", "steps"), "levels": ((9, 2), (30, 2))}
"""Plain sums, and word problems of two steps."""
UNSEEN, UPDATES = 96, 20


def rlhf(policy: Policy, steps: int = UPDATES, seed: int = 0) -> Policy:
    """A copy that was trained on pocket-reward, held near its start by a KL penalty."""
    policy, world = policy.copy(), PocketWorld()
    settings = OnlineSettings(steps=steps, learning_rate=2e-4, kl_coefficient=0.1, seed=seed)
    train_online(policy, world.prompts(1000, seed=7), RewardModel.load("pocket-reward"), settings)
    return policy


def rlvr(policy: Policy, steps: int = UPDATES, seed: int = 0) -> Policy:
    """A copy that was trained on sums, with one point for a right result and none for a wrong one."""
    policy, world = policy.copy(), PocketWorld()
    settings = OnlineSettings(steps=steps, learning_rate=2e-4, kl_coefficient=0.01, seed=seed)
    train_online(policy, world.prompts(1000, seed=8, **SUMS), VerifiedAnswer(world), settings)
    return policy


@torch.no_grad()
def measured(policy: Policy, before: Policy) -> dict[str, float]:
    """On 96 unseen requests of all kinds: gold points, the share of answers that end by themselves, and how far
    the policy has moved from the one `before` it (nats an answer). On 96 unseen sums: the share of right results.
    And the share of facts that it knows."""
    world = PocketWorld()
    rollout = policy.sample(world.prompts(UNSEEN, seed=41, split="test"), 1, 40, seed=1)
    sums = policy.sample(world.prompts(UNSEEN, seed=42, split="test", **SUMS), 1, 40, seed=1)
    moved = (rollout.logp - before.logprobs(rollout)) * rollout.completion_mask
    return {
        "knows": sum(cloze_accuracy(policy, world, a) for a in ATTRIBUTES) / len(ATTRIBUTES),
        "ends": rollout.finished.float().mean().item(),
        "gold": GoldReward(world)(rollout).mean().item(),
        "sums": VerifiedAnswer(world)(sums).mean().item(),
        "moved": moved.sum(1).mean().item(),
    }
