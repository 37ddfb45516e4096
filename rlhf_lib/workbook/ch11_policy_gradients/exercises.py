"""Exercises of chapter 11."""

from __future__ import annotations

import torch

from ..kit.cases import logp_pair, normal, ragged_mask
from ..kit.exercise import Exercise


def _reinforce(logp, advantages, mask):
    return -((advantages[:, None] * logp * mask).sum(1)).mean()


reinforce = Exercise(
    name="my_reinforce_loss",
    title="The REINFORCE loss [PG-1]",
    difficulty=1,
    minutes=10,
    reference=_reinforce,
    cases=lambda: [
        (logp_pair(2, 3, seed=1)[0], normal(2, seed=2), ragged_mask([3, 1], 3)),
        (logp_pair(4, 6, seed=3)[0], normal(4, seed=4), ragged_mask([6, 2, 3, 5], 6)),
    ],
    mistakes=(
        (
            lambda lp, a, m: -_reinforce(lp, a, m),
            "your sign is flipped: minimising this would make rewarded answers rarer",
        ),
        (
            lambda lp, a, m: -(a[:, None] * lp).sum(1).mean(),
            "padding is counted: multiply by the mask",
        ),
        (
            lambda lp, a, m: -(a[:, None] * lp * m).mean(),
            "you divide by all B x T positions, padding included; sum over tokens, then mean over "
            "sequences",
        ),
        (
            lambda lp, a, m: -(a[:, None] * lp.exp() * m).sum(1).mean(),
            "the score function is the gradient of log pi, so the loss holds logp, not the probability",
        ),
    ),
    hints=(
        "One advantage per sequence, one log-probability per token: broadcast (B, 1) over (B, T).",
        "Sum advantage × logp over the real tokens of a row.",
        "Mean over rows, minus sign: `-(advantages[:, None] * logp * mask).sum(1).mean()`.",
    ),
    learns=("logp",),
)


def _rloo(rewards):
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


rloo = Exercise(
    name="my_rloo_advantages",
    title="Leave one out [ADV-1]",
    difficulty=2,
    minutes=10,
    reference=_rloo,
    cases=lambda: [
        (torch.tensor([[1.0, 0.0, 5.0]]),),
        (normal(3, 4, seed=1),),
        (normal(5, 2, seed=2),),
    ],
    mistakes=(
        (
            lambda r: r - r.mean(1, keepdim=True),
            "your baseline includes the completion itself: leave it out, or the estimate is too small by "
            "(G - 1) / G",
        ),
        (
            lambda r: r - (r.sum(1, keepdim=True) - r) / r.shape[1],
            "you divide the sum of the others by G; there are G - 1 of them",
        ),
        (
            lambda r: r - (r.sum() - r) / (r.numel() - 1),
            "your baseline mixes prompts: each row is one prompt, and only its own completions compare",
        ),
        (lambda r: -_rloo(r), "your sign is flipped: a reward above the others' is an advantage"),
    ),
    hints=(
        "The baseline of an answer is the mean reward of the *other* answers to the same prompt.",
        "The mean of the others is (sum of the row − own reward) / (G − 1).",
        "`rewards.sum(1, keepdim=True)` keeps the shape that broadcasts over the row.",
    ),
)


def _gae(rewards, values, mask, gamma, lam):
    return _gae_with(rewards, values, mask, gamma, lam)


def _gae_with(rewards, values, mask, gamma, lam, masked=True, decay=None, bootstrap=0.0):
    width = rewards.shape[1]
    decay = gamma * lam if decay is None else decay
    advantage = torch.zeros_like(rewards[:, 0])
    out = torch.zeros_like(rewards)
    kept = mask if masked else torch.ones_like(mask)
    values = values * kept
    following = bootstrap * values[:, -1]
    for t in reversed(range(width)):
        delta = rewards[:, t] + gamma * following - values[:, t]
        advantage = (delta + decay * advantage) * kept[:, t]
        following = values[:, t]
        out[:, t] = advantage
    return out


gae = Exercise(
    name="my_gae",
    title="Generalized advantage estimation (GAE) [ADV-4]",
    difficulty=3,
    minutes=20,
    reference=_gae,
    cases=lambda: [
        (normal(2, 4, seed=1), normal(2, 4, seed=2), ragged_mask([4, 2], 4), 0.9, 0.8),
        (normal(3, 5, seed=3), normal(3, 5, seed=4), ragged_mask([1, 5, 3], 5), 1.0, 0.95),
        (normal(1, 3, seed=5), normal(1, 3, seed=6), ragged_mask([3], 3), 0.7, 0.0),
    ],
    mistakes=(
        (
            lambda r, v, m, g, lam: _gae_with(r, v, m, g, lam, masked=False),
            "padding leaks in: rewards and values after the end must not reach the real tokens",
        ),
        (
            lambda r, v, m, g, lam: _gae_with(r, v, m, g, lam, decay=lam),
            "you carry the advantage back with lambda alone: the factor is gamma * lambda",
        ),
        (
            lambda r, v, m, g, lam: _gae_with(r, v, m, g, lam, decay=g),
            "you carry the advantage back with gamma alone: the factor is gamma * lambda",
        ),
        (
            lambda r, v, m, g, lam: _gae_with(r, v, m, g, lam, bootstrap=1.0),
            "you bootstrap beyond the end: after the last token there is no value, it is 0",
        ),
        (
            lambda r, v, m, g, lam: _gae_with(r, v, m, g, lam) + v * m,
            "these are the returns (advantage + value); the task asks for advantages",
        ),
    ),
    hints=(
        "Walk backwards over t. Keep two things: the next value and the next advantage.",
        "delta = r_t + γ V_next − V_t;  A = delta + γ λ A_next.",
        "Multiply A by `mask[:, t]`, and the values by the mask before the loop: then padding contributes 0.",
    ),
)


