"""Exercises of chapter 08."""

from __future__ import annotations

import torch

from ..kit.cases import logp_pair, normal, ragged_mask
from ..kit.exercise import Exercise


def _token_rewards(rewards, logp, ref_logp, mask, beta):
    last = mask.sum(1).long() - 1
    placed = torch.zeros_like(mask)
    placed[torch.arange(len(mask)), last] = rewards
    return placed - beta * (logp - ref_logp) * mask


def _at_the_limit(rewards, logp, ref_logp, mask, beta):
    out = -beta * (logp - ref_logp) * mask
    out[:, -1] += rewards
    return out


token_rewards = Exercise(
    name="my_token_rewards",
    title="KL in the reward, token by token",
    difficulty=1,
    minutes=10,
    reference=_token_rewards,
    cases=lambda: [
        (normal(2, seed=1), *logp_pair(2, 4, seed=2), ragged_mask([4, 2], 4), 0.5),
        (normal(3, seed=4), *logp_pair(3, 5, seed=5), ragged_mask([1, 3, 4], 5), 0.1),
    ],
    mistakes=(
        (
            lambda r, p, q, m, b: _token_rewards(r, q, p, m, b),
            "your log-ratio is reversed: this pays the policy for leaving the reference",
        ),
        (
            lambda r, p, q, m, b: _token_rewards(r, p, q, m, b) - b * (p - q) * (1 - m),
            "padding is penalised too: multiply the log-ratio by the mask",
        ),
        (
            _at_the_limit,
            "you place the reward in the last column: it belongs on each answer's own last token",
        ),
        (
            lambda r, p, q, m, b: (r[:, None] - b * (p - q)) * m,
            "every token gets the whole reward: it comes once, at the last token",
        ),
    ),
    hints=(
        "Start from `-beta * (logp - ref_logp) * mask`.",
        "`mask.sum(1).long() - 1` is the column of each answer's last token.",
        "`out[torch.arange(B), last] += rewards`, on a tensor that you made yourself.",
    ),
)


def _controller(coefficient, kl, target, n, horizon):
    return coefficient * (1 + min(0.2, max(-0.2, kl / target - 1)) * n / horizon)


controller = Exercise(
    name="my_controller_step",
    title="One step of the KL controller [KL-3]",
    difficulty=1,
    minutes=10,
    reference=_controller,
    cases=lambda: [
        (0.1, 3.0, 2.0, 64, 1000.0),
        (0.2, 1.8, 2.0, 32, 500.0),
        (0.05, 0.1, 4.0, 64, 640.0),
        (0.3, 4.4, 4.0, 16, 800.0),
    ],
    mistakes=(
        (
            lambda c, k, t, n, h: c * (1 - min(0.2, max(-0.2, k / t - 1)) * n / h),
            "your sign is flipped: when the KL is too high, the coefficient has to rise",
        ),
        (
            lambda c, k, t, n, h: c * (1 + (k / t - 1) * n / h),
            "you do not clip the error: one wild batch would throw the coefficient about",
        ),
        (
            lambda c, k, t, n, h: c * (1 + min(0.2, max(-0.2, k - t)) * n / h),
            "your error is a difference in nats: divide by the target, so that it is relative",
        ),
        (
            lambda c, k, t, n, h: c + min(0.2, max(-0.2, k / t - 1)) * n / h,
            "you add the step: the coefficient is multiplied, so that it stays positive",
        ),
    ),
    hints=(
        "How far off is the KL, relative to its target? The relative error is kl / target − 1.",
        "Clip it to 0.2 either way: `min(0.2, max(-0.2, error))`.",
        "Multiply the coefficient by 1 + error · n / horizon.",
    ),
)


def _two_kls(logits, ref_logits):
    p, q = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1), (q.exp() * (q - p)).sum(-1)


def _unnormalised(logits, ref_logits):
    p, q = logits, ref_logits
    return (p.exp() * (p - q)).sum(-1), (q.exp() * (q - p)).sum(-1)


two_kls = Exercise(
    name="my_two_kls",
    title="Both directions of the KL [KL-2]",
    difficulty=2,
    minutes=10,
    reference=_two_kls,
    cases=lambda: [
        (normal(2, 4, seed=1), normal(2, 4, seed=2)),
        (3 * normal(3, 6, seed=3), normal(3, 6, seed=4)),
    ],
    mistakes=(
        (
            lambda a, b: _two_kls(b, a),
            "the two are in the wrong order: reverse, weighed by the policy, comes first",
        ),
        (
            _unnormalised,
            "logits are not log-probabilities: take log_softmax first",
        ),
        (
            lambda a, b: (_two_kls(a, b)[0], _two_kls(a, b)[0]),
            "both of yours are weighed by the policy: the forward KL is weighed by the reference",
        ),
        (
            lambda a, b: (-_two_kls(a, b)[0], -_two_kls(a, b)[1]),
            "your signs are flipped: no KL is ever negative",
        ),
    ),
    hints=(
        "A KL is weighed by its first argument: KL(p ‖ q) = sum of p (log p − log q).",
        "Take `log_softmax` of both, then sum over the last dimension only.",
        "`(p.exp() * (p - q)).sum(-1)` with log-probabilities p and q; then the two exchanged.",
    ),
    learns=("logits",),
)


def _ptx(logp, advantages, mask, document_logp, coefficient):
    policy = -(advantages[:, None] * logp * mask).sum(1).mean()
    return policy - coefficient * document_logp.mean()


ptx = Exercise(
    name="my_ptx_loss",
    title="PPO-ptx, a loss that remembers [REG-1]",
    difficulty=2,
    minutes=10,
    reference=_ptx,
    cases=lambda: [
        (
            logp_pair(2, 3, seed=1)[0],
            normal(2, seed=2),
            ragged_mask([3, 1], 3),
            logp_pair(2, 5, seed=3)[0],
            0.5,
        ),
        (
            logp_pair(4, 6, seed=4)[0],
            normal(4, seed=5),
            ragged_mask([6, 2, 3, 5], 6),
            logp_pair(3, 4, seed=6)[0],
            2.0,
        ),
    ],
    mistakes=(
        (
            lambda p, a, m, d, c: _ptx(p, a, m, d, -c),
            "the sign of the second term is flipped: this unlearns the documents",
        ),
        (
            lambda p, a, m, d, c: _ptx(p, a, m, d * a.mean(), c),
            "the documents are weighed by an advantage: they are supervised, with weight 1 for each token",
        ),
        (
            lambda p, a, m, d, c: _ptx(p, a, m, d.sum(1), c),
            "you sum over the tokens of a document row: [REG-1] is a mean over tokens",
        ),
        (
            lambda p, a, m, d, c: _ptx(p, a, torch.ones_like(m), d, c),
            "padding of the answers is counted: multiply by the mask",
        ),
    ),
    hints=(
        "Two terms. The first is chapter 11's REINFORCE loss: sum over an answer's tokens, mean over answers, minus sign.",
        "The second is a plain negative log-likelihood, a mean over all document tokens. No advantage, no mask.",
        "`-coefficient * document_logp.mean()`",
    ),
    learns=(
        "logp",
        "document_logp",
    ),
)

EXERCISES = (token_rewards, controller, two_kls, ptx)
