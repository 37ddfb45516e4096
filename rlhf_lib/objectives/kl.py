"""KL divergence to a reference policy: estimated, exact, controlled. Book: `c/15-regularization`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._checks import at_least, one_of, same_shape

LARGEST_EXPONENT = 20.0
"""k3's exponential is taken of at most this much, so that hopeless tokens give 5e8 and not inf."""


def kl_estimate(logp: Tensor, ref_logp: Tensor, kind: str = "k3") -> Tensor:
    """Estimates of KL(policy || reference) per token, from samples of the policy.

    logp, ref_logp: log-probabilities (nats) of the sampled tokens, any common shape. With
    D = logp - ref_logp:
        k1 = D: unbiased, may be negative.
        k2 = D^2 / 2: biased, low variance; its gradient is that of the KL.
        k3 = exp(-D) - 1 + D: unbiased, never negative, spikes where the reference finds the token
            far likelier than the policy does.
    Source: Schulman (2020), 'Approximating KL divergence'. Equation: [KL-1].

    Raises:
        ValueError: shapes differ, or unknown kind.
    """
    one_of("kind", kind, ("k1", "k2", "k3"))
    same_shape(logp=logp, ref_logp=ref_logp)
    difference = logp - ref_logp
    if kind == "k1":
        return difference
    if kind == "k2":
        return difference.square() / 2
    return torch.expm1((-difference).clamp(max=LARGEST_EXPONENT)) + difference


def exact_kl(logits: Tensor, ref_logits: Tensor) -> Tensor:
    """KL(policy || reference) in nats of the distributions with these logits (..., V) -> (...).

    Equation: [KL-2].

    Raises:
        ValueError: shapes differ.
    """
    same_shape(logits=logits, ref_logits=ref_logits)
    logp, ref_logp = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (logp.exp() * (logp - ref_logp)).sum(-1)


class AdaptiveKL:
    """A KL coefficient that is raised when the KL is above `target` and lowered when it is below.

    e = clip(kl / target - 1, -0.2, 0.2);  coefficient *= 1 + e * n / horizon, for n new samples.
    Source: Ziegler et al. (2019), section 2.2. Equation: [KL-3].

    Raises:
        ValueError: target, horizon or coefficient not positive.
    """

    def __init__(self, target: float, horizon: float, coefficient: float = 0.1) -> None:
        for name, value in (("target", target), ("horizon", horizon), ("coefficient", coefficient)):
            if not value > 0:
                raise ValueError(f"{name} must be positive; got {value}")
        self.target, self.horizon, self.coefficient = target, horizon, coefficient

    def update(self, kl: float, n_samples: int) -> float:
        """Take in the mean sequence KL of `n_samples` completions; returns the new coefficient."""
        error = min(0.2, max(-0.2, kl / self.target - 1))
        self.coefficient *= 1 + error * n_samples / self.horizon
        return self.coefficient


def best_of_n_kl(n: int | float) -> float:
    """log n - (n - 1) / n, in nats: the usual formula for the KL of best-of-n to its base policy.

    It is exact where no two answers tie and each answer is rare, else an upper bound (Beirami et al.,
    2024). Equation: [KL-4].

    Raises:
        ValueError: n < 1.
    """
    at_least("n", n, 1)
    return math.log(n) - (n - 1) / n
