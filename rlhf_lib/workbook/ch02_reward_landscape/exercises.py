"""Exercises of chapter 02."""

from __future__ import annotations

import math

import torch

from ..kit.cases import generator, normal
from ..kit.exercise import Exercise


def _discounts(count, gamma):
    return gamma ** torch.arange(count, dtype=torch.float64)


def _walk_return(rewards, gamma):
    return (rewards * _discounts(rewards.shape[1], gamma)).sum(1)


walk_return = Exercise(
    name="walk_return",
    title="The return of a walk [LS-3]",
    difficulty=1,
    minutes=5,
    reference=_walk_return,
    cases=lambda: [
        (normal(3, 5, seed=1), 0.9),
        (normal(2, 4, seed=2), 0.5),
        (normal(4, 6, seed=3), 1.0),
    ],
    mistakes=(
        (
            lambda r, g: r.sum(1),
            "you do not discount: the reward of step t counts gamma^t, t = 0, 1, ...",
        ),
        (
            lambda r, g: g * _walk_return(r, g),
            "your first reward is discounted already: the first one counts gamma^0 = 1",
        ),
        (
            lambda r, g: _walk_return(r.flip(1), g),
            "you count from the wrong end: the *first* reward is the one that is not discounted",
        ),
        (
            lambda r, g: _walk_return(r, g) / r.shape[1],
            "this is a mean over the steps; a return is a sum",
        ),
        (
            lambda r, g: (r * _discounts(len(r), g)[:, None]).sum(0),
            "you sum over the walks: rewards is (walks, steps), and each walk has a return of its own",
        ),
    ),
    hints=(
        "Multiply each column by its power of gamma, then sum over the columns.",
        "`gamma ** torch.arange(rewards.shape[1])` are the powers 1, γ, γ², …",
        "`(rewards * gamma ** torch.arange(rewards.shape[1])).sum(1)`",
    ),
)


def _bellman_backup(probabilities, rewards, values, gamma):
    return probabilities @ (rewards + gamma * values)


def _transitions(states, seed):
    return normal(states, states, seed=seed).softmax(1)


bellman_backup = Exercise(
    name="bellman_backup",
    title="One Bellman backup [LS-4]",
    difficulty=2,
    minutes=10,
    reference=_bellman_backup,
    cases=lambda: [
        (_transitions(4, 1), normal(4, seed=2), normal(4, seed=3), 0.9),
        (_transitions(3, 4), normal(3, seed=5), normal(3, seed=6), 0.5),
    ],
    mistakes=(
        (
            lambda p, r, v, g: r + g * (p @ v),
            "you take the reward of the place you stand on; it is paid for the place you step *onto*",
        ),
        (lambda p, r, v, g: p @ (r + v), "gamma is missing: what comes later is discounted"),
        (
            lambda p, r, v, g: g * (p @ (r + v)),
            "you discount the immediate reward too: only V of the next place is discounted",
        ),
        (
            lambda p, r, v, g: (r + g * v).max().expand(len(v)).clone(),
            "this is the best next place; the value of a *policy* is the mean over where it steps",
        ),
        (
            lambda p, r, v, g: p.T @ (r + g * v),
            "your probabilities are transposed: row s says where a step from s leads",
        ),
        (
            lambda p, r, v, g: p @ (g * v),
            "the immediate reward is missing: V = mean of (reward + gamma * V of the next place)",
        ),
    ),
    hints=(
        "First write what landing on each place is worth: its reward, and the discounted value from there.",
        "Then average that over where the step leads: a matrix times a vector.",
        "`probabilities @ (rewards + gamma * values)`",
    ),
)


def _advantage_sign(q, probabilities):
    return torch.sign(q - (probabilities * q).sum())


_SURE = torch.tensor([0.7, 0.1, 0.1, 0.1], dtype=torch.float64)

advantage_sign = Exercise(
    name="advantage_sign",
    title="Better or worse than the policy [LS-6]",
    difficulty=1,
    minutes=5,
    reference=_advantage_sign,
    cases=lambda: [
        (torch.tensor([3.0, 1.0, 2.0, -1.0], dtype=torch.float64), _SURE),
        (torch.tensor([-2.0, -1.0, 0.5, -4.0], dtype=torch.float64), _SURE),
        (torch.tensor([1.0, 1.0, 1.0, 1.0], dtype=torch.float64), torch.full((4,), 0.25).double()),
    ],
    mistakes=(
        (lambda q, p: torch.sign((p * q).sum() - q), "your sign is flipped: A = Q - V, not V - Q"),
        (
            lambda q, p: torch.sign(q - q.mean()),
            "your V is the plain mean of Q; the policy takes some steps more often than others",
        ),
        (
            lambda q, p: torch.sign(q - q.max()),
            "you compare with the best step: then nothing is ever better. V is what the policy gets",
        ),
        (
            lambda q, p: torch.sign(q),
            "this is the sign of Q itself; an advantage says how a step compares with V",
        ),
        (
            lambda q, p: q - (p * q).sum(),
            "this is the advantage; asked for is its sign: -1, 0 or 1",
        ),
    ),
    hints=(
        "V is the mean of Q over the policy's own choice of steps.",
        "That mean has the weights `probabilities`: `(probabilities * q).sum()`.",
        "`torch.sign(q - V)`",
    ),
)


