"""What a policy gains in a new task, what it loses elsewhere, and how far it has moved: book `c/15-regularization`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..lm import Policy, Rollout
from ..training import document_loss
from ..world import PocketWorld


@dataclass(frozen=True)
class Drift:
    """task, others: mean rewards on requests of the new task and of all other kinds. documents: nats a token.

    kl: KL(policy || start) of answers in the new task, nats. forward_kl: KL(start || policy), likewise.
    """

    task: float
    others: float
    documents: float
    kl: float
    forward_kl: float


@torch.no_grad()
def measure_drift(
    policy: Policy,
    start: Policy,
    world: PocketWorld,
    task: list,
    others: list,
    task_reward: Callable[[Rollout], Tensor],
    other_reward: Callable[[Rollout], Tensor],
    samples: int = 2,
    max_new_tokens: int = 40,
    seed: int = 0,
    before: Rollout | None = None,
) -> Drift:
    """Measure a policy that started as `start`. Each KL is the mean log-ratio of its own first policy's answers.

    before: answers of `start` to the task, drawn once for many policies; drawn here if not given.

    Raises:
        ValueError: no requests.
    """
    if not task or not others:
        raise ValueError("task and others must each hold at least one request")
    mine = policy.sample(task, samples, max_new_tokens, seed=seed)
    if before is None:
        before = start.sample(task, samples, max_new_tokens, seed=seed)
    elsewhere = policy.sample(others, 1, max_new_tokens, seed=seed)
    return Drift(
        task=task_reward(mine).mean().item(),
        others=other_reward(elsewhere).mean().item(),
        documents=document_loss(policy, world.documents(99), batches=2),
        kl=(mine.logp - start.logprobs(mine)).sum(1).mean().item(),
        forward_kl=(before.logp - policy.logprobs(before)).sum(1).mean().item(),
    )
