"""The real trainings behind the curves of chapter 07's clinic. Each takes an implementation and uses it."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from ...lm import load_policy
from ...rewards import RewardModel
from ...runtime import data_path
from ...training import History, read_preferences
from ...training.guards import optimizer_step, run_steps

LIMIT = 4
"""Tokens of an answer that are left by the truncation in the reward model's case."""


@functools.cache
def reward_features(limit: int | None = None) -> tuple[list, list, Tensor, Tensor]:
    """Token ids of chosen and rejected answers, and pocket-sft's last hidden states (n, H) of both."""
    policy = load_policy("pocket-sft")
    encoder = RewardModel.from_policy(policy)
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))[:480]
    prompts = [pair.prompt for pair in pairs]
    tokens, features = [], []
    for texts in ([p.chosen for p in pairs], [p.rejected for p in pairs]):
        ids = policy.tokenizer(texts, add_special_tokens=False).input_ids
        tokens.append(ids)
        cut = [policy.tokenizer.decode(row[:limit]) for row in ids]
        features.append(encoder.features_of_texts(prompts, cut).cpu())
    return *tokens, *features


def train_head(
    chosen: Tensor, rejected: Tensor, loss_of: Callable, unseen: tuple[Tensor, Tensor]
) -> History:
    """A linear reward on frozen features; logs the loss and the accuracy on unseen comparisons."""
    torch.manual_seed(0)
    head, history = torch.nn.Linear(chosen.shape[1], 1), History()
    optimizer = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=0.01)

    def do_step(step: int) -> None:
        rewards = [head(x).squeeze(-1) for x in (chosen, rejected)]
        loss = loss_of(*rewards)
        optimizer_step(loss, optimizer, 1.0, f"step {step}")
        if step % 4 == 0:
            with torch.no_grad():
                gap = (head(unseen[0]) - head(unseen[1])).squeeze(-1)
            accuracy = (gap > 0).float().mean().item()
            nll = torch.nn.functional.softplus(-gap).mean().item()
            history.log(step, loss=loss.item(), held_out_accuracy=accuracy, held_out_loss=nll)

    return run_steps(range(120), do_step, history)


def run_reward_loss(implementation: Callable) -> History:
    """Bradley-Terry on frozen features by implementation(chosen, rejected)."""
    _, _, chosen, rejected = reward_features()
    unseen = chosen[360:], rejected[360:]
    return train_head(chosen[:360], rejected[:360], implementation, unseen)


def run_truncated_pairs(implementation: Callable) -> History:
    """The same on answers cut to four tokens, of those pairs that implementation(chosen, rejected, limit)
    keeps."""
    chosen_ids, rejected_ids, chosen, rejected = reward_features(LIMIT)
    kept = [i for i in implementation(chosen_ids, rejected_ids, LIMIT) if i < 360]
    unseen, accuracies = (chosen[360:], rejected[360:]), []

    def loss_of(first: Tensor, second: Tensor) -> Tensor:
        accuracies.append((first > second).float().mean().item())
        return torch.nn.functional.softplus(second - first).mean()

    history = train_head(chosen[kept], rejected[kept], loss_of, unseen)
    for row in history.rows:
        row["train_accuracy"] = accuracies[row["step"]]
    return history
