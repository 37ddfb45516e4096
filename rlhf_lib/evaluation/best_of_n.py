"""Best-of-n from one set of samples: expected proxy and gold of the best, for every n at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from ..objectives import best_of_n_kl
from .arrays import to_numpy


@dataclass(frozen=True)
class BestOfN:
    """Lists over n: KL in nats [KL-4], expected proxy and gold of the answer with the best proxy."""

    n: list[int]
    kl: list[float]
    proxy: list[float]
    gold: list[float]


def best_of_n(proxy, gold, ns: list[int] | None = None) -> BestOfN:
    """Estimate best-of-n from N samples of each of M prompts without drawing again.

    proxy, gold (M, N): scores of the same answers. For each prompt sort by proxy; the k-th worst of N
    is the best of a random n-subset with probability C(k - 1, n - 1) / C(N, n). The mean under these
    weights is unbiased (Nakano et al., 2021, appendix I). Of answers with the same proxy each is as likely
    to be taken as the others, whatever their order.

    Raises:
        ValueError: shapes differ, or an n above N.
    """
    proxy, gold = (to_numpy(x, float) for x in (proxy, gold))
    if proxy.shape != gold.shape or proxy.ndim != 2:
        raise ValueError(f"proxy and gold must both be (M, N); got {proxy.shape} and {gold.shape}")
    total = proxy.shape[1]
    ns = ns or [2**i for i in range(total.bit_length()) if 2**i <= total]
    if max(ns) > total or min(ns) < 1:
        raise ValueError(f"n must lie between 1 and the number of samples, {total}; got {ns}")
    gold = np.array([shared_by_ties(*row) for row in zip(proxy, gold, strict=True)])
    order = np.argsort(proxy, axis=1, kind="stable")
    by_rank = [np.take_along_axis(x, order, axis=1).mean(0) for x in (proxy, gold)]
    weights = np.array([[comb(k, n - 1) / comb(total, n) for k in range(total)] for n in ns])
    means = [(weights @ ranked).tolist() for ranked in by_rank]
    return BestOfN(list(ns), [best_of_n_kl(n) for n in ns], *means)


def shared_by_ties(proxy: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """gold (N,) with each entry replaced by the mean over the answers of the same proxy (N,)."""
    _, group = np.unique(proxy, return_inverse=True)
    return (np.bincount(group, gold) / np.bincount(group))[group]
