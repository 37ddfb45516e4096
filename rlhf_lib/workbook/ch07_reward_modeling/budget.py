"""A budget of labels, spent in two ways: on many pairs, or on several opinions about each."""

from __future__ import annotations

import torch

from ...rewards import fit_linear_bradley_terry
from .lab_annotator import AnnotatorData

UNSEEN = 400
"""Pairs at the end of the data on which the order is judged."""


def order_learned(
    data: AnnotatorData, seed: int, pairs: int, labels_each: int, noise: float = 0.5
) -> float:
    """Share of unseen pairs that a linear reward model puts in the order of a fair annotator without noise.

    It is fitted to `pairs` random comparisons, each labelled by the majority of `labels_each` fair but noisy
    annotators. data: what `prepare` gives. noise: their Bradley-Terry temperature.

    Raises:
        ValueError: an even number of labels, which could tie, or more pairs than there are.
    """
    if labels_each % 2 == 0:
        raise ValueError(f"labels_each must be odd, so that no vote ties; got {labels_each}")
    gaps, dice = data.gaps[0], torch.Generator().manual_seed(seed)
    if pairs > len(gaps) - UNSEEN:
        raise ValueError(f"pairs must be at most {len(gaps) - UNSEEN}; got {pairs}")
    rows = torch.randperm(len(gaps) - UNSEEN, generator=dice)[:pairs]
    chance = torch.sigmoid(gaps[rows] / noise)[:, None]
    votes = torch.rand(pairs, labels_each, generator=dice) < chance
    wins = (votes.float().mean(1) > 0.5)[:, None]
    first, second = data.first_features, data.second_features
    better = torch.where(wins, first[rows], second[rows])
    worse = torch.where(wins, second[rows], first[rows])
    weights = fit_linear_bradley_terry(better, worse, l2=3.0)
    found = (first - second)[-UNSEEN:] @ weights > 0
    clear = gaps[-UNSEEN:] != 0
    return (found == (gaps[-UNSEEN:] > 0))[clear].float().mean().item()
