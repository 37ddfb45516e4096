"""The silent-bug clinic of chapter 12."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from ...exact import TabularPolicy
from ..kit.bug import Bug
from ..kit.cases import logp_pair, ragged_mask
from .clinic_runs import (
    run_direct_loss,
    run_reference,
    run_sequence_logp,
)

# --- means where sums belong


def _sum_logp(token_logp, mask):
    return (token_logp * mask).sum(1)


def _sum_logp_by_einsum(token_logp, mask):
    return torch.einsum("bt,bt->b", token_logp, mask.to(token_logp.dtype))


def _mean_logp(token_logp, mask):
    return (token_logp * mask).sum(1) / mask.sum(1)


def _prove_sum(implementation):
    logp, mask = torch.tensor([[-1.0, -1.0, -9.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    assert abs(float(implementation(logp, mask)) + 2.0) < 1e-6, (
        "log pi(y|x) is the sum of its tokens"
    )


averaged_logp = Bug(
    name="averaged_logp",
    chapter="12",
    title="Further away than beta allows",
    story="DPO with the same beta, data and learning rate. In one run the loss stays near log 2 for "
    "longer, and yet the policy goes much further from its reference.",
    function="sequence_logp(token_logp (B, T), mask (B, T)) -> log pi(answer | request) (B,)",
    source="Textbook code that averages and cites the DPO paper, which sums; asked in issue 40 of the DPO "
    "repository and in trl 789. On purpose it is called length-normalised DPO.",
    lesson="DPO's log-probabilities are sums. With means beta is too small by the answers' length.",
    right=_sum_logp,
    also_right=_sum_logp_by_einsum,
    wrong=_mean_logp,
    example=lambda: (logp_pair(2, 4, seed=13)[0], ragged_mask([4, 2], 4)),
    run=run_sequence_logp,
    watch=("loss", "drift", "logp_chosen"),
    options=(
        (
            "Log-probabilities are averaged over the tokens.",
            "Margins are then smaller by the length, and so is the pull that beta exerts.",
        ),
        (
            "The reference moves along with the policy.",
            "Then the loss would be log 2 exactly. It does move a little.",
        ),
        (
            "Padding is counted into the log-probabilities.",
            "Both implementations mask it, and padding's log-probability is 0 here anyway.",
        ),
    ),
    hints=(
        "What is the probability of two tokens, each with probability 1/e?",
        "Token log-probabilities -1, -1 and padding: the answer's is -2, and not -1.",
    ),
    proof=_prove_sum,
)


# --- the policy as its own reference


def _frozen_copy(policy):
    return copy.deepcopy(policy).requires_grad_(False)


def _frozen_table(policy):
    return TabularPolicy(policy.table()).requires_grad_(False)


def _itself(policy):
    return policy


def _prove_reference(implementation):
    policy = TabularPolicy(torch.zeros(1, 2))
    reference = implementation(policy)
    before = reference.table().detach().clone()
    with torch.no_grad():
        policy.logits.add_(torch.tensor([[1.0, -1.0]]))
    assert torch.equal(reference.table(), before), "the reference stays when the policy moves"


reference_is_policy = Bug(
    name="reference_is_policy",
    chapter="12",
    title="Stuck at 0.693",
    story="The DPO loss is 0.693 at every step, and margins are 0. Nothing seems to happen. But the policy "
    "moves, and it goes further than in the healthy run.",
    function="reference(policy) -> the reference policy for DPO, made once at the start; policies are "
    "`TabularPolicy`s",
    source="Reported as trl 1311 and 1627, with several causes (in one of them beta was 0); this is another.",
    lesson="Two names for one model: the log-ratio is 0 for ever, its gradient is not. Copy and freeze.",
    right=_frozen_copy,
    also_right=_frozen_table,
    wrong=_itself,
    example=lambda: (TabularPolicy(torch.zeros(2, 3)),),
    run=run_reference,
    watch=("loss", "margin", "kl"),
    options=(
        (
            "The reference is the policy itself, not a copy.",
            "So the margin is 0 whatever is learned, each pair pulls with full weight, and nothing holds back.",
        ),
        (
            "The learning rate is 0, or next to nothing.",
            "Then the KL to the start would stay 0 as well.",
        ),
        (
            "The comparisons are labelled at random, by a coin.",
            "Then the margins would scatter about 0. They are 0 exactly, and the reward rises.",
        ),
    ),
    hints=(
        "What must not happen to a reference when the policy takes a step?",
        "Make a TabularPolicy(torch.zeros(1, 2)), then its reference; change policy.logits under no_grad; "
        "the reference's table() has to be what it was.",
    ),
    proof=_prove_reference,
)


# --- beta upside down


def _dpo(pc, pr, rc, rr, beta):
    return -F.logsigmoid(beta * ((pc - rc) - (pr - rr))).mean()


def _dpo_by_softplus(pc, pr, rc, rr, beta):
    rewards_chosen, rewards_rejected = beta * (pc - rc), beta * (pr - rr)
    return F.softplus(rewards_rejected - rewards_chosen).mean()


def _dpo_upside_down(pc, pr, rc, rr, beta):
    return -F.logsigmoid(((pc - rc) - (pr - rr)) / beta).mean()


def _prove_beta(implementation):
    one, zero = torch.ones(1), torch.zeros(1)
    small, large = (float(implementation(one, zero, zero, zero, beta)) for beta in (0.1, 10.0))
    assert large < small, "with a large beta a small log-ratio is a large reward already"


beta_upside_down = Bug(
    name="beta_upside_down",
    chapter="12",
    title="A policy that hardly moves",
    story="Both runs have beta 0.3 and fresh comparisons in every step. In one the reward rises and the KL "
    "with it. In the other the policy stays next to its reference, as if held by a much stronger hand.",
    function="loss(pc, pr, rc, rr, beta) -> the DPO loss, a mean; p policy, r reference, c chosen, r rejected",
    source="Erratum 295 of the book: a higher beta keeps the policy nearer, and not the other way round.",
    lesson="The implicit reward is beta log(pi / pi_ref): a larger beta makes each step away dearer.",
    right=_dpo,
    also_right=_dpo_by_softplus,
    wrong=_dpo_upside_down,
    example=lambda: (*logp_pair(1, 4, seed=14)[0], *logp_pair(1, 4, seed=15)[0],
                     *logp_pair(1, 4, seed=16)[0], *logp_pair(1, 4, seed=17)[0], 0.3),
    run=run_direct_loss,
    watch=("kl", "reward", "loss"),
    options=(
        (
            "The log-ratios are divided by beta.",
            "At 0.3 that acts like a beta of 3.3: small log-ratios satisfy the loss.",
        ),
        (
            "The learning rate is too low for it.",
            "The KL has come to rest: it does not creep, it is held.",
        ),
        (
            "Chosen and rejected are swapped.",
            "Then the reward would fall. It rises a little.",
        ),
    ),
    hints=(
        "Keep the log-probabilities and change beta: which way must the loss go?",
        "pc = 1, all others 0: the loss at beta 10 has to be below that at beta 0.1.",
    ),
    proof=_prove_beta,
)  # fmt: skip

BUGS = (
    averaged_logp,
    reference_is_policy,
    beta_upside_down,
)