def _gaussian_kl(first, second, sigma):
    return (first - second).square().sum(1) / (2 * sigma**2)


gaussian_kl = Exercise(
    name="gaussian_kl",
    title="KL of two step policies [LS-7]",
    difficulty=1,
    minutes=5,
    reference=_gaussian_kl,
    cases=lambda: [
        (normal(4, 2, seed=1), normal(4, 2, seed=2), 0.5),
        (normal(3, 2, seed=3), normal(3, 2, seed=4), 2.0),
    ],
    mistakes=(
        (
            lambda a, b, s: (a - b).square().sum(1) / s**2,
            "a factor of 2 is missing: |a - b|^2 / (2 sigma^2)",
        ),
        (
            lambda a, b, s: (a - b).square().sum(1) / (2 * s),
            "divide by the variance: sigma is squared",
        ),
        (
            lambda a, b, s: (a - b).norm(dim=1) / (2 * s**2),
            "you have the distance; KL grows with its square",
        ),
        (
            lambda a, b, s: (a - b).square().mean(1) / (2 * s**2),
            "you averaged over x and y: the KLs of independent parts add up",
        ),
        (
            lambda a, b, s: (a - b).square().sum() / (2 * s**2),
            "you summed over the states too: each row has a KL of its own",
        ),
    ),
    hints=(
        "Only the difference of the means counts, and only its length.",
        "Square the difference of the means, sum over x and y.",
        "Divide by twice the variance: `2 * sigma**2`.",
    ),
)


def _tube_radius(t, budget, sigma, pull):
    reach = t if pull == 0 else (1 - (1 - pull) ** t) / pull
    return sigma * math.sqrt(2 * budget) * reach


tube_radius = Exercise(
    name="tube_radius",
    title="The tube's radius [LS-8]",
    difficulty=2,
    minutes=15,
    reference=_tube_radius,
    cases=lambda: [
        (1, 0.5, 0.2, 0.0),
        (10, 0.02, 0.3, 0.0),
        (1, 0.5, 0.2, 0.25),
        (7, 0.1, 0.2, 0.25),
        (3, 0.3, 0.4, 1.0),
    ],  # fmt: skip
    mistakes=(
        (
            lambda t, e, s, k: _tube_radius(t, e / 2, s, k),
            "a factor of 2 is missing: |d|^2 / (2 sigma^2) <= eps gives |d| <= sigma sqrt(2 eps)",
        ),
        (
            lambda t, e, s, k: s * math.sqrt(2 * e) * t,
            "you forgot the pull: each step makes good a share of the distance so far",
        ),
        (
            lambda t, e, s, k: (
                s * math.sqrt(2 * e) * sum((1 - k) ** (2 * j) for j in range(t)) ** 0.5
            ),
            "you added squares, as for independent dice; deviations in one direction add up as they are",
        ),
        (
            lambda t, e, s, k: _tube_radius(t + 1, e, s, k),
            "off by one: before the first step, at t = 0, the radius is 0",
        ),
        (
            lambda t, e, s, k: s**2 * 2 * e * _tube_radius(t, 0.5, 1.0, k),
            "you did not take the root: |d|^2 / (2 sigma^2) <= eps is about the *square* of d",
        ),
    ),
    hints=(
        "How long may the difference of the mean steps be for ε nats? Solve [LS-7] for it.",
        "Each step the radius first shrinks by the factor (1 − pull), then grows by that length.",
        "A loop of t rounds will do. The length is `sigma * math.sqrt(2 * budget)`.",
    ),
)


def _penalised(rewards, logp, base_logp, beta):
    return rewards - beta * (logp - base_logp)


def _on_last(rewards, penalty):
    out = rewards.clone()
    out[:, -1] = out[:, -1] - penalty.sum(1)
    return out


