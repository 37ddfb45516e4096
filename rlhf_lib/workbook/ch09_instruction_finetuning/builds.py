"""Build exercise of chapter 09: the loop of instruction fine-tuning, its batches in parts."""

from __future__ import annotations

import torch
from torch import Tensor

from ..kit.build import BigramPolicy, Build, descend, numbers, weights


def _observe(arguments: tuple, result) -> dict[str, Tensor]:
    losses, held_out = result
    return {
        "your losses": numbers(losses),
        "the held-out loss": numbers([held_out]),
        "the weights at the end": weights(arguments[0]),
    }


def _batch_mean(policy, parts):
    """One mean over all real tokens of all parts of a batch."""
    total, tokens = 0.0, 0.0
    for prompts, token_ids, mask in parts:
        total = total - (policy.logprobs(prompts, token_ids) * mask).sum()
        tokens = tokens + mask.sum()
    return total / tokens


def _fine_tune(policy, batches, held_out, learning_rate, **slips):
    """The loop, and what it becomes by a slip."""
    average = slips.get("average", _batch_mean)
    optimizer, losses = torch.optim.SGD(policy.parameters(), lr=learning_rate), []
    for parts in slips.get("order", list)(batches):
        losses.append(descend(optimizer, average(policy, parts), add_up=slips.get("kept", False)))
    with torch.no_grad():
        return losses, _batch_mean(policy, held_out).item()


def _slip(**slips):
    return lambda *arguments: _fine_tune(*arguments, **slips)


def _mean_of_means(policy, parts):
    return sum(_batch_mean(policy, [part]) for part in parts) / len(parts)


def _padding_too(policy, parts):
    return _batch_mean(policy, [(p, ids, torch.ones_like(mask)) for p, ids, mask in parts])


def _without_ends(policy, parts):
    return _batch_mean(policy, [(p, ids, mask * (ids != 0)) for p, ids, mask in parts])


def _demonstrations(prompts: list[int], seed: int) -> tuple:
    """(prompts (B,), token ids (B, T), mask (B, T)) drawn from another policy, a teacher."""
    asked = torch.tensor(prompts)
    return (asked, *BigramPolicy(seed=90).sample(asked, 1, seed=seed))


def _case(seed: int, learning_rate: float) -> tuple:
    batches = [
        [_demonstrations([1, 2], seed + step), _demonstrations([3], seed + 10 + step)]
        for step in range(4)
    ]
    return BigramPolicy(seed=seed), batches, [_demonstrations([1, 2, 4], 50 + seed)], learning_rate


fine_tuning = Build(
    name="my_fine_tuning",
    title="Build the loop of instruction fine-tuning",
    difficulty=2,
    minutes=25,
    reference=lambda policy, batches, held_out, learning_rate: _fine_tune(
        policy, batches, held_out, learning_rate
    ),
    cases=lambda: [_case(1, 0.5), _case(2, 1.0), _case(3, 0.2)],
    observe=_observe,
    mistakes=(
        (
            _slip(average=_mean_of_means),
            "you take the mean of the parts' means: divide once, by the real tokens of the whole batch",
        ),
        (
            _slip(average=_padding_too),
            "padding is counted: multiply by the mask, divide by its sum",
        ),
        (
            _slip(average=_without_ends),
            "the end token (0) is left out: the mask has it, so look at the mask alone",
        ),
        (
            _slip(average=lambda policy, parts: -_batch_mean(policy, parts)),
            "your sign is flipped: this makes the demonstrations rarer",
        ),
        (
            _slip(order=lambda batches: [[part] for parts in batches for part in parts]),
            "one update for each part: gradients of a batch's parts belong into one update",
        ),
        (_slip(kept=True), "gradients of earlier batches add up: call `optimizer.zero_grad()`"),
    ),
    hints=(
        "For each batch: the losses of all its parts, one division, one update. At the end the held-out loss.",
        "Add up `-(policy.logprobs(prompts, token_ids) * mask).sum()` and `mask.sum()` over the parts.",
        "`loss = total / tokens`, then `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`, "
        "`losses.append(loss.item())`. Held-out: the same mean under `torch.no_grad()`.",
    ),
    plan=(
        "1. torch.optim.SGD over policy.parameters()",
        "2. for each batch: one mean over all real tokens of its parts; one update; keep the loss",
        "3. the same mean on held_out, without a gradient",
    ),
)

BUILDS = (fine_tuning,)
