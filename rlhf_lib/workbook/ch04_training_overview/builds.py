"""Build exercise of chapter 04: the smallest pipeline. Imitate, freeze a reference, then climb a reward near it."""

from __future__ import annotations

import copy

import torch

from ..kit.build import BigramPolicy, Build, bigram_reward, descend


def _nll(policy, asked, shown, shown_mask):
    return -(policy.logprobs(asked, shown) * shown_mask).sum() / shown_mask.sum()


def _minus_mean(scores):
    return scores - scores.mean()


def _log_ratio(policy, reference, asked, token_ids, mask):
    """Each answer's log-ratio to the reference (B,), without gradient."""
    with torch.no_grad():
        return (
            (policy.logprobs(asked, token_ids) - reference.logprobs(asked, token_ids)) * mask
        ).sum(1)


def _pipeline(policy, demonstrations, reward, prompts, epochs, steps, beta, learning_rate, **slips):
    """The pipeline, and what it becomes by a slip."""
    imitate, advantage = slips.get("imitate", _nll), slips.get("advantage", _minus_mean)
    price, sign = slips.get("price", beta), slips.get("sign", 1)
    early, losses, means = copy.deepcopy(policy), [], []
    optimizer = torch.optim.SGD(policy.parameters(), lr=learning_rate)
    for _ in range(epochs):
        losses.append(descend(optimizer, imitate(policy, *demonstrations)))
    reference = early if slips.get("early") else copy.deepcopy(policy)
    for step in range(steps):
        token_ids, mask = policy.sample(prompts, 1, seed=slips.get("seed", step))
        rewards = reward(token_ids, mask)
        scores = rewards - price * _log_ratio(policy, reference, prompts, token_ids, mask)
        logp = (policy.logprobs(prompts, token_ids) * mask).sum(1)
        descend(
            optimizer, -sign * (advantage(scores) * logp).mean(), add_up=slips.get("kept", False)
        )
        means.append(rewards.mean().item())
    return losses, means


def _slip(**slips):
    return lambda *arguments: _pipeline(*arguments, **slips)


def _opposite(policy, demonstrations, reward, prompts, epochs, steps, beta, learning_rate):
    return _pipeline(policy, demonstrations, reward, prompts, epochs, steps, -beta, learning_rate)


def _case(seed, epochs, steps, beta, learning_rate):
    """A policy, answers of another one to imitate, and requests."""
    asked = torch.tensor([1, 2, 3, 4, 5, 1])
    shown = BigramPolicy(seed=seed + 50).sample(asked, 1, seed=seed)
    return BigramPolicy(seed=seed), (asked, *shown), bigram_reward, torch.tensor([1, 2, 3, 4, 5, 2, 3, 4]), epochs, steps, beta, learning_rate  # fmt: skip


pipeline = Build(
    name="my_pipeline",
    title="Build the smallest pipeline",
    difficulty=3,
    minutes=35,
    reference=lambda policy, demonstrations, reward, prompts, epochs, steps, beta, learning_rate: _pipeline(
        policy, demonstrations, reward, prompts, epochs, steps, beta, learning_rate
    ),
    cases=lambda: [_case(3, 4, 3, 0.5, 0.5), _case(8, 3, 4, 0.2, 0.4)],
    mistakes=(
        (_slip(early=True), "your reference is the policy before fine-tuning: copy it after the last epoch, or RL is pulled back to a model that cannot answer"),
        (_slip(price=0.0), "the KL penalty is missing, or always 0 because your reference moves along with the policy: copy it once, after the last epoch, and subtract beta times the log-ratio"),
        (_opposite, "the KL has the wrong sign: you pay the policy for leaving its reference"),
        (_slip(advantage=lambda scores: scores), "the baseline is missing: subtract the mean score of the step"),
        (_slip(sign=-1), "your sign is flipped in the RL stage: what scores well becomes rarer"),
        (_slip(imitate=lambda p, asked, shown, mask: -p.logprobs(asked, shown).mean()), "padding is counted in the fine-tuning loss: multiply by the mask and divide by its sum"),
        (_slip(kept=True), "gradients of earlier steps add up: call `optimizer.zero_grad()`"),
        (_slip(seed=0), "every step draws with the same seed: draw with `seed=step`"),
    ),
    hints=(
        "Two loops, one after the other, with one optimizer. Between them a copy: the reference.",
        "In the second loop the score of an answer is `rewards - beta * ((logp - ref_logp) * mask).sum(1)`, without gradient; the advantage is the score minus the mean score.",
        "`loss = -(advantages * (policy.logprobs(prompts, token_ids) * mask).sum(1)).mean()`; keep `rewards.mean()`, before the penalty, of each step.",
    ),
    plan=(
        "1. torch.optim.SGD; in each epoch one update on the demonstrations; keep the loss",
        "2. reference = copy.deepcopy(policy)",
        "3. in each step: draw, score, subtract the KL, subtract the mean; one update; keep the mean reward",
    ),
)  # fmt: skip

BUILDS = (pipeline,)
