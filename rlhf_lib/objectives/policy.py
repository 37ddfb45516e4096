"""Policy-gradient losses: REINFORCE, PPO's clip, GSPO, CISPO, and the ways to average them.

Book: `c/06-policy-gradients`. All losses are to be minimised (the negative of the objective). PPO, RLOO,
GRPO, Dr. GRPO and DAPO are one loss here, 'ppo': they differ in their advantages, clip range and
aggregation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import at_least, has_dimensions, mask_covers_rows, one_of, same_shape, within

ALGORITHMS = ("reinforce", "ppo", "gspo", "cispo")
AGGREGATES = ("sequence", "token", "fixed")
LARGEST_LOG_RATIO = 20.0
"""Log ratios are cut to +-20 before the exponential, so that a ratio is at most 5e8 and not inf."""


def masked_aggregate(
    values: Tensor, mask: Tensor, aggregate: str = "sequence", max_length: int | None = None
) -> Tensor:
    """One number from values (B, T) under mask (B, T). Equation: [PG-5].

    'sequence': mean over a sequence's tokens, then over sequences; each *sequence* weighs the same
        (GRPO). 'token': one mean over all tokens; each *token* weighs the same (DAPO). 'fixed': sum
        over tokens / max_length, then mean over sequences; each token weighs the same whatever the
        batch (Dr. GRPO); max_length is T by default.

    Raises:
        ValueError: shapes, an empty row of the mask, unknown aggregate, max_length < 1.
    """
    one_of("aggregate", aggregate, AGGREGATES)
    has_dimensions("values", values, "(B, T)")
    same_shape(values=values, mask=mask)
    mask_covers_rows(mask)
    sums = (values * mask).sum(1)
    if aggregate == "sequence":
        return (sums / mask.sum(1)).mean()
    if aggregate == "token":
        return sums.sum() / mask.sum()
    length = values.shape[1] if max_length is None else max_length
    at_least("max_length", length, 1)
    return (sums / length).mean()


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
    algorithm, with ratio = exp(logp - old_logp):
        'reinforce': -A * logp; `old_logp` enters the metrics alone. [PG-1]
        'ppo': -min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A). [PG-2]
        'gspo': the same with one ratio per sequence, (pi / pi_old)^(1 / length). [PG-3]
        'cispo': -stop_gradient(clip(ratio, 1 - clip_low, 1 + clip_high)) * A * logp. [PG-4]
    aggregate, max_length: see `masked_aggregate`. [PG-5]
    sampler_logp (B, T): log-probabilities under what really drew the tokens (other software, other
        temperature, older weights). Each token's loss is then multiplied by
        min(exp(old_logp - sampler_logp), tis_cap): truncated importance sampling. [PG-6]
    entropy (B, T): only reported, as its mean under the mask.

    Returns the loss and metrics: clip_fraction (tokens whose gradient the clip has cut), ratio_min,
    ratio_max, approx_kl (k3 of old against new), and entropy where given.
    Equations: [PG-1], [PG-2], [PG-3], [PG-4], [PG-5], [PG-6].

    Raises:
        ValueError: shapes, an empty row of the mask, unknown names, a parameter out of range.
    """
    _check_policy(logp, old_logp, advantages, mask, algorithm, clip_low, clip_high, tis_cap)
    same_shape(logp=logp, sampler_logp=sampler_logp, entropy=entropy)
    advantages = (advantages[:, None] if advantages.ndim == 1 else advantages).detach()
    log_ratio = (logp - old_logp.detach()) * mask
    if algorithm == "gspo":
        log_ratio = _sequence_log_ratio(log_ratio, mask)
    ratio = log_ratio.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    losses = _token_losses(algorithm, logp, ratio, clipped, advantages)
    if sampler_logp is not None:
        losses = losses * importance_weights(old_logp, sampler_logp, tis_cap)
    loss = masked_aggregate(losses, mask, aggregate, max_length)
    return loss, _metrics(algorithm, ratio, clipped, advantages, mask, entropy)


def importance_weights(old_logp: Tensor, sampler_logp: Tensor, cap: float = 2.0) -> Tensor:
    """min(pi_old / pi_sampler, cap) per token, without gradient. Equation: [PG-6].

    The cap bounds the variance and lets in a little bias. Source: Yao et al. (2025).
    """
    log_weight = (old_logp - sampler_logp).detach().clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)
    return log_weight.exp().clamp(max=cap)


def value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float | None = None
) -> Tensor:
    """Half the squared error of the value estimates, mean over the masked tokens. Equation: [PG-7].

    values, old_values, returns, mask (B, T). With `clip`, the larger of the plain error and that of
    values held within +-clip of the old ones (PPO's trick against large steps).

    Raises:
        ValueError: shapes, an empty row of the mask, clip not positive.
    """
    has_dimensions("values", values, "(B, T)")
    same_shape(values=values, old_values=old_values, returns=returns, mask=mask)
    mask_covers_rows(mask)
    errors = (values - returns).square()
    if clip is not None:
        if not clip > 0:
            raise ValueError(f"clip must be positive, or None; got {clip}")
        held = old_values + (values - old_values).clamp(-clip, clip)
        errors = torch.maximum(errors, (held - returns).square())
    return 0.5 * (errors * mask).sum() / mask.sum()


def _sequence_log_ratio(log_ratio: Tensor, mask: Tensor) -> Tensor:
    """Mean log ratio of each sequence, repeated over its tokens: the log of GSPO's ratio."""
    mean = log_ratio.sum(1, keepdim=True) / mask.sum(1, keepdim=True)
    return mean.expand_as(log_ratio)


def _token_losses(algorithm: str, logp, ratio, clipped, advantages) -> Tensor:
    if algorithm == "reinforce":
        return -advantages * logp
    if algorithm == "cispo":
        return -clipped.detach() * advantages * logp
    return -torch.minimum(ratio * advantages, clipped * advantages)


@torch.no_grad()
def _metrics(algorithm, ratio, clipped, advantages, mask, entropy) -> dict[str, float]:
    inside = mask.bool()
    if algorithm == "reinforce":
        cut = torch.zeros_like(ratio)
    elif algorithm == "cispo":  # its clip bounds the weight and cuts no gradient
        cut = (ratio != clipped).to(ratio.dtype)
    else:
        cut = (ratio * advantages > clipped * advantages).to(ratio.dtype)
    metrics = {
        "clip_fraction": ((cut * mask).sum() / mask.sum()).item(),
        "ratio_min": ratio[inside].min().item(),
        "ratio_max": ratio[inside].max().item(),
        "approx_kl": (((ratio - 1 - ratio.log()) * mask).sum() / mask.sum()).item(),
    }
    if entropy is not None:
        metrics["entropy"] = ((entropy * mask).sum() / mask.sum()).item()
    return metrics


def _check_policy(
    logp, old_logp, advantages, mask, algorithm, clip_low, clip_high, tis_cap
) -> None:
    one_of("algorithm", algorithm, ALGORITHMS)
    has_dimensions("logp", logp, "(B, T)")
    same_shape(logp=logp, old_logp=old_logp, mask=mask)
    mask_covers_rows(mask)
    if tuple(advantages.shape) not in ((len(logp),), tuple(logp.shape)):
        raise ValueError(
            f"advantages must have shape (B,) or (B, T) with logp's {tuple(logp.shape)}; "
            f"got {tuple(advantages.shape)}"
        )
    within("clip_low", clip_low, 0, 1)
    at_least("clip_high", clip_high, 0)
    if not tis_cap > 0:
        raise ValueError(f"tis_cap must be positive; got {tis_cap}")
