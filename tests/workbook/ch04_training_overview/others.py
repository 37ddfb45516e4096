"""A second right answer to each exercise of chapter 04, written another way."""

import copy
import itertools
import math

import torch


def their_logp(log_start, log_policy, log_world, mask):
    found = []
    for row in range(len(log_start)):
        real = mask[row] > 0
        found.append(log_start[row] + log_policy[row][real].sum() + log_world[row][real].sum())
    return torch.stack(found)


def their_horizon(gamma, share):
    return math.ceil(math.log(1 - share) / math.log(gamma) - 1e-9)


def their_objective(rewards, logp, ref_logp, mask, beta):
    kl = torch.einsum("bt,bt->", logp - ref_logp, mask) / len(rewards)
    return float(rewards.mean() - beta * kl)


def their_ending(states, step, most):
    found = []
    for place, _, angle, _ in states.tolist():
        rides = abs(place) <= 2.4 and abs(math.degrees(angle)) <= 12
        found.append(1 if not rides else 2 if step >= most else 0)
    return torch.tensor(found)


def their_units(ranked):
    pairs = [len(list(itertools.combinations(range(k), 2))) for k in ranked]
    return len(ranked), sum(ranked), sum(pairs)


def their_pipeline(policy, demonstrations, reward, prompts, epochs, steps, beta, learning_rate):
    asked, shown, shown_mask = demonstrations
    optimizer = torch.optim.SGD(policy.parameters(), lr=learning_rate)
    losses, means = [], []
    for _ in range(epochs):
        loss = -(policy.logprobs(asked, shown) * shown_mask).sum() / shown_mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    reference = copy.deepcopy(policy)
    for step in range(steps):
        token_ids, mask = policy.sample(prompts, 1, seed=step)
        rewards = reward(token_ids, mask)
        logp = (policy.logprobs(prompts, token_ids) * mask).sum(1)
        ref_logp = (reference.logprobs(prompts, token_ids) * mask).sum(1)
        scores = (rewards - beta * (logp - ref_logp)).detach()
        loss = ((scores.mean() - scores) * logp).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        means.append(float(rewards.mean()))
    return losses, means


OTHERS = {
    "my_trajectory_logp": their_logp,
    "my_horizon": their_horizon,
    "my_kl_objective": their_objective,
    "my_ending": their_ending,
    "my_units": their_units,
    "my_pipeline": their_pipeline,
}
