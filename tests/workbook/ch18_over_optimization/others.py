"""A second right answer to each exercise of chapter 18, written another way."""

import math

import torch


def their_fit(d, g):
    (a, b), (_, c) = [[(d * d).sum(), -(d**3).sum()], [0, (d**4).sum()]]
    right = torch.stack(((d * g).sum(), -(d * d * g).sum()))
    solution = torch.linalg.solve(torch.stack((torch.stack((a, b)), torch.stack((b, c)))), right)
    return tuple(solution.tolist())


def their_stop(validation, patience):
    best, since, where = -math.inf, 0, 0
    for i, value in enumerate(validation):
        best, since, where = (value, 0, i) if value > best else (best, since + 1, where)
        if since == patience:
            return where
    return where


OTHERS = {
    "my_best_of_n_kl": lambda n: math.log(n) - 1 + 1 / n,
    "pessimistic_reward": lambda s, k: s.mean(0) - k * s.var(0).sqrt(),
    "fit_best_of_n": their_fit,
    "early_stop": their_stop,
}
