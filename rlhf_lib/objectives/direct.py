"""Direct alignment: losses that turn comparisons into a policy, without a reward model between.

Book: `c/08-direct-alignment`. In the order of the arguments, p is the policy that learns and r the
reference; c the chosen answer and r the rejected one: pc, pr, rc, rr. Each is an answer's log-probability
in nats, (B,): the **sum** over its tokens, as in the DPO paper; names that end in `_mean`, and IPO, take
the mean over its tokens. A mean where a sum belongs changes what beta means by the answers' length (some
textbook code does that without saying so; TRL calls it 'sigmoid_norm'). Losses are means over the batch.
Log-probabilities of the reference are constants: compute them once and without a gradient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ._checks import at_least, has_dimensions, positive, same_shape, within
from ._masked import widened

SMALLEST_NEGATIVE = -1e-6
"""ORPO takes a log-probability above this, an answer that is all but certain, for this."""


def implicit_reward(policy: Tensor, ref: Tensor, beta: float) -> Tensor:
    """beta * (policy - ref): the reward that a policy speaks for by what it has become.

    policy, ref: log-probabilities of the same answers, any common shape. It is the true reward up to a
    constant of the prompt, beta log Z(x), where the policy is optimal for it; so only differences between
    answers to one prompt mean something. Source: Rafailov et al. (2023), equation 5. Equation: [DA-1].

    Raises:
        ValueError: shapes differ, beta not positive.
    """
    same_shape(policy=policy, ref=ref)
    positive("beta", beta)
    return beta * (policy - ref)


def dpo_loss(
    pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, beta: float, label_smoothing: float = 0.0
) -> Tensor:
    """-log sigmoid(beta h), with h = (pc - rc) - (pr - rr): Bradley-Terry on implicit rewards.

    pc, pr, rc, rr (B,): sums over tokens. It is log 2 = 0.693 where policy and reference agree. The
    gradient in pc is -beta sigmoid(-beta h) / B, and the opposite in pr: h may grow while both fall.
    label_smoothing: cDPO: the share of comparisons that are taken to be labelled the wrong way round,
        (1 - e) * loss(h) + e * loss(-h); h then has an optimum, log((1 - e) / e) / beta, and is not
        driven to infinity.
    Source: Rafailov et al. (2023), equation 7; Mitchell (2023) for cDPO. Same as TRL's 'sigmoid' (which
    has lost its label smoothing; its CPO has it still). Equations: [DA-2]; with label_smoothing [DA-3].

    Raises:
        ValueError: shapes, beta not positive, label_smoothing outside [0, 0.5].
    """
    _check_answers(beta, pc=pc, pr=pr, rc=rc, rr=rr)
    within("label_smoothing", label_smoothing, 0, 0.5)
    gap = beta * _log_ratio_gap(pc, pr, rc, rr)
    loss = -F.logsigmoid(gap)
    if label_smoothing:
        loss = (1 - label_smoothing) * loss - label_smoothing * F.logsigmoid(-gap)
    return loss.mean().to(pc.dtype)


def ipo_loss(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    """(h - 1 / (2 beta))^2, with h = (pc - rc) - (pr - rr): a gap to reach and not to pass.

    pc, pr, rc, rr (B,): **means** over tokens. The paper writes sums; its authors say that their results
    came from means, and TRL does so too. 1 / (2 beta) is then a gap in nats per token: 5 for beta 0.1.
    The paper's regularization is called tau; the loss is not multiplied by beta.
    Source: Azar et al. (2023), equation 17. Equation: [DA-4].

    Raises:
        ValueError: shapes, beta not positive.
    """
    _check_answers(beta, pc=pc, pr=pr, rc=rc, rr=rr)
    error = _log_ratio_gap(pc, pr, rc, rr) - 1 / (2 * beta)
    return error.square().mean().to(pc.dtype)


def simpo_loss(pc_mean: Tensor, pr_mean: Tensor, beta: float, gamma: float) -> Tensor:
    """-log sigmoid(beta (pc_mean - pr_mean) - gamma): no reference, no bonus for length, a margin.

    pc_mean, pr_mean (B,): means over tokens. gamma stands outside beta, as in the paper and in TRL; some
    code (the book's) has beta (h - gamma): its gamma is ours / beta.
    Source: Meng et al. (2024), equation 6. Equation: [DA-5].

    Raises:
        ValueError: shapes, beta not positive, gamma negative.
    """
    _check_answers(beta, pc_mean=pc_mean, pr_mean=pr_mean)
    at_least("gamma", gamma, 0)
    gap = beta * (widened(pc_mean) - widened(pr_mean)) - gamma
    return -F.logsigmoid(gap).mean().to(pc_mean.dtype)


def orpo_loss(pc_mean: Tensor, pr_mean: Tensor, nll: Tensor, lam: float) -> Tensor:
    """nll - lam * log sigmoid(log odds(chosen) - log odds(rejected)), odds = p / (1 - p).

    pc_mean, pr_mean (B,): means over tokens, at most 0; p = exp of them, the geometric mean of the tokens'
    probabilities. nll: what fine-tuning on the chosen answers costs, (B,) or one number: -pc_mean if
    each answer weighs the same, `training.completion_loss` if each token does; TRL's has the prompt's
    tokens in it as well. lam: TRL calls it beta.
    A certain answer (p = 1) has infinite odds: log-probabilities are cut at `SMALLEST_NEGATIVE`.
    Source: Hong et al. (2024), equations 6 and 7. Equation: [DA-6].

    Raises:
        ValueError: shapes, lam negative, log-probabilities above 0.
    """
    has_dimensions("pc_mean", pc_mean, "(B,)")
    same_shape(pc_mean=pc_mean, pr_mean=pr_mean, nll=nll if nll.ndim else None)
    at_least("lam", lam, 0)
    for name, logp in (("pc_mean", pc_mean), ("pr_mean", pr_mean)):
        if not bool((logp <= 0).all()):
            raise ValueError(f"{name} must hold log-probabilities, which are 0 or less")
    gap = _log_odds(pc_mean) - _log_odds(pr_mean)
    loss = widened(nll).mean() - lam * F.logsigmoid(gap).mean()
    return loss.to(pc_mean.dtype)


def kto_loss(
    policy: Tensor,
    ref: Tensor,
    desirable: Tensor,
    kl: Tensor | float,
    beta: float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """Answers labelled one by one: w (1 - sigmoid(+-beta (policy - ref - kl))), + where desirable.

    policy, ref (B,): sums over tokens. desirable (B,): bool.
    kl: the reference point z0 in nats, one for the batch: how far the policy is from the reference
        anyhow. The paper estimates it by log-ratios of *mismatched* prompts and answers; give those
        (any shape), and their mean is taken, or give the number. As in the paper and in TRL it is a
        constant, without a gradient, and at least 0 (a negative estimate says 0). The book's code takes
        the batch's rejected answers for it.
    desirable_weight, undesirable_weight: the paper's lambdas; they make up for classes of unequal size.
        The mean is over the whole batch, and not first within the classes.
    Source: Ethayarajh et al. (2024), equations 7 and 8. Equation: [DA-7].

    Raises:
        ValueError: shapes, desirable not boolean, beta not positive, negative weights.
    """
    _check_answers(beta, policy=policy, ref=ref, desirable=desirable)
    if desirable.dtype != torch.bool:
        raise ValueError(f"desirable must hold booleans; got {desirable.dtype}")
    at_least("desirable_weight", desirable_weight, 0)
    at_least("undesirable_weight", undesirable_weight, 0)
    if isinstance(kl, Tensor):
        kl = widened(kl.detach()).mean().clamp(min=0)
    else:
        kl = max(0.0, kl)
    above = beta * (widened(policy) - widened(ref) - kl)
    loss = torch.where(
        desirable,
        desirable_weight
        * torch.sigmoid(-above),  # 1 - sigmoid(x) = sigmoid(-x), with all its digits
        undesirable_weight * torch.sigmoid(above),
    )
    return loss.mean().to(policy.dtype)


def rebel_loss(
    p1: Tensor, p2: Tensor, old1: Tensor, old2: Tensor, reward_gap: Tensor, eta: float
) -> Tensor:
    """(((p1 - old1) - (p2 - old2)) / eta - reward_gap)^2: regress the reward difference of two answers.

    p1, p2 (B,): the policy's log-probabilities of two answers to a prompt; old1, old2 (B,) those of the
    policy that drew them, sums over tokens. reward_gap (B,): reward of the first minus the second; its
    size counts, and not only its sign. eta: the step size; a large one allows a large step.
    Source: Gao et al. (2024, REBEL), algorithm 1. Not in TRL. Equation: [DA-8].

    Raises:
        ValueError: shapes, eta not positive.
    """
    positive("eta", eta)
    has_dimensions("p1", p1, "(B,)")
    same_shape(p1=p1, p2=p2, old1=old1, old2=old2, reward_gap=reward_gap)
    error = _log_ratio_gap(p1, p2, old1, old2) / eta - widened(reward_gap)
    return error.square().mean().to(p1.dtype)


def apo_zero_loss(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    """(1 - sigmoid(beta (pc - rc))) + sigmoid(beta (pr - rr)): the chosen one up, the rejected one down.

    For data that is better than the policy's own answers. pc, pr, rc, rr (B,): sums over tokens. The
    paper's loss is this minus 1; the 1 is TRL's and keeps it above 0.
    Source: D'Oosterlinck et al. (2024), equation 7. Equation: [DA-9].

    Raises:
        ValueError: shapes, beta not positive.
    """
    _check_answers(beta, pc=pc, pr=pr, rc=rc, rr=rr)
    chosen, rejected = _rewards(pc, pr, rc, rr, beta)
    return (torch.sigmoid(-chosen) + torch.sigmoid(rejected)).mean().to(pc.dtype)


def apo_down_loss(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    """sigmoid(beta (pc - rc)) + (1 - sigmoid(beta h)): both down, the rejected one further.

    h = (pc - rc) - (pr - rr). For data that is worse than the policy's own answers. pc, pr, rc, rr (B,):
    sums over tokens. The paper's loss is this minus 1, as for `apo_zero_loss`.
    Source: D'Oosterlinck et al. (2024), equation 8. Equation: [DA-10].

    Raises:
        ValueError: shapes, beta not positive.
    """
    _check_answers(beta, pc=pc, pr=pr, rc=rc, rr=rr)
    chosen, rejected = _rewards(pc, pr, rc, rr, beta)
    return (torch.sigmoid(chosen) + torch.sigmoid(rejected - chosen)).mean().to(pc.dtype)


def _log_ratio_gap(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor) -> Tensor:
    """h = (pc - rc) - (pr - rr)."""
    return (widened(pc) - widened(rc)) - (widened(pr) - widened(rr))


def _rewards(pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Implicit rewards of the chosen and the rejected answers."""
    return (
        implicit_reward(widened(pc), widened(rc), beta),
        implicit_reward(widened(pr), widened(rr), beta),
    )


def _log_odds(logp: Tensor) -> Tensor:
    """log(p / (1 - p)) of p = exp(logp), by expm1: near p = 1 the difference 1 - p keeps its digits."""
    logp = widened(logp).clamp(max=SMALLEST_NEGATIVE)
    return logp - torch.log(-torch.expm1(logp))


def _check_answers(beta: float, **answers: Tensor) -> None:
    """A positive beta, and log-probabilities (B,) of equal shape."""
    positive("beta", beta)
    name, first = next(iter(answers.items()))
    has_dimensions(name, first, "(B,)")
    same_shape(**answers)
