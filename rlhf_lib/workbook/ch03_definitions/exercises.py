"""Exercises of chapter 03."""

from __future__ import annotations

import math

import torch

from ..kit.cases import generator, logp_pair, normal, ragged_mask
from ..kit.exercise import Exercise


def _answer_logp(logits, token_ids, mask):
    logp = logits.log_softmax(-1)[:, :-1]
    taken = logp.gather(-1, token_ids[:, 1:, None]).squeeze(-1)
    return (taken * mask[:, 1:]).sum(1)


def _unshifted(logits, token_ids, mask):
    taken = logits.log_softmax(-1).gather(-1, token_ids[..., None]).squeeze(-1)
    return (taken * mask).sum(1)


def _answer_cases():
    """Prompts of two and one token, answers of up to three, padding behind."""
    mask = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0], [0, 0, 1, 0, 0]]).double()
    cases = []
    for seed in (1, 2):
        ids = torch.randint(0, 6, (3, 5), generator=generator(seed))
        cases.append((normal(3, 5, 6, seed=seed + 10), ids, mask))
    return cases


answer_logp = Exercise(
    name="my_answer_logp",
    title="The log-probability of an answer [DF-1]",
    difficulty=2,
    minutes=15,
    reference=_answer_logp,
    cases=_answer_cases,
    mistakes=(
        (
            _unshifted,
            "you do not shift: the logits at position t are about token t + 1, not about token t",
        ),
        (
            lambda z, ids, m: _answer_logp(z, ids, torch.ones_like(m)),
            "you count the prompt and the padding: only tokens under the mask belong to the answer",
        ),
        (
            lambda z, ids, m: _answer_logp(z, ids, m) / m.sum(1),
            "this is a mean over the tokens; the log of a product is the sum",
        ),
        (
            lambda z, ids, m: (z[:, :-1].gather(-1, ids[:, 1:, None]).squeeze(-1) * m[:, 1:]).sum(
                1
            ),
            "you add up logits: log_softmax makes log-probabilities of them first",
        ),
    ),
    hints=(
        "Three steps: `log_softmax` over the vocabulary; pick the token that came next; sum under the mask.",
        "`logp[:, :-1]` predicts `token_ids[:, 1:]`; the mask of what is predicted is `mask[:, 1:]`.",
        "`logp[:, :-1].gather(-1, token_ids[:, 1:, None]).squeeze(-1)` picks one number at each position.",
    ),
    learns=("logits",),
)


def _perplexity(logp, mask):
    return math.exp(-(logp * mask).sum() / mask.sum())


perplexity = Exercise(
    name="my_perplexity",
    title="Perplexity [DF-2]",
    difficulty=1,
    minutes=5,
    reference=_perplexity,
    cases=lambda: [
        (logp_pair(2, 4, seed=1)[0], ragged_mask([4, 2], 4)),
        (logp_pair(3, 6, seed=5)[0], ragged_mask([1, 6, 3], 6)),
    ],
    mistakes=(
        (
            lambda lp, m: math.exp(-lp.mean()),
            "padding is counted: average over the tokens under the mask alone",
        ),
        (
            lambda lp, m: math.exp((lp * m).sum() / m.sum()),
            "your sign is flipped: this is a mean probability, below 1; a perplexity is 1 or more",
        ),
        (
            lambda lp, m: float(-(lp * m).sum() / m.sum()),
            "this is the mean negative log-likelihood; perplexity is exp of it",
        ),
        (
            lambda lp, m: float((-(lp * m).sum(1) / m.sum(1)).exp().mean()),
            "you average the perplexities of the sequences: average over all tokens first, then exp, once",
        ),
    ),
    hints=(
        "First one number: the mean of −logp over the tokens under the mask.",
        "Then its exponential.",
        "`torch.exp(-(logp * mask).sum() / mask.sum())`",
    ),
)


def _nucleus(probabilities, top_p):
    ordered, order = probabilities.sort(descending=True, dim=-1)
    before = ordered.cumsum(-1) - ordered
    kept = torch.where(before < top_p, ordered, 0.0)
    out = torch.zeros_like(probabilities).scatter(-1, order, kept)
    return out / out.sum(-1, keepdim=True)


def _nucleus_short(probabilities, top_p):
    ordered, order = probabilities.sort(descending=True, dim=-1)
    kept = torch.where(ordered.cumsum(-1) <= top_p, ordered, 0.0)
    kept[:, 0] = ordered[:, 0]
    out = torch.zeros_like(probabilities).scatter(-1, order, kept)
    return out / out.sum(-1, keepdim=True)


def _nucleus_of_rare(probabilities, top_p):
    ordered, order = probabilities.sort(dim=-1)
    kept = torch.where(ordered.cumsum(-1) - ordered < top_p, ordered, 0.0)
    out = torch.zeros_like(probabilities).scatter(-1, order, kept)
    return out / out.sum(-1, keepdim=True)


