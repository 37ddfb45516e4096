"""A second right answer to each exercise of chapter 01, written another way."""

import math

import torch


def their_preference(first, second):
    strengths = torch.stack([first.sum(), second.sum()])
    return strengths.softmax(0)[0]


def their_share(comparisons, clip_steps, ridden_steps):
    seen = sum(clip_steps for _ in range(comparisons)) * 2
    return seen / ridden_steps


def their_cloze(logp, mask, right):
    found = []
    for sentences, masks, place in zip(logp.tolist(), mask.tolist(), right.tolist(), strict=True):
        totals = [
            math.fsum(p for p, real in zip(row, m, strict=True) if real)
            for row, m in zip(sentences, masks, strict=True)
        ]
        found.append(totals.index(max(totals)) == place)
    return sum(found) / len(found)


def their_weights(rewards, mask):
    n = len(rewards)
    advantages = (rewards - rewards.mean()) * n / (n - 1)
    return torch.stack([a * row for a, row in zip(advantages, mask, strict=True)])


def their_lessons(policy, reward, drive, judge, rounds, learning_rate):
    losses = []
    for number in range(rounds):
        states, right = drive(policy, number)
        first, second = reward(states[0::2]).sum((1, 2)), reward(states[1::2]).sum((1, 2))
        wins = judge(states[0::2], states[1::2])
        gap = torch.where(wins > 0, first - second, second - first)
        loss = torch.log1p(torch.exp(-gap)).mean()
        step(reward, loss, learning_rate)
        losses.append(float(loss))
        with torch.no_grad():
            totals = reward(states).sum((1, 2))
            n = len(totals)
            advantages = (totals - totals.mean()) * n / (n - 1)
        logits = policy(states).squeeze(-1)
        chance = torch.where(right > 0, logits.sigmoid(), (-logits).sigmoid())
        step(policy, -(chance.log().sum(1) * advantages).mean(), learning_rate)
    return losses


def step(model, loss, learning_rate):
    """One step of plain gradient descent."""
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        for weights, gradient in zip(model.parameters(), gradients, strict=True):
            weights -= learning_rate * gradient


OTHERS = {
    "my_clip_preference": their_preference,
    "my_label_share": their_share,
    "my_cloze_accuracy": their_cloze,
    "my_token_weights": their_weights,
    "my_learning_from_clips": their_lessons,
}
