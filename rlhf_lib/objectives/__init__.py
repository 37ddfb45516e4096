"""The equations: pure functions of tensors, without models and without state."""

from .advantage import gae, group_advantages, reward_to_go, rloo_advantages, whiten
from .kl import AdaptiveKL, best_of_n_kl, exact_kl, kl_estimate
from .policy import importance_weights, masked_aggregate, policy_loss, value_loss
from .preference import (
    balanced_comparison_loss,
    bradley_terry_loss,
    bradley_terry_probability,
    outcome_loss,
    plackett_luce_loss,
    process_loss,
)

__all__ = [
    "AdaptiveKL",
    "balanced_comparison_loss",
    "best_of_n_kl",
    "bradley_terry_loss",
    "bradley_terry_probability",
    "exact_kl",
    "gae",
    "group_advantages",
    "importance_weights",
    "kl_estimate",
    "masked_aggregate",
    "outcome_loss",
    "plackett_luce_loss",
    "policy_loss",
    "process_loss",
    "reward_to_go",
    "rloo_advantages",
    "value_loss",
    "whiten",
]
