"""How good are the estimators of KL? Their mean and spread, exactly and on repeated samples.

Book: `c/15-regularization`; Schulman (2020), 'Approximating KL divergence'.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..objectives import exact_kl, kl_estimate

KINDS = ("k1", "k2", "k3")


@dataclass(frozen=True)
class Moments:
    """Of one sample, in nats: mean, standard deviation, and bias = mean - KL. negative: share below 0."""

    mean: float
    deviation: float
    bias: float
    negative: float


def estimator_moments(logp: Tensor, ref_logp: Tensor, kind: str) -> Moments:
    """Exact moments of `kl_estimate` for samples of the policy; logp, ref_logp (..., K), means over rows.

    Raises:
        ValueError: shapes differ, or unknown kind.
    """
    value, probability = kl_estimate(logp, ref_logp, kind), logp.exp()
    value = torch.where(probability > 0, value, 0.0)
    mean = (probability * value).sum(-1)
    variance = (probability * (value - mean[..., None]).square()).sum(-1)
    negative = (probability * (value < 0)).sum(-1).mean()
    bias = (mean - exact_kl(logp, ref_logp)).mean()
    return Moments(mean.mean().item(), variance.mean().sqrt().item(), bias.item(), negative.item())


def repeated_estimates(
    logp: Tensor, ref_logp: Tensor, count: int, repeats: int = 400, seed: int = 0
) -> dict[str, Tensor]:
    """Estimator -> (repeats,): each the mean over `count` samples of the policy logp (K,).

    All estimators see the same samples.

    Raises:
        ValueError: count or repeats below 1.
    """
    if not (count >= 1 and repeats >= 1):
        raise ValueError(f"count and repeats must be 1 or more; got {count} and {repeats}")
    generator = torch.Generator().manual_seed(seed)
    index = torch.multinomial(logp.exp(), repeats * count, replacement=True, generator=generator)
    index = index.view(repeats, count)
    return {kind: kl_estimate(logp[index], ref_logp[index], kind).mean(1) for kind in KINDS}


def drifted(kind: str, distance: float, size: int = 40) -> tuple[Tensor, Tensor]:
    """A policy and its reference, log-probabilities (K,) over `size` answers.

    kind 'all a little': every answer's log-odds move, by `distance` on average. 'one dropped': the likeliest
    answer of the reference becomes e^(4 distance) times less likely, and the others share its part.

    Raises:
        ValueError: unknown kind.
    """
    generator = torch.Generator().manual_seed(0)
    ref = torch.randn(size, generator=generator, dtype=torch.float64).log_softmax(-1)
    if kind == "all a little":
        shift = torch.randn(size, generator=generator, dtype=torch.float64)
    elif kind == "one dropped":
        shift = torch.zeros_like(ref)
        shift[ref.argmax()] = -4.0
    else:
        raise ValueError(f"kind must be 'all a little' or 'one dropped'; got {kind!r}")
    return (ref + distance * shift).log_softmax(-1), ref
