"""The real trainings behind the curves of chapter 08's clinic. Each takes an implementation and uses it."""

from __future__ import annotations

from collections.abc import Callable

from ...exact.small_world import BETA, sampled, train_table
from ...objectives import rloo_advantages
from ...training import History


def run_penalized_reward(implementation: Callable) -> History:
    """REINFORCE on implementation(rewards, logp, ref_logp, beta), leave-one-out baseline."""

    def loss_of(table, exact, generator):
        logp, ref_logp, rewards = sampled(table, exact, generator)
        total = implementation(rewards, logp.detach(), ref_logp, BETA)
        return -(rloo_advantages(total) * logp).mean(), {}

    return train_table(loss_of, steps=90)


def run_kl_estimate(implementation: Callable) -> History:
    """REINFORCE with beta * implementation(logp, ref_logp) in the loss; its mean is logged beside the KL."""

    def loss_of(table, exact, generator):
        logp, ref_logp, rewards = sampled(table, exact, generator, 16)
        estimate = implementation(logp, ref_logp).mean()
        loss = -(rloo_advantages(rewards) * logp).mean() + BETA * estimate
        return loss, {"kl_estimate": estimate.item()}

    return train_table(loss_of, steps=90)


def run_exact_kl(implementation: Callable) -> History:
    """Maximise the exact expected reward minus beta * implementation(logits, ref_logits)."""

    def loss_of(table, exact, generator):
        logp = table.table()
        reward = (logp.exp() * exact.rewards).sum(-1)
        return (BETA * implementation(table.logits, exact.ref_logp) - reward).mean(), {}

    return train_table(loss_of, steps=150, every=5)
