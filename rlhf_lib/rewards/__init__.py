"""Everything that scores a rollout: gold, verifiers, learned reward models, ensembles, judges."""

from ..lm.rollout import last_token
from .ensemble import EnsembleReward, combine
from .judge import judge_both_orders, judge_pairs
from .linear import fit_linear_bradley_terry
from .model import OutcomeModel, ProcessModel, RewardModel, TokenScorer, ValueModel
from .protocol import (
    NonFiniteError,
    Reward,
    TextReward,
    WeightedReward,
    as_rewards,
    last_request,
    score,
    score_by_length,
)
from .rules import GoldReward, VerifiedAnswer, verify_answer

__all__ = [
    "EnsembleReward",
    "GoldReward",
    "NonFiniteError",
    "OutcomeModel",
    "ProcessModel",
    "Reward",
    "RewardModel",
    "TextReward",
    "TokenScorer",
    "ValueModel",
    "VerifiedAnswer",
    "WeightedReward",
    "as_rewards",
    "combine",
    "fit_linear_bradley_terry",
    "judge_both_orders",
    "judge_pairs",
    "last_request",
    "last_token",
    "score",
    "score_by_length",
    "verify_answer",
]
