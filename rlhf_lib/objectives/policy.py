"""Policy-gradient losses: REINFORCE, PPO's clip, GSPO, CISPO, and the ways to average them.

Book: `c/06-policy-gradients`. All losses are to be minimised (the negative of the objective). PPO, RLOO,
GRPO, Dr. GRPO and DAPO are one loss here, 'ppo': they differ in their advantages, clip range and
aggregation. Entries where a mask is 0 may hold anything. A row of the mask without a completion token
is an error and not a 0: drop such rows first, so that means are over what is there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import (
    at_least,
    has_dimensions,
    mask_covers_rows,
    one_of,
    positive,
    same_shape,
    within,
)
from ._masked import blank, masked_mean, widened
from .kl import kl_estimate

ALGORITHMS = ("reinforce", "ppo", "gspo", "cispo")
AGGREGATES = ("sequence", "token", "fixed")
LARGEST_LOG_RATIO = 20.0
"""Log ratios are cut to +-20 before the exponential: a ratio is at most 5e8 and not inf.

A token beyond has no gradient. It is too far from the sampler to say anything about the policy.
"""


def masked_aggregate(
    values: Tensor, mask: Tensor, aggregate: str = "sequence", max_length: int | None = None
) -> Tensor:
    """One number from values (B, T) under mask (B, T). Equation: [PG-5].

    'sequence': mean over a sequence's tokens, then over sequences; each *sequence* weighs the same
        (GRPO). 'token': one mean over all tokens; each *token* weighs the same (DAPO). 'fixed': sum
        over tokens / max_length, then mean over sequences; each token weighs the same whatever the
        batch (Dr. GRPO); max_length is T by default.
    Micro-batches of equal size average to the whole for 'sequence' and 'fixed' (give max_length);
    'token' needs the weights (tokens of the micro-batch) / (tokens of the batch).

    Raises:
        ValueError: shapes, an empty row of the mask, unknown aggregate, max_length < 1.
    """
    one_of("aggregate", aggregate, AGGREGATES)
    has_dimensions("values", values, "(B, T)")
    same_shape(values=values, mask=mask)
    mask_covers_rows(mask)
    length = values.shape[1] if max_length is None else max_length
    at_least("max_length", length, 1)
    weights = widened(mask)
    sums = (blank(widened(values), mask) * weights).sum(1)
    if aggregate == "sequence":
        mean = (sums / weights.sum(1)).mean()
    elif aggregate == "token":
        mean = sums.sum() / weights.sum()
    else:
        mean = (sums / length).mean()
    return mean.to(values.dtype)


def policy_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    mask: Tensor,
    algorithm: str = "ppo",
    aggregate: str = "sequence",
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    max_length: int | None = None,
    sampler_logp: Tensor | None = None,
    tis_cap: float = 2.0,
    entropy: Tensor | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """The loss whose gradient, for samples of the old policy, is minus the policy gradient.

    logp, old_logp (B, T): log-probabilities of the sampled tokens under the policy that learns and
        under the one that it started this batch from. advantages (B,) or (B, T), taken as constants.
        mask (B, T): 1.0 on completion tokens.
    algorithm, with ratio = exp(logp - old_logp) and clip = clamp to [1 - clip_low, 1 + clip_high]:
        'reinforce': -A * logp, without a ratio. [PG-1]
        'ppo': -min(ratio * A, clip(ratio) * A). [PG-2]
        'gspo': the same with one ratio per sequence, (pi / pi_old)^(1 / length); with advantages
            (B, T) it is GSPO-token, where each token's own gradient bears its advantage. [PG-3]
        'cispo': -stop_gradient(clip(ratio)) * A * logp; clip_low = 1 leaves out the lower bound, as
            TRL does (its epsilon_high is our 1 + clip_high). [PG-4]
    aggregate, max_length: see `masked_aggregate`. [PG-5]
    sampler_logp (B, T): log-probabilities under what really drew the tokens (other software, other
        temperature, older weights); weighs each token by `importance_weights`. [PG-6]
    entropy (B, T): only reported, as its mean under the mask.

    Returns the loss and metrics: clip_fraction (tokens that the clip has taken the gradient from; for
    CISPO those with a clipped weight), ratio_min, ratio_max, approx_kl (k3 of old to new, token
    mean), and entropy where given. Equations: [PG-1], [PG-2], [PG-3], [PG-4], [PG-5], [PG-6].

    Raises:
        ValueError: shapes, an empty row of the mask, unknown names, a parameter out of range.
    """
    _check_policy(logp, old_logp, advantages, mask, algorithm, clip_low, clip_high, tis_cap)
    same_shape(logp=logp, sampler_logp=sampler_logp, entropy=entropy)
    new, old = (blank(widened(x), mask) for x in (logp, old_logp.detach()))
    advantages = (advantages if advantages.ndim == 2 else advantages[:, None]).detach()
    ratio = _ratio(new - old, mask, algorithm, by_token=advantages.shape == logp.shape)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    losses = _token_losses(algorithm, new, ratio, clipped, advantages)
    if sampler_logp is not None:
        sampler = blank(widened(sampler_logp), mask)
        losses = losses * importance_weights(old, sampler, tis_cap)
    loss = masked_aggregate(losses, mask, aggregate, max_length).to(logp.dtype)
    metrics = _clip_metrics(algorithm, ratio.detach(), clipped, advantages, mask)
    metrics["approx_kl"] = masked_mean(kl_estimate(old, new.detach(), "k3"), mask)
    if entropy is not None:
        metrics["entropy"] = masked_mean(entropy.detach(), mask)
    return loss, _floats(metrics)


def importance_weights(old_logp: Tensor, sampler_logp: Tensor, cap: float = 2.0) -> Tensor:
    """min(pi_old / pi_sampler, cap) per token, without gradient. Equation: [PG-6].

    The cap bounds the variance and lets in a little bias. old_logp, sampler_logp: any common shape.
    Source: Yao et al. (2025).

    Raises:
        ValueError: shapes differ, cap not positive.
    """
    same_shape(old_logp=old_logp, sampler_logp=sampler_logp)
    positive("cap", cap)
    log_weight = widened(old_logp - sampler_logp).detach()
    return log_weight.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp().clamp(max=cap)


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float | None = None
) -> Tensor:
    """Half the squared error of the value estimates, mean over the masked tokens. Equation: [PG-7].

    values, old_values, returns, mask (B, T); old_values and returns are taken as constants. With
    `clip`, the larger of the plain error and that of values held within +-clip of the old ones
    (PPO's trick against large steps).

    Raises:
        ValueError: shapes, an empty row of the mask, clip not positive.
    """
    has_dimensions("values", values, "(B, T)")
    same_shape(values=values, old_values=old_values, returns=returns, mask=mask)
    mask_covers_rows(mask)
    new, old, target = (widened(x) for x in (values, old_values.detach(), returns.detach()))
    new, old, target = (blank(x, mask) for x in (new, old, target))
    errors = (new - target).square()
    if clip is not None:
        positive("clip", clip)
        held = old + (new - old).clamp(-clip, clip)
        errors = torch.maximum(errors, (held - target).square())
    return 0.5 * masked_mean(errors, mask).to(values.dtype)


def _ratio(log_ratio: Tensor, mask: Tensor, algorithm: str, by_token: bool) -> Tensor:
    """pi / pi_old (B, T), per token, or GSPO's per sequence, repeated over its tokens."""
    if algorithm == "gspo":
        weights = widened(mask)
        mean = (log_ratio * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
        own = log_ratio - log_ratio.detach()  # 0, with the gradient of the token's own log ratio
        log_ratio = mean.detach() + own if by_token else mean.expand_as(log_ratio)
    return log_ratio.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()


def _token_losses(algorithm: str, logp, ratio, clipped, advantages) -> Tensor:
    if algorithm == "reinforce":
        return -advantages * logp
    if algorithm == "cispo":
        return -clipped.detach() * advantages * logp
    return -torch.minimum(ratio * advantages, clipped * advantages)


@torch.no_grad()
def _clip_metrics(algorithm: str, ratio, clipped, advantages, mask) -> dict[str, Tensor]:
    if algorithm == "reinforce":
        cut = torch.zeros_like(ratio)
    elif algorithm == "cispo":  # its clip bounds the weight and cuts no gradient
        cut = (ratio != clipped).to(ratio.dtype)
    else:
        cut = (ratio * advantages > clipped * advantages).to(ratio.dtype)
    outside = mask == 0
    return {
        "clip_fraction": masked_mean(cut, mask),
        "ratio_min": ratio.masked_fill(outside, torch.inf).min(),
        "ratio_max": ratio.masked_fill(outside, -torch.inf).max(),
    }


def _floats(metrics: dict[str, Tensor]) -> dict[str, float]:
    """Plain numbers, in one transfer from the device."""
    first, *_ = values = list(metrics.values())
    numbers = torch.stack([value.to(first.dtype) for value in values]).tolist()
    return dict(zip(metrics, numbers, strict=True))


def _check_policy(
    logp, old_logp, advantages, mask, algorithm, clip_low, clip_high, tis_cap
) -> None:
    one_of("algorithm", algorithm, ALGORITHMS)
    has_dimensions("logp", logp, "(B, T)")
    same_shape(logp=logp, old_logp=old_logp, mask=mask)  # its rows: see `masked_aggregate`
    if tuple(advantages.shape) not in ((len(logp),), tuple(logp.shape)):
        raise ValueError(
            f"advantages must have shape (B,) or (B, T) with logp's {tuple(logp.shape)}; "
            f"got {tuple(advantages.shape)}"
        )
    within("clip_low", clip_low, 0, 1)
    at_least("clip_high", clip_high, 0)
    positive("tis_cap", tis_cap)
