"""The real trainings behind the curves of chapter 03's clinic. Each takes an implementation and uses it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ...lm import Decoder, DecoderConfig, Policy, load_policy
from ...training import History, packed_rows
from ...training.guards import optimizer_step, run_steps
from ...world import PocketWorld


def run_next_token(implementation: Callable) -> History:
    """A small decoder from scratch on implementation(logits, token_ids); its true loss beside it."""
    world, tokenizer = PocketWorld(), load_policy("pocket-base").tokenizer
    torch.manual_seed(0)
    config = DecoderConfig(
        len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4,
    )  # fmt: skip
    policy, history = Policy(Decoder(config), tokenizer, "from scratch"), History()
    rows = packed_rows(policy, world.documents(1), 16, 48)
    optimizer = torch.optim.AdamW(policy.model.parameters(), 1e-2)

    def do_step(step: int) -> None:
        token_ids = next(rows)
        logits = policy.model(token_ids)
        loss = implementation(logits, token_ids)
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        if step % 3 == 0:
            following = torch.log_softmax(logits[:, :-1].detach(), -1)
            right = following.gather(-1, token_ids[:, 1:, None])
            history.log(step, loss=loss.item(), next_token_loss=-right.mean().item())

    return run_steps(range(48), do_step, history)


def run_completion_mask(implementation: Callable) -> History:
    """pocket-base learns to answer; implementation(ids, end, pad) says which tokens count."""
    world, policy, history = PocketWorld(), load_policy("pocket-base").copy(), History()
    shown = world.demonstrations(600, seed=3)
    asked = world.prompts(16, ("fact", "sum"), seed=8)
    optimizer = torch.optim.AdamW(policy.model.parameters(), 1e-3)
    end = pad = policy.end_token  # a tokenizer without a pad token of its own

    def do_step(step: int) -> None:
        prompts, texts = zip(*shown[step * 24 : step * 24 + 24], strict=True)
        rollout = policy.encode_completions(prompts, texts)
        ids = rollout.completion_ids.masked_fill(rollout.completion_mask == 0, pad)
        mask = implementation(ids, end, pad)
        loss = -(policy.logprobs(rollout) * mask).sum() / mask.sum()
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        if step % 6 == 5:
            drawn = policy.sample(asked, 1, 40, seed=step)
            finished, length = drawn.finished.float().mean(), drawn.lengths.mean()
            history.log(step, loss=loss.item(), finished=finished.item(), length=length.item())

    return run_steps(range(24), do_step, history)
