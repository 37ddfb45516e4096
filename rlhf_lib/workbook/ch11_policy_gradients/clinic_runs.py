"""The real trainings behind the curves of chapter 11's clinic. Each takes an implementation and uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch

from ...exact.small_world import SAMPLES, sampled, small_world, train_table
from ...exact.training import draw
from ...objectives import rloo_advantages
from ...training import History


def run_advantages(implementation: Callable) -> History:
    """REINFORCE with the advantages implementation(rewards (N * G,), G), answers prompt by prompt.

    Some requests are easy and some are hard: -2 to 2 points are added to all answers of a request.
    """
    easy = torch.linspace(-2, 2, len(small_world().prompts), dtype=torch.float64)[:, None]

    def loss_of(table, exact, generator):
        logp, _, rewards = sampled(table, exact, generator)
        advantages = implementation((rewards + easy).flatten(), rewards.shape[1])
        return -(advantages * logp.flatten()).mean(), {
            "advantage_size": advantages.abs().mean().item()
        }

    return train_table(loss_of, steps=60)


EPOCHS = 6


class OffPolicy:
    """A batch of answers that is used for several updates, as PPO does; then a fresh one."""

    def __init__(self) -> None:
        self.uses = 0

    def __call__(self, table, exact, generator):
        """(logp now, logp when drawn, reference, advantages), each (N, G)."""
        if self.uses % EPOCHS == 0:
            with torch.no_grad():
                self.index = draw(table.table(), SAMPLES, generator)
                self.old = table.pick(self.index)
                self.advantages = rloo_advantages(exact.rewards.gather(1, self.index))
        self.uses += 1
        ref_logp = exact.ref_logp.gather(1, self.index)
        return table.pick(self.index), self.old, ref_logp, self.advantages


def run_clip(implementation: Callable) -> History:
    """PPO: several updates a batch on the objective implementation(ratio, advantages, clip)."""
    batch, seen = OffPolicy(), deque(maxlen=EPOCHS)

    def loss_of(table, exact, generator):
        logp, old, _, advantages = batch(table, exact, generator)
        ratio = (logp - old).exp()
        seen.append(ratio.max().item())
        return -implementation(ratio, advantages, 0.2).mean(), {"ratio_max": max(seen)}

    return train_table(loss_of, steps=180, every=EPOCHS)


def run_ratio(implementation: Callable) -> History:
    """PPO with the ratio implementation(logp, old_logp, ref_logp)."""
    batch, seen = OffPolicy(), deque(maxlen=EPOCHS)

    def loss_of(table, exact, generator):
        logp, old, ref_logp, advantages = batch(table, exact, generator)
        ratio = implementation(logp, old, ref_logp)
        clipped = ratio.clamp(0.8, 1.2)
        gained = torch.minimum(ratio * advantages, clipped * advantages)
        seen.append((ratio * advantages > clipped * advantages).double().mean().item())
        return -gained.mean(), {"clip_fraction": sum(seen) / len(seen)}

    return train_table(loss_of, steps=180, every=EPOCHS)
