"""Build exercise of chapter 11: from REINFORCE to PPO, in one loop."""

from __future__ import annotations

import torch

from ..kit.build import BigramPolicy, Build, bigram_reward, descend


def _leave_one_out(rewards):
    others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return (rewards - others).flatten()


def _token_mean(objective, mask):
    return -(objective * mask).sum() / mask.sum()


def _ppo(policy, reward, prompts, samples, steps, epochs, clip, learning_rate, **slips):
    """The loop, and what it becomes by a slip."""
    advantage = slips.get("advantage", _leave_one_out)
    average, pick = slips.get("average", _token_mean), slips.get("pick", torch.minimum)
    optimizer = torch.optim.SGD(policy.parameters(), lr=learning_rate)
    means, asked = [], prompts.repeat_interleave(samples)
    for step in range(steps):
        ids, mask = policy.sample(prompts, samples, seed=step)
        rewards = reward(ids, mask)
        a = advantage(rewards.reshape(len(prompts), samples))[:, None]
        old_logp = policy.logprobs(asked, ids).detach()
        for _ in range(epochs):
            logp = policy.logprobs(asked, ids)
            ratio = (logp - (logp.detach() if slips.get("fresh") else old_logp)).exp()
            loss = average(pick(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a), mask)
            descend(optimizer, loss, add_up=slips.get("kept", False))
        means.append(rewards.mean().item())
    return means


def _slip(**slips):
    return lambda *arguments: _ppo(*arguments, **slips)


def _case(seed, samples, steps, epochs, clip):
    return (
        BigramPolicy(seed=seed), bigram_reward, torch.tensor([1, 2, 3, 4]), samples, steps, epochs, clip,
        2.0,
    )  # fmt: skip


ppo_training = Build(
    name="my_ppo_training",
    title="Build REINFORCE, then PPO",
    difficulty=3,
    minutes=40,
    reference=lambda policy, reward, prompts, samples, steps, epochs, clip, learning_rate: _ppo(
        policy, reward, prompts, samples, steps, epochs, clip, learning_rate
    ),
    cases=lambda: [_case(1, 4, 4, 4, 0.2), _case(2, 3, 3, 6, 0.1), _case(3, 4, 4, 1, 0.2)],
    mistakes=(
        (
            _slip(average=lambda x, mask: (x * mask).sum() / mask.sum()),
            "your sign is flipped: an optimizer goes down, so the loss is minus the objective",
        ),
        (
            _slip(average=lambda x, mask: -x.mean()),
            "padding is counted: multiply by the mask and divide by its sum",
        ),
        (
            _slip(average=lambda x, mask: -(x * mask).sum(1).mean()),
            "you sum over an answer's tokens and average over answers; here it is one mean over all real "
            "tokens",
        ),
        (
            _slip(fresh=True),
            "your old log-probabilities are computed anew in every epoch, so the ratio is always 1 and "
            "nothing is ever clipped: take them once, before the epochs",
        ),
        (
            _slip(pick=lambda plain, clipped: plain),
            "nothing is clipped: take the minimum of the two",
        ),
        (
            _slip(pick=torch.maximum),
            "you take the larger of the two: PPO is a pessimist and takes the minimum",
        ),
        (
            _slip(advantage=lambda r: (r - r.mean()).flatten()),
            "your baseline mixes prompts: compare an answer with the others to the same prompt",
        ),
        (
            _slip(advantage=lambda r: (r - r.mean(1, keepdim=True)).flatten()),
            "your baseline includes the answer itself: leave it out",
        ),
        (_slip(kept=True), "gradients of earlier updates add up: call `optimizer.zero_grad()`"),
    ),
    hints=(
        "Two loops, one in the other: fresh answers in the outer one, several updates on them in the "
        "inner one. With `epochs=1` the ratio is 1, and what is left is REINFORCE.",
        "Rewards come in prompt by prompt: `rewards.reshape(len(prompts), samples)`; each answer is "
        "compared with the mean of the others in its row. Take `old_logp` once for each batch and "
        "`.detach()` it.",
        "`ratio = (logp - old_logp).exp()`; "
        "`objective = torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a)` with `a` (B, 1); "
        "`loss = -(objective * mask).sum() / mask.sum()`.",
    ),
    plan=(
        "1. an optimizer: torch.optim.SGD",
        "2. for each step: policy.sample(prompts, samples, seed=step), rewards, advantages, old log-probabilities",
        "3.     for each epoch: the clipped loss, one update",
        "4.     keep the mean reward of the step",
    ),
)

BUILDS = (ppo_training,)
