"""Everything that scores a rollout: gold, verifiers, learned reward models, ensembles, judges."""

from .ensemble import EnsembleReward, combine
from .judge import judge_both_orders, judge_pairs
from .linear import fit_linear_bradley_terry
from .model import OutcomeModel, ProcessModel, RewardModel, TokenScorer, ValueModel, last_token
from .rules import GoldReward, verify_answer

__all__ = [
    "EnsembleReward",
    "GoldReward",
    "OutcomeModel",
    "ProcessModel",
    "RewardModel",
    "TokenScorer",
    "ValueModel",
    "combine",
    "fit_linear_bradley_terry",
    "judge_both_orders",
    "judge_pairs",
    "last_token",
    "verify_answer",
]
