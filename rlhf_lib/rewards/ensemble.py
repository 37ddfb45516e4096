"""Several reward models as one, with their disagreement taken as a warning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..lm import Rollout
from .protocol import Reward, score

COMBINATIONS = ("mean", "min", "mean_minus_std")


def combine(scores: Tensor, how: str = "mean", k: float = 1.0) -> Tensor:
    """Scores (members, B) -> (B,): their mean, minimum, or mean - k * standard deviation.

    Source: Coste et al. (2023), 'Reward model ensembles help mitigate overoptimization'.

    Raises:
        ValueError: unknown `how`, k < 0, fewer than 2 members for a standard deviation.
    """
    if how not in COMBINATIONS:
        raise ValueError(f"how must be one of {', '.join(COMBINATIONS)}; got {how!r}")
    if k < 0:
        raise ValueError(f"k must be 0 or more; got {k}")
    if how == "mean":
        return scores.mean(0)
    if how == "min":
        return scores.min(0).values
    if len(scores) < 2:
        raise ValueError("mean_minus_std needs at least 2 models")
    return scores.mean(0) - k * scores.std(0)


class EnsembleReward:
    """`ensemble(rollout)` -> (B,) from several rewards. They should be standardized alike.

    Raises:
        ValueError: no models, or as `combine`.
    """

    def __init__(self, models: Sequence[Reward], how: str = "mean", k: float = 1.0) -> None:
        if len(models) == 0:
            raise ValueError("models must hold at least one reward model")
        combine(torch.zeros(max(2, len(models)), 1), how, k)
        self.models, self.how, self.k = list(models), how, k

    def __call__(self, rollout: Rollout) -> Tensor:
        scores = torch.stack([score(model, rollout) for model in self.models])
        return combine(scores, self.how, self.k)
