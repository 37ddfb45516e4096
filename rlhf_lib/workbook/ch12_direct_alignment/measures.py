"""How the chapter measures a policy: on comparisons, and by its own answers to held-out requests."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from ...lm import Policy, encode_answers, evaluating, load_policy, score_answers
from ...rewards import GoldReward
from ...training.loop import in_parts
from ...world import PocketWorld, Preference

REQUESTS = 96
"""Held-out requests, each answered twice, always with the same dice."""


@torch.no_grad()
def judged(policy: Policy) -> dict[str, float]:
    """gold (points), tokens, and KL to pocket-sft (nats) of 192 answers to requests that nobody trained on."""
    world, sft = PocketWorld(), load_policy("pocket-sft")
    with evaluating(policy):
        rollout = policy.sample(held_out_requests(), 2, 40, seed=1)
    kl = (rollout.logp - sft.logprobs(rollout)).sum(1).mean().item()
    return {
        "gold": GoldReward(world)(rollout).mean().item(),
        "tokens": rollout.lengths.mean().item(),
        "kl": kl,
    }


@functools.cache
def held_out_requests() -> list:
    """The requests of all measurements in the chapter."""
    return PocketWorld().prompts(REQUESTS, seed=99, split="test")


@torch.no_grad()
def pair_logps(policy: Policy, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor]:
    """log pi (n, 2) of the chosen and the rejected answers, sums over tokens in nats; and their tokens (n, 2)."""
    asked = [pair.prompt for pair in pairs] * 2
    answers = encode_answers(policy, asked, [p.chosen for p in pairs] + [p.rejected for p in pairs])
    order = sorted(range(len(answers)), key=lambda i: len(answers[i].token_ids))
    with evaluating(policy):
        parts = [score_answers(policy, [answers[i] for i in some]) for some in in_parts(order, 128)]
    logps = torch.empty(len(answers))
    logps[torch.tensor(order)] = torch.cat(parts).cpu().float()
    lengths = torch.tensor([float(answer.length) for answer in answers])
    return logps.view(2, -1).T, lengths.view(2, -1).T


def log_ratios(policy: Policy, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor]:
    """log pi/pi_sft (n, 2) of the chosen and the rejected answers, and their tokens (n, 2)."""
    now, lengths = pair_logps(policy, pairs)
    return now - pair_logps(load_policy("pocket-sft"), pairs)[0], lengths
