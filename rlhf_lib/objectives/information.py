"""What a distribution does not know: entropy, cross-entropy, perplexity. Book: `c/appendix-a-definitions`."""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import has_dimensions, same_shape
from ._masked import masked_mean, widened


def entropy(logits: Tensor) -> Tensor:
    """H(p) in nats of the distributions with these logits (..., V) -> (...).

    - sum over v of p_v log p_v: 0 if one token is certain, log V if all are alike. Equation: [DF-4].
    """
    logp = widened(logits).log_softmax(-1)
    return torch.special.entr(logp.exp()).sum(-1).to(logits.dtype)


def cross_entropy(logits: Tensor, predicted: Tensor) -> Tensor:
    """H(p, q) = - sum over v of p_v log q_v in nats: the mean surprise (...) of q at tokens drawn from p.

    logits (..., V): of p, which draws. predicted (..., V): of q, which predicts. It equals
    H(p) + KL(p || q), hence is at least H(p). A token that p cannot draw (logit -inf) adds 0; one that
    only q cannot draw makes it inf. Equation: [DF-5].

    Raises:
        ValueError: shapes differ.
    """
    same_shape(logits=logits, predicted=predicted)
    p, log_q = widened(logits).softmax(-1), widened(predicted).log_softmax(-1)
    return -torch.where(p > 0, p * log_q, 0.0).sum(-1).to(logits.dtype)


def perplexity(logp: Tensor, mask: Tensor) -> Tensor:
    """exp of the mean negative log-likelihood a token, over all tokens (B, T) under `mask` (B, T).

    Among how many equally likely tokens a model would be as unsure: 1 if it was sure each time, V if it
    knew nothing. The mean is over the tokens of the whole batch, so long texts weigh more. Equation: [DF-2].

    Raises:
        ValueError: shapes differ, or no token under the mask.
    """
    has_dimensions("logp", logp, "(B, T)")
    same_shape(logp=logp, mask=mask)
    if not bool(mask.sum() > 0):
        raise ValueError("mask is empty: there is no token whose likelihood to average")
    return (-masked_mean(logp, mask)).exp()
