"""KL divergence to a reference policy: estimated, exact, controlled. Book: `c/15-regularization`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._checks import at_least, one_of, positive, same_shape
from ._masked import widened

LARGEST_EXPONENT = 20.0
"""k3 takes a token that the reference finds more than e^20 times likelier for one at e^20.

Its value is then 5e8 (6e4 in float16, whose numbers end there) instead of inf, and its gradient 0.
"""


def kl_estimate(logp: Tensor, ref_logp: Tensor, kind: str = "k3") -> Tensor:
    """Estimates of KL(policy || reference) per token, from samples of the policy.

    logp, ref_logp: log-probabilities (nats) of the sampled tokens, any common shape. With
    D = logp - ref_logp:
        k1 = D: unbiased, may be negative.
        k2 = D^2 / 2: biased, low variance; its gradient is that of the KL.
        k3 = exp(-D) - 1 + D: unbiased, never negative, spikes where the reference finds the token
            far likelier than the policy does (-D is cut at `LARGEST_EXPONENT`). In a loss, its gradient
            is that of KL(reference || policy): see `weighted_kl`.
    Some public code has D the other way round; its k1 then has the wrong sign, and its k3
    estimates another quantity. Same as TRL. Source: Schulman (2020), 'Approximating KL
    divergence'. Equation: [KL-1].

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
    return _k3(difference)


def _k3(difference: Tensor) -> Tensor:
    """expm1(x) - x with x = -D: the 1 is never added, so a small D keeps its digits."""
    limit = min(LARGEST_EXPONENT, math.log(torch.finfo(difference.dtype).max) - 0.05)
    exponent = widened(-difference).clamp(max=limit)
    return (torch.expm1(exponent) - exponent).to(difference.dtype)


def weighted_kl(logp: Tensor, old_logp: Tensor, ref_logp: Tensor) -> Tensor:
    """k3 times the ratio of the policy to the one that drew the samples: for KL in a *loss*.

    logp, old_logp, ref_logp: log-probabilities (nats) of the sampled tokens, any common shape; old_logp
    is a constant. Its expected gradient over samples of the old policy is that of KL(policy || reference),
    while plain k3's is that of KL(reference || policy): the policy under which the expectation is taken
    moves too. Source: DeepSeek-V3.2 (2025); TRL's `use_bias_correction_kl`. Equation: [KL-1].

    Raises:
        ValueError: shapes differ.
    """
    same_shape(logp=logp, old_logp=old_logp, ref_logp=ref_logp)
    log_ratio = (logp - old_logp.detach()).clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT)
    return log_ratio.exp() * kl_estimate(logp, ref_logp, "k3")


def exact_kl(logits: Tensor, ref_logits: Tensor) -> Tensor:
    """KL(policy || reference) in nats of the distributions with these logits (..., V) -> (...).

    sum over v of p_v * (log p_v - log ref_v). A token that the policy cannot draw (logit -inf, as
    after top-k) adds 0; one that only the reference cannot draw makes it inf. Equation: [KL-2].

    Raises:
        ValueError: shapes differ.
    """
    same_shape(logits=logits, ref_logits=ref_logits)
    logp, ref_logp = widened(logits).log_softmax(-1), widened(ref_logits).log_softmax(-1)
    probability = logp.exp()
    gap = torch.where(probability > 0, logp - ref_logp, 0.0)
    return (probability * gap).sum(-1).to(logits.dtype)


class AdaptiveKL:
    """A KL coefficient that is raised when the KL is above `target` and lowered when it is below.

    e = clip(kl / target - 1, -0.2, 0.2);  coefficient *= 1 + e * n / horizon, for n new samples.
    target: mean KL of a whole completion (sum over its tokens), in nats. horizon: samples in which
    the coefficient moves by at most about 20%. The only objective that keeps state.
    Source: Ziegler et al. (2019), section 2.2. Equation: [KL-3].

    Raises:
        ValueError: target, horizon or coefficient not positive.
    """

    def __init__(self, target: float, horizon: float, coefficient: float = 0.1) -> None:
        for name, value in (("target", target), ("horizon", horizon), ("coefficient", coefficient)):
            positive(name, value)
        self.target, self.horizon, self.coefficient = target, horizon, coefficient

    def update(self, kl: float, n_samples: int) -> float:
        """Take in the mean sequence KL of `n_samples` completions; returns the new coefficient.

        Raises:
            ValueError: kl is not a number, or n_samples so many that the coefficient turns negative.
        """
        if math.isnan(kl):
            raise ValueError("kl is not a number: look for non-finite log-probabilities")
        if not 0 < n_samples < 5 * self.horizon:
            raise ValueError(
                f"n_samples must be between 1 and 5 * horizon = {5 * self.horizon:g}, or the "
                f"coefficient could fall below 0; got {n_samples}"
            )
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
