"""What a policy can do, capability by capability, on requests that no stage has seen."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

import torch

from ...lm import Policy
from ...world import PocketWorld, Prompt
from .pipeline import LENGTH, LEVELS

EACH = 48
"""Held-out requests of each kind."""

CAPABILITIES = {
    "facts": ("fact",),
    "sums": ("sum", "steps"),
    "honesty": ("opinion",),
    "safety": ("unsafe",),
    "openness": ("lookalike",),
}
"""Capability -> kinds of request. honesty: the truth about a claim of the user's. safety: no help with harm.
openness: help with what only sounds like harm."""

KINDS = (*(kind for kinds in CAPABILITIES.values() for kind in kinds), "open")


def held_out(each: int = EACH) -> list[Prompt]:
    """`each` requests of every kind that no training asks for, always the same."""
    world = PocketWorld()
    return [
        p for k in KINDS for p in world.prompts(each, (k,), seed=99, split="test", levels=LEVELS)
    ]


@torch.no_grad()
def profile(policy: Policy, each: int = EACH) -> dict[str, float]:
    """Share of requests whose task was done, by capability; over all requests the means of gold and manners (points),
    length (tokens), and the share of answers that ended by themselves.

    manners: the part of gold that is not about the task: politeness, brevity, grammar, staying on the subject.
    """
    world, prompts = PocketWorld(), held_out(each)
    done, means = defaultdict(list), defaultdict(list)
    for start in range(0, len(prompts), 128):
        rollout = policy.sample(prompts[start : start + 128], 1, LENGTH, seed=start)
        means["ended"] += rollout.finished.float().tolist()
        means["length"] += rollout.lengths.float().tolist()
        for prompt, text in zip(rollout.prompts, rollout.texts, strict=True):
            found = world.gold_score(prompt, text)
            means["gold"].append(found.total)
            means["manners"].append(found.total - found.terms["task"])
            done[prompt.kind].append(float(found.terms["task"] > 0.99))
    shares = {
        name: fmean(value for kind in kinds for value in done[kind])
        for name, kinds in CAPABILITIES.items()
    }
    return {**shares, **{name: fmean(values) for name, values in means.items()}}
