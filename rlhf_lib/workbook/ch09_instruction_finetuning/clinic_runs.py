"""The real trainings behind the curves of chapter 09's clinic. Each takes an implementation and uses it."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch

from ...lm import load_policy
from ...training import History, held_out_loss
from ...training.guards import optimizer_step, run_steps
from ...training.sft import encode_demonstrations
from ...world import Demonstration, PocketWorld

PART, STEPS = 6, 16


def short_and_long(n: int, seed: int) -> tuple[list[Demonstration], list[Demonstration]]:
    """`n` demonstrations with an answer in one short sentence, and `n` with a long answer."""
    drawn = PocketWorld().demonstrations(12 * n, seed, {"short": 0.5, "long": 0.5}, 0.0)
    drawn = sorted(drawn, key=lambda one: len(one.answer))
    shuffled = random.Random(seed)
    return shuffled.sample(drawn[:n], n), shuffled.sample(drawn[-n:], n)


def run_accumulation(implementation: Callable) -> History:
    """pocket-base learns to answer; a batch comes in two parts, sorted by length; implementation(losses, masks)."""
    policy, history = load_policy("pocket-base"), History()
    (short, long), (_, unseen) = short_and_long(PART * STEPS, 5), short_and_long(48, 6)
    optimizer = torch.optim.AdamW(policy.model.parameters(), 1e-3)

    def do_step(step: int) -> None:
        some = slice(step * PART, (step + 1) * PART)
        rollouts = [encode_demonstrations(policy, part[some]) for part in (short, long)]
        losses = [-policy.logprobs(rollout) for rollout in rollouts]
        loss = implementation(losses, [rollout.loss_mask for rollout in rollouts])
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        if step % 2 == 1:
            history.log(step, loss=loss.item(), long_answers=held_out_loss(policy, unseen))

    return run_steps(range(STEPS), do_step, history)
