"""Build exercise of chapter 12: DPO, from a policy and pairs to a trained policy."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from ..kit.build import BigramPolicy, Build, descend


def _sum(logp, mask):
    return (logp * mask).sum(1)


def _train(policy, batches, beta, learning_rate, answer=_sum, **slips):
    """The loop, and what it becomes by a slip. answer: log-probability of an answer from its tokens'."""
    reference = policy if slips.get("same") else copy.deepcopy(policy)
    optimizer = torch.optim.SGD(policy.parameters(), lr=learning_rate)
    losses = []
    for prompts, chosen, chosen_mask, rejected, rejected_mask in batches:
        pc = answer(policy.logprobs(prompts, chosen), chosen_mask)
        pr = answer(policy.logprobs(prompts, rejected), rejected_mask)
        with torch.no_grad():
            rc = answer(reference.logprobs(prompts, chosen), chosen_mask)
            rr = answer(reference.logprobs(prompts, rejected), rejected_mask)
        gap = pc - pr if slips.get("bare") else (pc - rc) - (pr - rr)
        loss = -F.logsigmoid(slips.get("sign", 1) * beta * gap)
        loss = loss.sum() if slips.get("sum") else loss.mean()
        losses.append(descend(optimizer, loss, add_up=slips.get("kept", False)))
    return losses


def _slip(**slips):
    return lambda policy, batches, beta, rate: _train(policy, batches, beta, rate, **slips)


def _batches(count, pairs, seed):
    """Pairs of sampled answers; the one with more odd tokens was chosen."""
    policy, prompts = BigramPolicy(seed=seed), torch.arange(1, pairs + 1)
    batches = []
    for number in range(count):
        first, second = (policy.sample(prompts, 1, seed=10 * number + i + seed) for i in (0, 1))
        better = (first[0] % 2 * first[1]).sum(1) >= (second[0] % 2 * second[1]).sum(1)
        pick = lambda a, b, better=better: torch.where(better[:, None], a, b)  # noqa: E731
        batches.append((prompts, pick(first[0], second[0]), pick(first[1], second[1]),
                        pick(second[0], first[0]), pick(second[1], first[1])))  # fmt: skip
    return batches


dpo_training = Build(
    name="my_dpo_training",
    title="Build DPO",
    difficulty=3,
    minutes=30,
    reference=lambda policy, batches, beta, learning_rate: _train(
        policy, batches, beta, learning_rate
    ),
    cases=lambda: [
        (BigramPolicy(seed=3), _batches(4, 5, seed=3), 0.5, 0.5),
        (BigramPolicy(seed=4), _batches(3, 2, seed=4), 0.1, 1.0),
    ],
    mistakes=(
        (
            _slip(same=True),
            "your reference moves with the policy, so every loss is log 2 = 0.693: copy it, "
            "`copy.deepcopy(policy)`, before the first step",
        ),
        (
            _slip(answer=lambda logp, mask: logp.sum(1)),
            "padding is counted: multiply the tokens' log-probabilities by the mask",
        ),
        (
            _slip(answer=lambda logp, mask: (logp * mask).sum(1) / mask.sum(1)),
            "you average over an answer's tokens: DPO takes the sum (the average is another loss, with "
            "another beta)",
        ),
        (_slip(sign=-1), "chosen and rejected are swapped: this teaches what was rejected"),
        (
            _slip(bare=True),
            "the reference is missing: an answer is paid for what the policy *changed*, pc - rc",
        ),
        (_slip(kept=True), "gradients of earlier steps add up: call `optimizer.zero_grad()`"),
        (_slip(sum=True), "you add up the losses of a batch: take their mean"),
    ),
    hints=(
        "Before the loop: a frozen copy of the policy, and an optimizer. In it: four log-probabilities.",
        "An answer's log-probability is `(policy.logprobs(prompts, ids) * mask).sum(1)`; that of the "
        "reference needs no gradient: `with torch.no_grad():`.",
        "`loss = -F.logsigmoid(beta * ((pc - rc) - (pr - rr))).mean()`; then `zero_grad`, `backward`, "
        "`step`, `losses.append(loss.item())`.",
    ),
    plan=(
        "1. a reference: the policy as it stands now, which stays so",
        "2. an optimizer: torch.optim.SGD",
        "3. for each batch: four log-probabilities, the loss, one update; keep the loss",
    ),
)

BUILDS = (dpo_training,)
