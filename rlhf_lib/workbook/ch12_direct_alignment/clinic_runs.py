"""The real trainings behind the curves of chapter 12's clinic. Each takes an implementation and uses it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...exact.small_world import BETA, small_world, train_table
from ...exact.training import TabularPolicy, draw_comparisons
from ...exact.world import ExactWorld
from ...lm import load_policy
from ...training import History
from ...training.guards import optimizer_step, run_steps


def compared(table, exact: ExactWorld, generator, reference=None) -> tuple[Tensor, ...]:
    """pc, pr, rc, rr of fresh Bradley-Terry comparisons; `reference` is a table too."""
    chosen, rejected = draw_comparisons(exact, 64, generator=generator)
    ref = (table if reference is None else reference).table().detach()
    both = [table.pick(index).flatten() for index in (chosen, rejected)]
    return *both, *(ref.gather(1, index).flatten() for index in (chosen, rejected))


def run_reference(implementation: Callable) -> History:
    """DPO with the reference implementation(policy), made once at the start."""
    kept = {}

    def loss_of(table, exact, generator):
        reference = kept.setdefault("reference", implementation(table))
        pc, pr, rc, rr = compared(table, exact, generator, reference)
        margin = BETA * ((pc - rc) - (pr - rr))
        return -torch.nn.functional.logsigmoid(margin).mean(), {"margin": margin.mean().item()}

    return train_table(loss_of, steps=90)


def run_direct_loss(implementation: Callable) -> History:
    """DPO by implementation(pc, pr, rc, rr, beta)."""
    reference = TabularPolicy(small_world().ref_logp)

    def loss_of(table, exact, generator):
        return implementation(*compared(table, exact, generator, reference), BETA), {}

    return train_table(loss_of, steps=90)


def run_sequence_logp(implementation: Callable) -> History:
    """DPO of pocket-sft with implementation(token_logp, mask) as an answer's log-probability."""
    exact, sft = small_world(), load_policy("pocket-sft")
    policy, history = sft.copy(), History()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(policy.model.parameters(), 3e-4)

    def do_step(step: int) -> None:
        chosen, rejected = draw_comparisons(exact, 4, generator=generator)
        prompts = [p for p in exact.prompts for _ in range(4)]
        texts = [
            exact.texts[r][k] for index in (chosen, rejected) for r in range(6) for k in index[r]
        ]
        rollout = policy.encode_completions(prompts * 2, texts)
        with torch.no_grad():
            ref = sft.logprobs(rollout)
        token_logp, mask = policy.logprobs(rollout), rollout.completion_mask
        now, before = implementation(token_logp, mask), implementation(ref, mask)
        better, worse = (now - before).chunk(2)
        loss = -torch.nn.functional.logsigmoid(0.1 * (better - worse)).mean()
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        drift = (ref - token_logp.detach()).mul(mask).sum(1).mean()
        history.log(step, loss=loss.item(), drift=drift.item(),
                    logp_chosen=(token_logp.detach() * mask).sum(1).chunk(2)[0].mean().item())  # fmt: skip

    return run_steps(range(24), do_step, history)