penalised_rewards = Exercise(
    name="penalised_rewards",
    title="Find the bug in a KL penalty",
    difficulty=2,
    minutes=10,
    reference=_penalised,
    cases=lambda: [
        (normal(3, 4, seed=1), normal(3, 4, seed=2), normal(3, 4, seed=3), 0.1),
        (normal(2, 5, seed=4), normal(2, 5, seed=5), normal(2, 5, seed=6), 2.0),
    ],
    mistakes=(
        (
            lambda r, a, b, beta: r + beta * (a - b),
            "the sign is still wrong: steps that the baseline finds unlikely are paid for, not charged",
        ),
        (
            lambda r, a, b, beta: r - beta * (a - b).abs(),
            "without the absolute value: a single log-ratio may be negative, and only their mean is "
            "the KL. With it, staying with the baseline costs too",
        ),
        (
            lambda r, a, b, beta: r - beta * (a - b).mean(),
            "you take one mean off everything: a constant teaches nothing. Each step pays for itself",
        ),
        (
            lambda r, a, b, beta: r - beta * (a - b).sum(1, keepdim=True),
            "each step pays for the whole walk; it should pay its own log-ratio",
        ),
        (
            lambda r, a, b, beta: _on_last(r, beta * (a - b)),
            "you charge the whole penalty at the last step; here each step pays its own",
        ),
        (lambda r, a, b, beta: r - (a - b), "beta is missing"),
    ),
    hints=(
        "KL(policy ‖ baseline) is the mean of logp − base_logp over the policy's own steps. Is that what the code subtracts?",
        "What does it pay for a step that the baseline finds unlikely?",
        "An absolute value would hide the fault: a single log-ratio may be negative, and only so is their mean the KL.",
    ),
)


def _plan(leads_to, rewards, horizon, gamma, **slips):
    """The backward sweep, and what it becomes by a slip."""
    best, landing = slips.get("best", _best), slips.get("landing", _landing)
    values = torch.zeros(horizon + 1, len(rewards), dtype=rewards.dtype)
    actions = torch.zeros(horizon, len(rewards), dtype=torch.long)
    for t in reversed(range(horizon)):
        q = landing(leads_to, rewards, gamma, values[t + 1])
        values[t], actions[t] = best(q)
    return values, actions


def _best(q):
    return q.max(1)


def _landing(leads_to, rewards, gamma, later):
    return (rewards + gamma * later)[leads_to]


def _slip(**slips):
    return lambda *arguments: _plan(*arguments, **slips)


def _map(places, steps, seed):
    """Where each of some steps leads from each place of a random map."""
    return torch.randint(0, places, (places, steps), generator=generator(seed))


plan = Exercise(
    name="my_plan",
    title="Build a planner [LS-4] [LS-5]",
    difficulty=3,
    minutes=25,
    reference=lambda leads_to, rewards, horizon, gamma: _plan(leads_to, rewards, horizon, gamma),
    cases=lambda: [
        (_map(5, 3, 1), normal(5, seed=2), 4, 0.9),
        (_map(7, 2, 3), normal(7, seed=4), 3, 0.5),
        (_map(4, 4, 5), normal(4, seed=6), 6, 1.0),
    ],
    mistakes=(
        (
            _slip(best=lambda q: (q.mean(1), q.argmax(1))),
            "you average over the steps: that is the value of a walker that steps at random, not of the best",
        ),
        (_slip(best=lambda q: q.min(1)), "you take the worst step: the largest Q is wanted"),
        (
            _slip(landing=lambda a, r, g, later: r[:, None] + g * later[a]),
            "you pay for the place you stand on; the reward is that of the place you step *onto*",
        ),
        (
            _slip(landing=lambda a, r, g, later: g * (r + later)[a]),
            "you discount the immediate reward too: only V of the next place is discounted",
        ),
        (
            _slip(landing=lambda a, r, g, later: (r + later)[a]),
            "gamma is missing: what comes later is discounted",
        ),
        (
            _slip(landing=lambda a, r, g, later: r[a]),
            "this walker looks one step ahead: the value of the place it lands on is missing, or you go "
            "forwards in time, so that V[t + 1] is still 0",
        ),
    ),
    hints=(
        "After the last step nothing is left: the last row of the values is 0. Fill the rows from the "
        "bottom up.",
        "`landing = rewards + gamma * values[t + 1]` is what each place is worth to somebody who lands on "
        "it. Then Q of each step from each place is `landing[leads_to]`, (n, K).",
        "`values[t], actions[t] = landing[leads_to].max(1)` in a loop over `reversed(range(horizon))`.",
    ),
    plan=(
        "1. values (horizon + 1, n) and actions (horizon, n), all 0",
        "2. for each step, the last one first:",
        "3.     what landing on each place is worth",
        "4.     Q of each step from each place; keep the best and which step it was",
    ),
)

EXERCISES = (
    walk_return,
    bellman_backup,
    advantage_sign,
    gaussian_kl,
    tube_radius,
    penalised_rewards,
    plan,
)
