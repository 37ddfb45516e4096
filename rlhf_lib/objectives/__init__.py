"""The equations: pure functions of tensors, without models and without state."""

from .advantage import gae, group_advantages, reward_to_go, rloo_advantages, whiten
from .direct import (
    apo_down_loss,
    apo_zero_loss,
    dpo_loss,
    implicit_reward,
    ipo_loss,
    kto_loss,
    orpo_loss,
    rebel_loss,
    simpo_loss,
)
from .distill import jsd_loss, reverse_kl_loss, sequence_kd_loss, word_kd_loss
from .information import cross_entropy, entropy, perplexity
from .kl import AdaptiveKL, best_of_n_kl, exact_kl, kl_estimate, weighted_kl
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
    "apo_down_loss",
    "apo_zero_loss",
    "balanced_comparison_loss",
    "best_of_n_kl",
    "bradley_terry_loss",
    "bradley_terry_probability",
    "cross_entropy",
    "dpo_loss",
    "entropy",
    "exact_kl",
    "gae",
    "group_advantages",
    "implicit_reward",
    "importance_weights",
    "ipo_loss",
    "jsd_loss",
    "kl_estimate",
    "kto_loss",
    "masked_aggregate",
    "orpo_loss",
    "outcome_loss",
    "perplexity",
    "plackett_luce_loss",
    "policy_loss",
    "process_loss",
    "rebel_loss",
    "reverse_kl_loss",
    "reward_to_go",
    "rloo_advantages",
    "sequence_kd_loss",
    "simpo_loss",
    "value_loss",
    "weighted_kl",
    "whiten",
    "word_kd_loss",
]
