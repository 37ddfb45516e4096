"""How far a policy has moved, from its own samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..lm import Policy
from ..objectives import kl_estimate
from .statistics import Estimate, mean_interval


@torch.no_grad()
def sampled_kl(
    policy: Policy,
    reference: Policy,
    prompts: Sequence,
    samples_per_prompt: int = 2,
    max_new_tokens: int = 40,
    kind: str = "k1",
    seed: int = 0,
) -> Estimate:
    """KL(policy || reference) of whole answers in nats, with a 95% interval, from the policy's samples.

    kind: 'k1' or 'k3', summed over the answer's tokens; both are unbiased. Nothing is trained. In the exact
    world `ExactWorld.measure` needs no samples. Equation: [KL-1].

    Raises:
        ValueError: no prompts, or unknown kind.
    """
    rollout = policy.sample(prompts, samples_per_prompt, max_new_tokens, seed=seed)
    token_kl = kl_estimate(rollout.logp, reference.logprobs(rollout), kind)
    return mean_interval((token_kl * rollout.completion_mask).sum(1))
