"""Best policies of the exact world that have to be searched for, by bisection.

Book: `c/15-regularization`, `c/09-rejection-sampling`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..objectives import exact_kl
from .world import optimal_policy

HALVINGS = 60


def equal_kl_policy(ref_logp: Tensor, rewards: Tensor, kl: Tensor) -> Tensor:
    """log pi* (N, K) whose KL to the reference is kl (N,) nats, each row with a beta of its own.

    ref_logp, rewards (N, K). No policy with this KL has a higher expected reward. beta is searched between
    0.001 and 1000; a kl beyond their reach gives the nearer end.

    Raises:
        ValueError: shapes differ.
    """
    if kl.shape != ref_logp.shape[:-1]:
        raise ValueError(
            f"kl must have one number a row, {tuple(ref_logp.shape[:-1])}; got {tuple(kl.shape)}"
        )
    low, high = torch.full_like(kl, 1e-3), torch.full_like(kl, 1e3)
    for _ in range(HALVINGS):
        beta = (low * high).sqrt()
        too_far = exact_kl(_tilted(ref_logp, rewards, beta), ref_logp) > kl
        low, high = torch.where(too_far, beta, low), torch.where(too_far, high, beta)
    return _tilted(ref_logp, rewards, (low * high).sqrt())


def forward_kl_optimum(ref_logp: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """Log-probabilities (N, K) of the policy with the highest E[r] - beta KL(pi_ref || pi).

    It is beta pi_ref / (c - r), with the c of each row that makes it sum to 1. This is where k3 in the loss
    leads; k1 in the reward leads to `optimal_policy`.

    Raises:
        ValueError: shapes differ, or beta not positive.
    """
    optimal_policy(ref_logp, rewards, beta)  # the same checks
    probability = ref_logp.softmax(-1)
    low = rewards.max(-1, keepdim=True).values
    high = low + beta  # there every term is at most the reference's probability
    for _ in range(HALVINGS):
        c = (low + high) / 2
        too_much = (beta * probability / (c - rewards)).sum(-1, keepdim=True) > 1
        low, high = torch.where(too_much, c, low), torch.where(too_much, high, c)
    return (beta * probability / (high - rewards)).log().log_softmax(-1)


def _tilted(ref_logp: Tensor, rewards: Tensor, beta: Tensor) -> Tensor:
    return (ref_logp + rewards / beta[..., None]).log_softmax(-1)
