"""Build exercise of chapter 10: one round of rejection sampling."""

from __future__ import annotations

import torch

from ..kit.build import BigramPolicy, Build, bigram_reward, descend


def _best(rewards):
    """Places in the flattened (N, G) of the best answer to each prompt."""
    return torch.arange(len(rewards)) * rewards.shape[1] + rewards.argmax(1)


def _token_mean(logp, mask):
    return -(logp * mask).sum() / mask.sum()


def _round(policy, reward, prompts, samples, epochs, learning_rate, **slips):
    """The round, and what it becomes by a slip."""
    keep, average = slips.get("keep", _best), slips.get("average", _token_mean)
    ids, mask = policy.sample(prompts, samples, seed=0)
    places = keep(reward(ids, mask).reshape(len(prompts), samples))
    asked = prompts.repeat_interleave(samples)[places]
    ids, mask = ids[places], mask[places]
    optimizer, losses = torch.optim.SGD(policy.parameters(), lr=learning_rate), []
    for _ in range(epochs):
        loss = average(policy.logprobs(asked, ids), mask)
        losses.append(descend(optimizer, loss, add_up=slips.get("kept", False)))
    return losses


def _slip(**slips):
    return lambda *arguments: _round(*arguments, **slips)


def _mixed_rows(rewards):
    """As if the answers to a prompt were not neighbours."""
    n, g = rewards.shape
    return rewards.flatten().reshape(g, n).argmax(0) * n + torch.arange(n)


rejection_round = Build(
    name="my_rejection_round",
    title="Build one round of rejection sampling",
    difficulty=2,
    minutes=25,
    reference=lambda policy, reward, prompts, samples, epochs, learning_rate: _round(
        policy, reward, prompts, samples, epochs, learning_rate
    ),
    cases=lambda: [
        (BigramPolicy(seed=5), bigram_reward, torch.tensor([1, 2, 3, 4]), 6, 4, 1.0),
        (BigramPolicy(seed=6), bigram_reward, torch.tensor([2, 5, 1]), 8, 3, 0.5),
    ],
    mistakes=(
        (
            _slip(keep=lambda r: torch.arange(len(r)) * r.shape[1] + r.argmin(1)),
            "you keep the worst answer to each prompt",
        ),
        (
            _slip(keep=_mixed_rows),
            "you compare answers to different prompts: rows i * G to i * G + G - 1 answer prompt i, so "
            "`reshape(N, G)`",
        ),
        (
            _slip(keep=lambda r: r.flatten().argsort(descending=True, stable=True)[: len(r)]),
            "you keep the best answers of all, so that easy prompts fill the batch: keep one for each prompt",
        ),
        (
            _slip(keep=lambda r: torch.arange(r.numel())),
            "you train on all answers: nothing was rejected",
        ),
        (
            _slip(average=lambda logp, mask: -logp.mean()),
            "padding is counted: multiply by the mask and divide by its sum",
        ),
        (
            _slip(average=lambda logp, mask: -(logp * mask).sum(1).mean()),
            "you sum over an answer's tokens; here it is one mean over all real tokens [SFT-1]",
        ),
        (
            _slip(average=lambda logp, mask: (logp * mask).sum() / mask.sum()),
            "your sign is flipped: this makes the best answers rarer",
        ),
        (_slip(kept=True), "gradients of earlier epochs add up: call `optimizer.zero_grad()`"),
    ),
    hints=(
        "Three parts: draw and score; keep one answer to each prompt; fine-tune on what was kept.",
        "`rewards.reshape(len(prompts), samples).argmax(1)` is a column for each prompt; in the long list "
        "of answers that is row `i * samples + column`.",
        "`loss = -(policy.logprobs(asked, ids) * mask).sum() / mask.sum()`, once for each epoch, with the "
        "prompts, ids and mask of the kept answers.",
    ),
    plan=(
        "1. policy.sample(prompts, samples, seed=0) and their rewards",
        "2. keep the best answer to each prompt",
        "3. torch.optim.SGD; in each epoch one update on the kept answers; keep the loss",
    ),
)

BUILDS = (rejection_round,)
