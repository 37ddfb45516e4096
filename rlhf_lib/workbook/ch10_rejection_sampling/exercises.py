"""Exercises of chapter 10."""

from __future__ import annotations

from math import comb, log

import torch

from ..kit.cases import normal
from ..kit.exercise import Exercise

BOOK = torch.tensor(
    [
        [0.7, 0.3, 0.5, 0.2],
        [0.4, 0.8, 0.6, 0.5],
        [0.9, 0.3, 0.4, 0.7],
        [0.2, 0.5, 0.8, 0.6],
        [0.5, 0.4, 0.3, 0.6],
    ],
    dtype=torch.float64,
)
"""Rewards of four answers to each of five prompts, as in the book's worked example."""


def _best(rewards):
    return rewards.argmax(1)


best_per_prompt = Exercise(
    name="my_best_per_prompt",
    title="The best answer to each prompt [RS-1]",
    difficulty=1,
    minutes=5,
    reference=_best,
    cases=lambda: [(BOOK,), (normal(4, 4, seed=1),), (normal(6, 3, seed=2) - 5,)],
    mistakes=(
        (lambda r: r.argmin(1), "these are the worst answers: take the largest reward"),
        (
            lambda r: r.argmax(0),
            "you compare answers to different prompts: the maximum runs over the answers of a row",
        ),
        (lambda r: r.max(1).values, "these are the rewards; the task asks where they stand"),
        (
            lambda r: r.argmax(1) + torch.arange(len(r)) * r.shape[1],
            "these are places in the flattened matrix; the task asks for the column in each row",
        ),
    ),
    hints=(
        "One number for each row: the column of the largest reward.",
        "A row is a prompt, so the maximum runs over dimension 1.",
        "`argmax` over dimension 1.",
    ),
)


def _top(rewards, keep):
    order = rewards.flatten().argsort(descending=True, stable=True)[:keep]
    return [divmod(place, rewards.shape[1]) for place in order.tolist()]


def _top_columns(rewards, keep):
    order = rewards.flatten().argsort(descending=True, stable=True)[:keep]
    return [divmod(place, rewards.shape[0]) for place in order.tolist()]


def _bottom(rewards, keep):
    order = rewards.flatten().argsort(stable=True)[:keep]
    return [divmod(place, rewards.shape[1]) for place in order.tolist()]


def _best_rows(rewards, keep):
    values, columns = rewards.max(1)
    rows = values.argsort(descending=True, stable=True)[:keep].tolist()
    return [(row, int(columns[row])) for row in rows]


top_overall = Exercise(
    name="my_top_overall",
    title="The best answers of all [RS-2]",
    difficulty=2,
    minutes=10,
    reference=_top,
    cases=lambda: [
        (BOOK, 5),
        (normal(5, 3, seed=3), 4),
        (normal(3, 6, seed=4), 3),
        (normal(4, 2, seed=5) - 3, 3),
    ],
    mistakes=(
        (_bottom, "these are the worst answers: a sort is ascending unless you say otherwise"),
        (
            _top_columns,
            "row and column are mixed up: a row of the flattened matrix is N places long, and not M",
        ),
        (
            lambda r, k: _top(r, k)[::-1],
            "these are the right answers, the best one last: the task asks for the best one first",
        ),
        (
            _best_rows,
            "you take at most one answer to a prompt: of all answers a good prompt may give several",
        ),
    ),
    hints=(
        "Flatten, sort from the best down, take the first `keep` places.",
        "`argsort(descending=True, stable=True)` keeps the order of equal rewards; `.tolist()` makes whole numbers.",
        "`divmod(place, N)` gives `(row, column)`, because a row has N places.",
    ),
)


def _estimate(rewards, n):
    ranked, total = rewards.sort().values.tolist(), len(rewards)
    return sum(comb(k, n - 1) * value for k, value in enumerate(ranked)) / comb(total, n)


def _with_replacement(rewards, n):
    ranked, total = rewards.sort().values.tolist(), len(rewards)
    return sum(((k + 1) ** n - k**n) / total**n * value for k, value in enumerate(ranked))


def _worst_first(rewards, n):
    return -_estimate(-rewards, n)


best_of_n = Exercise(
    name="my_best_of_n",
    title="Best-of-n without drawing again",
    difficulty=3,
    minutes=20,
    reference=_estimate,
    cases=lambda: [
        (torch.tensor([3.0, 0.0, 1.0], dtype=torch.float64), 2),
        (normal(8, seed=6), 3),
        (normal(6, seed=7), 6),
        (normal(7, seed=8), 1),
    ],
    mistakes=(
        (
            lambda r, n: r[:n].max().item(),
            "you use the first n answers only. It is right on average, and throws away what the others say",
        ),
        (
            lambda r, n: r.max().item(),
            "this is the best of all N answers, whatever n is",
        ),
        (
            _with_replacement,
            "you draw the n answers with replacement, so one answer may be drawn twice: that is biased low",
        ),
        (_worst_first, "this is the worst of n: the largest reward must weigh the most"),
    ),
    hints=(
        "Sort. When is the k-th lowest answer the best of a subset of n? When the other n − 1 are below it.",
        "Of all C(N, n) subsets, C(k − 1, n − 1) have the k-th lowest (k from 1) as their best.",
        "`math.comb(k, n - 1)` with k from 0 over the sorted rewards, divided by `math.comb(N, n)`.",
    ),
)


def _winning(p, n):
    """Probabilities of the best of n, from p (K,) sorted from worst to best."""
    upto = p.cumsum(0)
    return upto**n - (upto - p).clamp(min=0) ** n


def _exact_kl(p, n):
    q = _winning(p, n)
    return (q * (q / p).log()).sum().item()


best_of_n_kl = Exercise(
    name="my_exact_kl",
    title="KL of best-of-n, exactly [OPT-5]",
    difficulty=3,
    minutes=20,
    reference=_exact_kl,
    cases=lambda: [
        (torch.tensor([0.5, 0.5], dtype=torch.float64), 2),
        (torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), 3),
        (normal(9, seed=9).softmax(0), 5),
        (normal(4, seed=10).softmax(0), 1),
    ],
    mistakes=(
        (
            lambda p, n: log(n) - (n - 1) / n,
            "this is the formula; on few answers it is only an upper bound",
        ),
        (
            lambda p, n: (p * (p / _winning(p, n)).log()).sum().item(),
            "this is the other KL: the mean has to be taken under best-of-n",
        ),
        (
            lambda p, n: ((q := p * p.cumsum(0) ** (n - 1) / (p * p.cumsum(0) ** (n - 1)).sum())
                          * (q / p).log()).sum().item(),
            "probability times F^(n-1) is the case of rare answers: take the difference of two n-th powers",
        ),
        (
            lambda p, n: _exact_kl(p.flip(0), n),
            "p is sorted from the worst answer to the best, and you have it the other way round",
        ),
    ),
    hints=(
        "The best of n is answer k or a worse one if all n draws are: probability $(p_1 + \\dots + p_k)^n$.",
        "So answer k itself wins with the difference of two such powers.",
        "`q = a**n - (a - p)**n` with `a = p.cumsum(0)`; then the sum of `q * log(q / p)`.",
    ),
)  # fmt: skip

EXERCISES = (best_per_prompt, top_overall, best_of_n, best_of_n_kl)