def _ppo(logp, old_logp, advantages, mask, clip):
    ratio = (logp - old_logp).exp()
    a = advantages[:, None]
    objective = torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a)
    return -(objective * mask).sum() / mask.sum()


def _ppo_variant(logp, old_logp, advantages, mask, clip, pick):
    ratio, a = (logp - old_logp).exp(), advantages[:, None]
    return -(pick(ratio, a, clip) * mask).sum() / mask.sum()


ppo = Exercise(
    name="my_ppo_loss",
    title="PPO's clipped loss [PG-2]",
    difficulty=2,
    minutes=15,
    reference=_ppo,
    cases=lambda: [
        (*logp_pair(2, 4, seed=1), normal(2, seed=3), ragged_mask([4, 2], 4), 0.2),
        (*logp_pair(5, 6, seed=4), normal(5, seed=6), ragged_mask([6, 1, 3, 5, 2], 6), 0.1),
    ],
    mistakes=(
        (
            lambda lp, o, a, m, c: _ppo_variant(
                lp, o, a, m, c, lambda r, a, c: torch.maximum(r * a, r.clamp(1 - c, 1 + c) * a)
            ),
            "you take the larger of the two: PPO is a pessimist and takes the minimum",
        ),
        (
            lambda lp, o, a, m, c: -_ppo(lp, o, a, m, c),
            "your sign is flipped: the objective is maximised, so the loss is its negative",
        ),
        (
            lambda lp, o, a, m, c: _ppo_variant(
                lp, o, a, m, c, lambda r, a, c: r.clamp(1 - c, 1 + c) * a
            ),
            "you only clip: without the minimum a bad move beyond the range would go unpunished",
        ),
        (
            lambda lp, o, a, m, c: _ppo(o, lp, a, m, c),
            "your ratio is upside down: it is pi_new / pi_old = exp(logp - old_logp)",
        ),
        (
            lambda lp, o, a, m, c: _ppo_variant(
                lp,
                o,
                a,
                m,
                c,
                lambda r, a, c: torch.minimum(r.log() * a, r.log().clamp(1 - c, 1 + c) * a),
            ),
            "you clip the log ratio: the range 1 +- clip is for the ratio itself, so take exp first",
        ),
        (
            lambda lp, o, a, m, c: _ppo(lp, o, a, torch.ones_like(m), c),
            "padding is counted: multiply by the mask and divide by its sum",
        ),
    ),
    hints=(
        "ratio = exp(logp − old_logp), shape (B, T); `advantages[:, None]` broadcasts over it.",
        "`torch.minimum(ratio * A, ratio.clamp(1 - clip, 1 + clip) * A)` is the objective per token.",
        "Mean over all real tokens, then the minus sign.",
    ),
    learns=("logp",),
)


def _k3(logp, ref_logp):
    d = logp - ref_logp
    return torch.expm1(-d) + d


k3 = Exercise(
    name="my_k3",
    title="The k3 estimator of KL [KL-1]",
    difficulty=2,
    minutes=10,
    reference=_k3,
    cases=lambda: [
        logp_pair(2, 3, seed=1),
        logp_pair(4, 5, seed=3),
        (torch.full((1, 2), -1.0).double() + 1e-9, torch.full((1, 2), -1.0).double()),
    ],
    mistakes=(
        (
            lambda lp, ref: torch.expm1(lp - ref) - (lp - ref),
            "your log-ratio is reversed: for samples of the policy, k3 = exp(-D) - 1 + D with "
            "D = logp - ref_logp. (The other way estimates something else, and explodes where the policy "
            "is far likelier than the reference: just where it samples.)",
        ),
        (lambda lp, ref: lp - ref, "this is k1: unbiased, but negative for many single tokens"),
        (
            lambda lp, ref: (lp - ref).square() / 2,
            "this is k2: low variance, but its expectation is not the KL",
        ),
        (lambda lp, ref: -_k3(lp, ref), "your sign is flipped: k3 is never negative"),
        (
            lambda lp, ref: (ref - lp).exp() - 1 + (lp - ref),
            "right on paper, but rounding eats small values: exp(x) - 1 loses its digits near 0. Use "
            "torch.expm1",
        ),
    ),
    hints=(
        "Write D = logp − ref_logp. k3 adds to k1 something of expectation 0: exp(−D) − 1.",
        "Its expectation is 0 because E[exp(−D)] under the policy is the sum of the reference's probabilities: 1.",
        "`torch.expm1(x)` is exp(x) − 1 without cancellation.",
    ),
    learns=("logp",),
)

EXERCISES = (reinforce, rloo, k3, ppo, gae)