def _nucleus_threshold(probabilities, top_p):
    out = torch.where(probabilities >= top_p, probabilities, 0.0)
    return out / out.sum(-1, keepdim=True).clamp(min=1e-9)


def _nucleus_cases():
    by_hand = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.05, 0.8, 0.05001, 0.09999]]).double()
    return [
        (by_hand, 0.6),
        (normal(3, 7, seed=1).softmax(-1), 0.85),
        (normal(2, 5, seed=2).softmax(-1), 0.3),
    ]


nucleus = Exercise(
    name="my_nucleus",
    title="Top-p [DF-3]",
    difficulty=3,
    minutes=15,
    reference=_nucleus,
    cases=_nucleus_cases,
    mistakes=(
        (
            lambda p, t: torch.where(_nucleus(p, t) > 0, p, 0.0),
            "you do not renormalise: what is kept must sum to 1 again",
        ),
        (
            _nucleus_short,
            "your set is one token too small: the token with which the sum reaches top_p belongs to it",
        ),
        (
            _nucleus_threshold,
            "you compare each probability with top_p; it is their *sum*, from the likeliest down, that counts",
        ),
        (
            _nucleus_of_rare,
            "you start from the least likely token: sort in descending order",
        ),
    ),
    hints=(
        "Sort each row in descending order and look at the running sum.",
        "A token is kept if the sum of the likelier tokens *before* it is still below `top_p`.",
        "`ordered.cumsum(-1) - ordered` is that sum; `torch.zeros_like(p).scatter(-1, order, kept)` puts the kept ones back in their places. Then divide by the row's sum.",
    ),
)


def _cross_entropy(p, q):
    return -(p * q.log()).sum(-1)


cross_entropy = Exercise(
    name="my_cross_entropy",
    title="Cross-entropy [DF-5]",
    difficulty=1,
    minutes=10,
    reference=_cross_entropy,
    cases=lambda: [
        (normal(2, 4, seed=1).softmax(-1), normal(2, 4, seed=2).softmax(-1)),
        (normal(3, 6, seed=3).softmax(-1), (3 * normal(3, 6, seed=4)).softmax(-1)),
    ],
    mistakes=(
        (
            lambda p, q: (p * q.log()).sum(-1),
            "your sign is flipped: surprise is -log q, and a cross-entropy is never negative",
        ),
        (
            lambda p, q: _cross_entropy(q, p),
            "your arguments are swapped: p draws the tokens, q is surprised by them",
        ),
        (
            lambda p, q: (p * (p / q).log()).sum(-1),
            "this is KL(p || q); the cross-entropy is that plus the entropy of p",
        ),
        (
            lambda p, q: -(p * q.log()).mean(-1),
            "you divide by the size of the vocabulary: the weights p sum to 1 already",
        ),
    ),
    hints=(
        "The mean of −log q(v), where v is drawn from p.",
        "A mean over draws from p is a sum with the weights p.",
        "`-(p * q.log()).sum(-1)`",
    ),
    learns=("q",),
)


def _backup(rewards, next_values, policy, gamma):
    q = rewards + gamma * next_values
    v = (policy * q).sum(1)
    return v, q - v[:, None]


def _backup_with(value_of):
    def wrong(rewards, next_values, policy, gamma):
        q = rewards + gamma * next_values
        v = value_of(q, policy)
        return v, q - v[:, None]

    return wrong


backup = Exercise(
    name="my_backup",
    title="Value and advantages of a state [DF-7] [DF-8] [DF-9]",
    difficulty=2,
    minutes=10,
    reference=_backup,
    cases=lambda: [
        (normal(2, 3, seed=1), normal(2, 3, seed=2), normal(2, 3, seed=3).softmax(1), 0.9),
        (normal(4, 2, seed=4), normal(4, 2, seed=5), normal(4, 2, seed=6).softmax(1), 0.5),
    ],
    mistakes=(
        (
            _backup_with(lambda q, p: q.max(1).values),
            "you take the best action: V is the mean over what the *policy* does, not over what it should do",
        ),
        (
            _backup_with(lambda q, p: q.mean(1)),
            "you average over the actions as if they were equally likely: weigh them with the policy",
        ),
        (
            lambda r, v, p, g: _backup(r, v, p, 1.0),
            "you do not discount: what comes after counts gamma",
        ),
        (
            lambda r, v, p, g: _backup(g * r, v, p, g),
            "you discount the reward as well: it is paid now, only the value comes later",
        ),
    ),
    hints=(
        "Q first, (S, A): the reward now, plus the discounted value of where the action leads.",
        "V is the policy's mean of Q, (S,).",
        "`q - v[:, None]` subtracts V from each row of Q.",
    ),
)

EXERCISES = (answer_logp, perplexity, nucleus, cross_entropy, backup)
