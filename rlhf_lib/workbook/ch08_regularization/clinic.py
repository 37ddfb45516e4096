"""The silent-bug clinic of chapter 08."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..kit.bug import Bug
from ..kit.cases import logp_pair, normal
from .clinic_runs import (
    run_exact_kl,
    run_kl_estimate,
    run_penalized_reward,
)

# --- the sign of the penalty


def _penalized(rewards, logp, ref_logp, beta):
    return rewards - beta * (logp - ref_logp)


def _penalized_by_ratio(rewards, logp, ref_logp, beta):
    return rewards + beta * torch.log((ref_logp - logp).exp())


def _rewarded_drift(rewards, logp, ref_logp, beta):
    return rewards - beta * (ref_logp - logp)


def _prove_penalty(implementation):
    zero, logp, ref = torch.zeros(1), torch.tensor([-1.0]), torch.tensor([-3.0])
    assert implementation(zero, logp, ref, 0.5) < 0, (
        "likelier than under the reference: that must cost"
    )


penalty_sign = Bug(
    name="penalty_sign",
    chapter="08",
    title="A penalty that does not hold",
    story="Two runs with the same beta. In one the KL to the reference settles, in the other it goes on "
    "growing, although the reward has nearly stopped.",
    function="total(rewards, logp, ref_logp, beta) -> rewards with the KL penalty in them, all of one shape",
    source="Erratum 163 of the book; and its policy-gradient code, where k1 has the wrong sign, unnoticed as "
    "all shipped settings have beta = 0.",
    lesson="r - beta (logp - ref_logp). With the sign turned, drift is what you pay for.",
    right=_penalized,
    also_right=_penalized_by_ratio,
    wrong=_rewarded_drift,
    example=lambda: (normal(2, 3, seed=1), *logp_pair(2, 3, seed=2), 0.3),
    run=run_penalized_reward,
    watch=("kl", "reward"),
    options=(
        (
            "The log-ratio in the penalty has the wrong sign.",
            "The policy then seeks out answers that the reference finds unlikely.",
        ),
        (
            "Beta is too small to hold this policy back.",
            "It is the same in both runs, and it holds the other one.",
        ),
        (
            "The reference is an old copy of the policy that moves along.",
            "Then the reported KL would stay small. It grows.",
        ),
    ),
    hints=(
        "An answer that the policy finds likelier than the reference does: is it to gain or to lose?",
        "rewards 0, logp -1, ref_logp -3: the result has to be negative.",
    ),
    proof=_prove_penalty,
)


# --- k3 the other way round


def _k3(logp, ref_logp):
    return torch.expm1(ref_logp - logp) + (logp - ref_logp)


def _k3_by_ratio(logp, ref_logp):
    ratio = (ref_logp.double() - logp.double()).exp()
    return (ratio - 1 - ratio.log()).to(logp.dtype)


def _k3_reversed(logp, ref_logp):
    return torch.expm1(logp - ref_logp) - (logp - ref_logp)


def _prove_k3(implementation):
    policy, ref = torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor([0.4, 0.4, 0.2]).log()
    kl = (policy.exp() * (policy - ref)).sum()
    found = (policy.exp() * implementation(policy, ref)).sum()
    assert abs(float(found - kl)) < 1e-4, "its mean under the policy must be the KL"


k3_reversed = Bug(
    name="k3_reversed",
    chapter="08",
    title="An estimate with spikes",
    story="The penalty in the loss is an estimate that is never negative. It starts well, then its mean leaves "
    "the true KL behind and spikes, and the gradient spikes with it.",
    function="estimate(logp, ref_logp) -> the k3 estimate of KL(policy || reference), for samples of the policy",
    source="The book's policy-gradient code and its unit test; reader's report 489 on spikes at beta = 0.04.",
    lesson="Samples come from the policy, so k3 = exp(-D) - 1 + D with D = logp - ref_logp. The other way "
    "round it explodes just where the policy goes.",
    right=_k3,
    also_right=_k3_by_ratio,
    wrong=_k3_reversed,
    example=lambda: logp_pair(2, 3, seed=5),
    run=run_kl_estimate,
    watch=("kl_estimate", "kl", "grad_norm"),
    options=(
        (
            "The log-ratio in k3 is the wrong way round.",
            "exp(D) has no bound where the policy is likelier than the reference: where it samples.",
        ),
        (
            "This is k1, which has a high variance by nature.",
            "k1 can be negative, and its mean is right however much it scatters.",
        ),
        (
            "The learning rate is too high for this loss.",
            "The same rate is fine in the other run, and it does not explain a wrong mean at small KL.",
        ),
    ),
    hints=(
        "An unbiased estimator has the right mean. Over a handful of answers you can sum it exactly.",
        "Policy (0.7, 0.2, 0.1), reference (0.4, 0.4, 0.2): sum of policy * estimate has to be the KL, 0.184.",
    ),
    proof=_prove_k3,
)


# --- the direction of an exact KL


def _reverse_kl(logits, ref_logits):
    logp, ref_logp = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return (logp.exp() * (logp - ref_logp)).sum(-1)


def _reverse_kl_by_torch(logits, ref_logits):
    logp, ref_logp = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return F.kl_div(ref_logp, logp, reduction="none", log_target=True).sum(-1)


def _forward_kl(logits, ref_logits):
    logp, ref_logp = logits.log_softmax(-1), ref_logits.log_softmax(-1)
    return F.kl_div(logp, ref_logp, reduction="none", log_target=True).sum(-1)


def _prove_direction(implementation):
    policy, ref = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
    kl = (policy * (policy / ref).log()).sum(-1)
    found = implementation(policy.log(), ref.log())
    assert abs(float(found - kl)) < 1e-4, "KL(policy || reference) weighs by the policy"


kl_direction = Bug(
    name="kl_direction",
    chapter="08",
    title="Near the optimum, and then away from it",
    story="Nothing is sampled: the exact reward minus beta times an exact KL is maximised. One run comes to "
    "rest at the best policy. The other comes near, and leaves it again.",
    function="kl(logits (N, K), ref_logits (N, K)) -> KL(policy || reference) (N,)",
    source="The regularization chapter's snippet with F.kl_div, a function with two traps: log_target, which "
    "is missing there, and the order of its arguments, here.",
    lesson="F.kl_div(input, target) is KL(target || input). Pin such a function with numbers by hand.",
    right=_reverse_kl,
    also_right=_reverse_kl_by_torch,
    wrong=_forward_kl,
    example=lambda: (normal(2, 4, seed=6), normal(2, 4, seed=7)),
    run=run_exact_kl,
    watch=("gap", "kl", "reward"),
    options=(
        (
            "It is the KL of the reference to the policy.",
            "The forward KL asks that no answer of the reference be lost, and hardly bounds a peak.",
        ),
        (
            "The KL has the wrong sign in the loss.",
            "Then nothing would hold the policy at all, and it would never come near the optimum.",
        ),
        (
            "Beta is too large to let the policy move.",
            "A larger beta holds the policy nearer to the reference. Its KL is the higher one.",
        ),
    ),
    hints=(
        "The two directions differ wherever the distributions do. Take two answers and compute it by hand.",
        "Policy (0.9, 0.1), reference (0.5, 0.5): 0.9 log 1.8 + 0.1 log 0.2 = 0.368, and not 0.511.",
    ),
    proof=_prove_direction,
)

BUGS = (
    penalty_sign,
    k3_reversed,
    kl_direction,
)
