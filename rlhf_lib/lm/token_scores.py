"""Log-probabilities and entropies of tokens from hidden states, however many there are.

A table (tokens x V) of a real vocabulary is larger than the model that made it, and softmax, its gradient
and an entropy each make another. Here one of at most `AT_ONCE` numbers is alive at a time.

Shapes: n tokens, H hidden size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

AT_ONCE = 2**22
"""Entries of a table (tokens x V): 16 MB in float32. More tokens go through the head in parts, which
are computed again on the way back."""

_LEAST = torch.finfo(torch.float32).min
"""Instead of log 0, so that 0 log 0 is 0."""


def token_scores(
    model, states: Tensor, ids: Tensor, temperature: float = 1.0, with_entropy: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities (n,) of the tokens `ids` (n,) that follow `states` (n, H), and entropies (n,).

    Both in nats and in float32, of the softmax of logits / temperature, and differentiable; without
    `with_entropy` the second is None.

    Raises:
        ValueError: a temperature that is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive; got {temperature}")

    def score(states: Tensor, ids: Tensor):
        return _Scores.apply(model.logits(states), ids, temperature, with_entropy)

    rows = max(1, AT_ONCE // model.config.vocab_size)
    if len(ids) <= rows:
        return score(states, ids)
    parts = list(zip(states.split(rows), ids.split(rows), strict=True))
    if torch.is_grad_enabled():
        found = [checkpoint(score, *part, use_reentrant=False) for part in parts]
    else:
        found = [score(*part) for part in parts]
    logp, entropy = zip(*found, strict=True)
    return torch.cat(logp), torch.cat(entropy) if with_entropy else None


class _Scores(torch.autograd.Function):
    """Log-softmax, the chosen entries and the entropy, with one table kept for the way back."""

    @staticmethod
    def forward(ctx, logits: Tensor, ids: Tensor, temperature: float, with_entropy: bool):
        scaled = logits.float() if temperature == 1 else logits.float() / temperature
        logp = scaled.log_softmax(-1)
        ctx.dtype, ctx.temperature = logits.dtype, temperature
        ctx.set_materialize_grads(False)
        entropy = -(logp.exp() * logp.clamp(min=_LEAST)).sum(-1) if with_entropy else None
        ctx.save_for_backward(logp, ids, entropy)
        return logp.gather(-1, ids[:, None]).squeeze(-1), entropy

    @staticmethod
    @once_differentiable
    def backward(ctx, from_logp: Tensor | None, from_entropy: Tensor | None):
        """d log p(id) / dz = onehot - p, and d entropy / dz = -p (log p + entropy)."""
        logp, ids, entropy = ctx.saved_tensors
        gradient = logp.exp()
        if from_entropy is None:
            gradient *= 0.0 if from_logp is None else -from_logp[:, None]
        else:
            weight = (logp.clamp(min=_LEAST) + entropy[:, None]).mul_(from_entropy[:, None])
            gradient *= -(weight if from_logp is None else weight.add_(from_logp[:, None]))
        if from_logp is not None:
            gradient.scatter_add_(-1, ids[:, None], from_logp[:, None])
        if ctx.temperature != 1:
            gradient /= ctx.temperature
        return gradient.to(ctx.dtype), None, None, None
