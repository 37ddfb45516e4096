"""The silent-bug clinic of chapter 11."""

from __future__ import annotations

import torch

from ..kit.bug import Bug
from ..kit.cases import logp_pair, normal
from .clinic_runs import (
    run_advantages,
    run_clip,
    run_ratio,
)

# --- groups that mix prompts


def _rloo(rewards, group):
    rows = rewards.view(-1, group)
    return (rows - (rows.sum(1, keepdim=True) - rows) / (group - 1)).flatten()


def _rloo_by_loop(rewards, group):
    found = torch.zeros_like(rewards)
    for i in range(len(rewards)):
        first = i // group * group
        others = [rewards[j] for j in range(first, first + group) if j != i]
        found[i] = rewards[i] - sum(others) / len(others)
    return found


def _rloo_mixed(rewards, group):
    columns = rewards.view(group, -1)
    return (columns - (columns.sum(0, keepdim=True) - columns) / (group - 1)).flatten()


def _prove_groups(implementation):
    rewards = torch.tensor([5.0, 5.0, 5.0, -5.0, -5.0, -5.0])  # an easy request and a hard one
    assert implementation(rewards, 3).abs().max() == 0, (
        "within a request all are equal: no advantage"
    )


mixed_groups = Bug(
    name="mixed_groups",
    chapter="11",
    title="Advantages of the wrong size",
    story="Some requests are easy and score high whatever is said, others are hard. Both runs learn. One "
    "learns slowly, and its advantages stay large even when all answers to a request are alike.",
    function="advantages(rewards (N * G,), G) -> leave-one-out advantages (N * G,); G answers to the first "
    "prompt come first, then G to the second, ...",
    source="The book's RLOO snippet expects one layout and its GRPO snippet the other.",
    lesson="Know the layout: with prompt-major rewards it is view(-1, G), one row a prompt.",
    right=_rloo,
    also_right=_rloo_by_loop,
    wrong=_rloo_mixed,
    example=lambda: (normal(6, seed=8), 3),
    run=run_advantages,
    watch=("reward", "advantage_size"),
    options=(
        (
            "The baseline mixes prompts by a wrong reshape.",
            "Answers to an easy request then look good and those to a hard one bad, whatever they say. It is "
            "noise, which is why the policy still learns, slowly.",
        ),
        (
            "There is no baseline at all in the advantages.",
            "Then advantages would have the sign of the request's level; here they add up to 0.",
        ),
        (
            "The group is too small for a good baseline.",
            "It has the same size in both runs.",
        ),
    ),
    hints=(
        "If all answers to a request have the same reward, what are their advantages?",
        "rewards [5, 5, 5, -5, -5, -5] with G = 3: all advantages have to be 0.",
    ),
    proof=_prove_groups,
)


# --- the larger one of two


def _ppo(ratio, advantages, clip):
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def _ppo_by_cases(ratio, advantages, clip):
    bound = torch.where(advantages > 0, 1 + clip, 1 - clip)
    beyond = torch.where(advantages > 0, ratio > bound, ratio < bound)
    return torch.where(beyond, bound, ratio) * advantages


def _ppo_maximum(ratio, advantages, clip):
    return torch.maximum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def _prove_clip(implementation):
    ratio = torch.tensor([2.0], requires_grad=True)
    implementation(ratio, torch.tensor([1.0]), 0.2).sum().backward()
    assert ratio.grad.item() == 0, "far beyond the range, a good answer must not be pushed further"


clip_maximum = Bug(
    name="clip_maximum",
    chapter="11",
    title="A clip that lets everything through",
    story="PPO with six updates on each batch. Both runs raise the reward. In one the entropy falls away, and "
    "the policy gives one and the same answer long before the other does.",
    function="objective(ratio, advantages, clip) -> PPO's objective of each answer, to be maximised",
    source="Errata 125, 132 and 139 of the book: objective or loss, and the six cases of the clip. In a loss "
    "(the negative) it is a maximum, which is how the two get mixed up.",
    lesson="The objective takes the minimum; its negative, the loss, the maximum of the negatives.",
    right=_ppo,
    also_right=_ppo_by_cases,
    wrong=_ppo_maximum,
    example=lambda: (normal(5, seed=9).exp(), normal(5, seed=10), 0.2),
    run=run_clip,
    watch=("entropy", "kl", "reward"),
    options=(
        (
            "The larger of the two terms is taken.",
            "Within the range nothing changes, which is why the run looks well for so long.",
        ),
        (
            "The advantages have the wrong sign.",
            "Then the reward would fall.",
        ),
        (
            "The clip range is too small for it.",
            "A smaller range would slow the run down. This one is quicker than it should be.",
        ),
    ),
    hints=(
        "The clip is there to take a gradient away. From which answers?",
        "ratio 2, advantage 1, clip 0.2: the gradient in the ratio has to be 0.",
    ),
    proof=_prove_clip,
)


# --- a ratio to the reference


def _ratio(logp, old_logp, ref_logp):
    return (logp - old_logp).exp()


def _ratio_by_division(logp, old_logp, ref_logp):
    return logp.exp() / old_logp.exp()


def _ratio_to_reference(logp, old_logp, ref_logp):
    return (logp - ref_logp).exp()


def _prove_ratio(implementation):
    logp, ref = torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -0.5])
    ratio = implementation(logp, logp.clone(), ref)
    assert torch.allclose(ratio, torch.ones(2)), "before the first update the ratio is 1"


ratio_to_reference = Bug(
    name="ratio_to_reference",
    chapter="11",
    title="Learning that stalls",
    story="PPO learns for a while, then the reward hardly moves. Most answers are clipped, already in the "
    "first update on a fresh batch.",
    function="ratio(logp, old_logp, ref_logp) -> PPO's policy ratio",
    source="Erratum 488 of the book: the ratio was described against the reference policy.",
    lesson="The ratio is to the policy that drew the batch. The reference belongs into the KL.",
    right=_ratio,
    also_right=_ratio_by_division,
    wrong=_ratio_to_reference,
    example=lambda: (*logp_pair(2, 3, seed=11), normal(2, 3, seed=12)),
    run=run_ratio,
    watch=("reward", "clip_fraction"),
    options=(
        (
            "The ratio is taken to the reference policy.",
            "The trust region stands still at the start instead of moving along with each batch.",
        ),
        (
            "The learning rate is too low for it.",
            "Then little would be clipped. Here most of it is.",
        ),
        (
            "The KL penalty is too strong for it to move on.",
            "There is none in these runs.",
        ),
    ),
    hints=(
        "Before the first update on a batch, what is the ratio, whatever the reference is?",
        "Give it logp = old_logp and some other ref_logp: the ratio has to be 1.",
    ),
    proof=_prove_ratio,
)

BUGS = (
    mixed_groups,
    clip_maximum,
    ratio_to_reference,
)
