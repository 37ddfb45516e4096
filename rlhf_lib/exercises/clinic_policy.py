"""Cases of the clinic about policies: chapters 08, 10, 11 and 12."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

from ..evaluation import TabularPolicy
from .cases import logp_pair, normal, ragged_mask
from .clinic import Bug
from .clinic_runs import (
    run_advantages,
    run_clip,
    run_direct_loss,
    run_exact_kl,
    run_kl_estimate,
    run_penalized_reward,
    run_ratio,
    run_reference,
    run_selection,
    run_sequence_logp,
)

# --- 08: the sign of the penalty


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
            "The log-ratio in the penalty has the wrong sign, so drift is rewarded.",
            "The policy then seeks out answers that the reference finds unlikely.",
        ),
        (
            "Beta is too small.",
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

# --- 08: k3 the other way round


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
            "This is k1, which has a high variance.",
            "k1 can be negative, and its mean is right however much it scatters.",
        ),
        (
            "The learning rate is too high.",
            "The same rate is fine in the other run, and it does not explain a wrong mean at small KL.",
        ),
    ),
    hints=(
        "An unbiased estimator has the right mean. Over a handful of answers you can sum it exactly.",
        "Policy (0.7, 0.2, 0.1), reference (0.4, 0.4, 0.2): sum of policy * estimate has to be the KL, 0.184.",
    ),
    proof=_prove_k3,
)

# --- 08: the direction of an exact KL


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
            "It is the KL of the reference to the policy: the arguments are the wrong way round.",
            "The forward KL asks that no answer of the reference be lost, and hardly bounds a peak.",
        ),
        (
            "The KL has the wrong sign.",
            "Then nothing would hold the policy at all, and it would never come near the optimum.",
        ),
        (
            "Beta is too large.",
            "A larger beta holds the policy nearer to the reference. Its KL is the higher one.",
        ),
    ),
    hints=(
        "The two directions differ wherever the distributions do. Take two answers and compute it by hand.",
        "Policy (0.9, 0.1), reference (0.5, 0.5): 0.9 log 1.8 + 0.1 log 0.2 = 0.368, and not 0.511.",
    ),
    proof=_prove_direction,
)

# --- 10: the worst is kept


def _top(rewards, keep):
    order = rewards.flatten().argsort(descending=True, stable=True)[:keep].tolist()
    return [divmod(place, rewards.shape[1]) for place in order]


def _top_by_sorting(rewards, keep):
    places = [
        (-value, row, column)
        for row, values in enumerate(rewards.tolist())
        for column, value in enumerate(values)
    ]
    return [(row, column) for _, row, column in sorted(places)[:keep]]


def _bottom(rewards, keep):
    order = rewards.flatten().argsort(stable=True)[:keep].tolist()
    return [divmod(place, rewards.shape[1]) for place in order]


_SCORES = torch.tensor([[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]]).double()


def _prove_top(implementation):
    found = {tuple(place) for place in implementation(_SCORES, 2)}
    assert found == {(0, 1), (1, 0)}, "0.9 and 0.8 are the best two"


worst_kept = Bug(
    name="worst_kept",
    chapter="10",
    title="Rejection sampling in reverse",
    story="Answers are drawn, scored, selected, learned, in rounds. The fine-tuning loss behaves. The reward "
    "goes down, round by round.",
    function="select(rewards (M, N), keep) -> (row, column) of the `keep` best answers of all",
    source="argsort is ascending: the book's selection is argsort(...)[-K:], and its order and indices have "
    "been mended (erratum 481).",
    lesson="argsort is ascending. Test a selection on numbers that you can rank by eye.",
    right=_top,
    also_right=_top_by_sorting,
    wrong=_bottom,
    example=lambda: (_SCORES, 2),
    run=run_selection,
    watch=("reward", "loss"),
    options=(
        (
            "The worst answers are kept: the order of the sort is ascending.",
            "So each round teaches what the reward likes least.",
        ),
        (
            "The selection ignores the reward.",
            "Then the reward would stay about where it was. It falls steadily.",
        ),
        (
            "The fine-tuning has too many epochs.",
            "That would exaggerate what is selected. It would not turn it round.",
        ),
    ),
    hints=(
        "Make a small matrix in which the best two can be seen.",
        "[[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]] with keep = 2 has to give (0, 1) and (1, 0).",
    ),
    proof=_prove_top,
)

# --- 10: rows and columns


def _top_of_the_transpose(rewards, keep):
    order = rewards.T.flatten().argsort(descending=True, stable=True)[:keep].tolist()
    return [divmod(place, rewards.shape[1]) for place in order]


def _prove_layout(implementation):
    rewards = torch.zeros(3, 2)
    rewards[1, 0] = 1.0
    assert [tuple(place) for place in implementation(rewards, 1)] == [(1, 0)], "the one good answer"


mixed_rows = Bug(
    name="mixed_rows",
    chapter="10",
    title="Selection that selects next to nothing",
    story="As many answers are kept as in the other run, all indices are valid, no error is raised. The reward "
    "hardly moves, and that is all.",
    function="select(rewards (M, N), keep) -> (row, column) of the `keep` best answers of all",
    source="From the flattened matrix back to (row, column) in the rejection-sampling chapter, where one "
    "snippet lays completions out by prompt and another one by sample.",
    lesson="An index belongs to a layout: flatten and unflatten in the same order.",
    right=_top,
    also_right=_top_by_sorting,
    wrong=_top_of_the_transpose,
    example=lambda: (_SCORES, 2),
    run=run_selection,
    watch=("reward", "loss"),
    options=(
        (
            "The indices are of the transposed matrix, so other answers are kept than those that won.",
            "Where rewards are laid out by sample and read by prompt, the winners' places are others.",
        ),
        (
            "The worst answers are kept.",
            "Then the reward would fall below its start.",
        ),
        (
            "All answers are equally good.",
            "They are the same as in the healthy run, which learns a lot from them.",
        ),
    ),
    hints=(
        "Put a single good answer into a matrix that is not square.",
        "rewards of shape (3, 2), all 0 but for a 1 at (1, 0): that place has to come out.",
    ),
    proof=_prove_layout,
)

# --- 11: groups that mix prompts


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
            "The baseline mixes prompts: the reshape is for another layout.",
            "Answers to an easy request then look good and those to a hard one bad, whatever they say. It is "
            "noise, which is why the policy still learns, slowly.",
        ),
        (
            "There is no baseline at all.",
            "Then advantages would have the sign of the request's level; here they add up to 0.",
        ),
        (
            "The group is too small.",
            "It has the same size in both runs.",
        ),
    ),
    hints=(
        "If all answers to a request have the same reward, what are their advantages?",
        "rewards [5, 5, 5, -5, -5, -5] with G = 3: all advantages have to be 0.",
    ),
    proof=_prove_groups,
)

# --- 11: the larger one of two


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
            "The larger of the two terms is taken, so the clip never stops a step that goes too far.",
            "Within the range nothing changes, which is why the run looks well for so long.",
        ),
        (
            "The advantages have the wrong sign.",
            "Then the reward would fall.",
        ),
        (
            "The clip range is too small.",
            "A smaller range would slow the run down. This one is quicker than it should be.",
        ),
    ),
    hints=(
        "The clip is there to take a gradient away. From which answers?",
        "ratio 2, advantage 1, clip 0.2: the gradient in the ratio has to be 0.",
    ),
    proof=_prove_clip,
)

# --- 11: a ratio to the reference


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
            "The ratio is to the reference policy, so whatever has moved from it is clipped for good.",
            "The trust region stands still at the start instead of moving along with each batch.",
        ),
        (
            "The learning rate is too low.",
            "Then little would be clipped. Here most of it is.",
        ),
        (
            "The KL penalty is too strong.",
            "There is none in these runs.",
        ),
    ),
    hints=(
        "Before the first update on a batch, what is the ratio, whatever the reference is?",
        "Give it logp = old_logp and some other ref_logp: the ratio has to be 1.",
    ),
    proof=_prove_ratio,
)

# --- 12: means where sums belong


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
            "An answer's log-probability is averaged over its tokens and not summed.",
            "Margins are then smaller by the length, and so is the pull that beta exerts.",
        ),
        (
            "The reference moves along with the policy.",
            "Then the loss would be log 2 exactly. It does move a little.",
        ),
        (
            "Padding is counted.",
            "Both implementations mask it, and padding's log-probability is 0 here anyway.",
        ),
    ),
    hints=(
        "What is the probability of two tokens, each with probability 1/e?",
        "Token log-probabilities -1, -1 and padding: the answer's is -2, and not -1.",
    ),
    proof=_prove_sum,
)

# --- 12: the policy as its own reference


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
            "The reference is the policy itself and not a copy of it.",
            "So the margin is 0 whatever is learned, each pair pulls with full weight, and nothing holds back.",
        ),
        (
            "The learning rate is 0.",
            "Then the KL to the start would stay 0 as well.",
        ),
        (
            "The comparisons are labelled at random.",
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

# --- 12: beta upside down


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
            "The log-ratios are divided by beta and not multiplied by it.",
            "At 0.3 that acts like a beta of 3.3: small log-ratios satisfy the loss.",
        ),
        (
            "The learning rate is too low.",
            "The KL has come to rest: it does not creep, it is held.",
        ),
        (
            "Chosen and rejected answers are swapped.",
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
    penalty_sign,
    k3_reversed,
    kl_direction,
    worst_kept,
    mixed_rows,
    mixed_groups,
    clip_maximum,
    ratio_to_reference,
    averaged_logp,
    reference_is_policy,
    beta_upside_down,
)
