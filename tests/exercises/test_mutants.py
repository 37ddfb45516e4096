"""Mutation tests of the checkers: a check that cannot fail is no check.

From each reference we make mutants that a learner might write; the check has to reject every one that
differs from the reference on its cases, and to accept two right answers.
"""

import inspect
import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from rlhf_lib.exercises import ALL, NOT_YET, RIGHT, WRONG
from rlhf_lib.exercises.framework import same


def scaled(value, factor):
    if isinstance(value, tuple):
        return tuple(scaled(v, factor) for v in value)
    return value * factor


def shifted_output(value):
    if isinstance(value, torch.Tensor) and value.ndim:
        return torch.roll(value, 1, dims=-1)
    return tuple(v + 1 for v in value) if isinstance(value, tuple) else value + 1


def first_tensor(arguments):
    return next((i for i, a in enumerate(arguments) if isinstance(a, torch.Tensor)), None)


def with_argument(exercise, name, change):
    names = list(inspect.signature(exercise.reference).parameters)
    if name not in names:
        return None
    place = names.index(name)

    def mutant(*arguments):
        arguments = list(arguments)
        arguments[place] = change(arguments[place])
        return exercise.reference(*arguments)

    return mutant


def shifted_input(exercise):
    def mutant(*arguments):
        arguments, place = list(arguments), first_tensor(arguments)
        if place is None:
            arguments[0] = (
                [*arguments[0][1:], arguments[0][0]]
                if isinstance(arguments[0], list)
                else arguments[0] + 1
            )
        else:
            arguments[place] = torch.roll(arguments[place], 1, dims=-1)
        return exercise.reference(*arguments)

    return mutant


def in_place(exercise):
    def mutant(*arguments):
        result = exercise.reference(*arguments)
        place = first_tensor(arguments)
        if place is not None:
            arguments[place].add_(1)
        elif isinstance(arguments[0], list):
            arguments[0].append(0.0)
        return result

    return mutant


def wrong_shape(exercise):
    def mutant(*arguments):
        result = exercise.reference(*arguments)
        return result[None] if isinstance(result, torch.Tensor) else [result, result]

    return mutant


def not_a_number(exercise):
    def mutant(*arguments):
        result = exercise.reference(*arguments)
        if isinstance(result, torch.Tensor):
            return torch.full_like(result, float("nan"))
        return tuple(math.nan for _ in result) if isinstance(result, tuple) else math.nan

    return mutant


def constant(exercise):
    first = exercise.reference(*exercise.cases()[0])
    return lambda *arguments: first


def mutants_of(exercise):
    ref = exercise.reference
    yield "stub", lambda *a: None
    yield "sign flip", lambda *a: scaled(ref(*a), -1)
    yield "factor 2", lambda *a: scaled(ref(*a), 2)
    yield "halved", lambda *a: scaled(ref(*a), 0.5)
    yield "output off by one", lambda *a: shifted_output(ref(*a))
    yield "input off by one", shifted_input(exercise)
    yield "changes its input", in_place(exercise)
    yield "wrong shape", wrong_shape(exercise)
    yield "NaN", not_a_number(exercise)
    yield "constant", constant(exercise)
    for name, change in (
        ("all-ones mask", torch.ones_like),
        ("inverted mask", lambda m: 1 - m),
        ("mask one short", lambda m: m * torch.cat((m[:, 1:], torch.zeros_like(m[:, :1])), 1)),
    ):
        mutant = with_argument(exercise, "mask", change)
        if mutant is not None:
            yield name, mutant
    for number, (wrong, _) in enumerate(exercise.mistakes, start=1):
        yield f"named mistake {number}", wrong


def equivalent(exercise, mutant):
    """Whether a mutant gives the reference's values and leaves its arguments alone on all cases."""
    for case, again in zip(exercise.cases(), exercise.cases(), strict=True):
        try:
            result = mutant(*case)
        except Exception:
            return False
        if not same(result, exercise.reference(*again), exercise.tolerance):
            return False
        if not same(tuple(case), tuple(again), 0.0):
            return False
    return True


OUTCOMES: dict[str, list[tuple[str, bool]]] = {}


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_mutants_are_rejected(exercise):
    alive = []
    for label, mutant in mutants_of(exercise):
        if label != "stub" and equivalent(exercise, mutant):
            continue  # such as sorting one element: no input could tell it from the reference
        verdict = exercise.check(mutant)
        killed = verdict.status == (NOT_YET if label == "stub" else WRONG)
        OUTCOMES.setdefault(exercise.name, []).append((label, killed))
        if not killed:
            alive.append(label)
    assert not alive


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_named_mistakes_get_their_own_sentence(exercise):
    for wrong, sentence in exercise.mistakes:
        assert exercise.check(wrong).message == sentence


def their_gae(rewards, values, mask, gamma, lam):
    """Written as a matrix product of discounts instead of a backward loop."""
    values = values * mask
    width = rewards.shape[1]
    following = torch.cat((values[:, 1:], torch.zeros_like(values[:, :1])), 1)
    delta = (rewards + gamma * following - values) * mask
    lag = torch.arange(width)[None, :] - torch.arange(width)[:, None]
    weights = torch.where(lag >= 0, (gamma * lam) ** lag.clamp(min=0).double(), 0.0)
    return (delta @ weights.T.to(delta.dtype)) * mask


def their_mask(ids, end):
    out = torch.zeros_like(ids).double()
    for row in range(len(ids)):
        for column in range(ids.shape[1]):
            out[row, column] = 1.0
            if ids[row, column] == end:
                break
    return out


def their_fit(d, g):
    (a, b), (_, c) = [[(d * d).sum(), -(d**3).sum()], [0, (d**4).sum()]]
    right = torch.stack(((d * g).sum(), -(d * d * g).sum()))
    solution = torch.linalg.solve(torch.stack((torch.stack((a, b)), torch.stack((b, c)))), right)
    return tuple(solution.tolist())


def their_stop(validation, patience):
    best, since, where = -math.inf, 0, 0
    for i, value in enumerate(validation):
        best, since, where = (value, 0, i) if value > best else (best, since + 1, where)
        if since == patience:
            return where
    return where


def their_radius(t, budget, sigma, pull):
    """The recursion instead of the closed form."""
    radius = 0.0
    for _ in range(t):
        radius = (1 - pull) * radius + sigma * math.sqrt(2 * budget)
    return radius


def their_return(rewards, gamma):
    total = torch.zeros_like(rewards[:, 0])
    for column in reversed(rewards.unbind(1)):
        total = column + gamma * total
    return total


def their_answer_logp(logits, token_ids, mask):
    """One row and one token at a time."""
    totals = []
    for z, ids, m in zip(logits.log_softmax(-1), token_ids.tolist(), mask.tolist(), strict=True):
        places = [t for t in range(1, len(ids)) if m[t]]
        totals.append(sum(z[t - 1, ids[t]] for t in places))
    return torch.stack(totals)


def their_nucleus(probabilities, top_p):
    """By taking tokens until the sum is reached."""
    out = torch.zeros_like(probabilities)
    for row, p in enumerate(probabilities):
        total = 0.0
        for token in p.argsort(descending=True).tolist():
            if total >= top_p:
                break
            out[row, token] = p[token]
            total += p[token].item()
    return out / out.sum(1, keepdim=True)


def their_token_rewards(rewards, logp, ref_logp, mask, beta):
    """One token at a time."""
    out = torch.zeros_like(mask)
    for row, length in enumerate(mask.sum(1).int().tolist()):
        for t in range(length):
            out[row, t] = -beta * (logp[row, t] - ref_logp[row, t])
        out[row, length - 1] += rewards[row]
    return out


def their_best_of_n(rewards, n):
    """The mean over all subsets, one by one."""
    subsets = list(itertools.combinations(rewards.tolist(), n))
    return sum(map(max, subsets)) / len(subsets)


def their_top(rewards, keep):
    places = [(-v, i, j) for i, row in enumerate(rewards.tolist()) for j, v in enumerate(row)]
    return [[i, j] for _, i, j in sorted(places)[:keep]]


def their_exact_kl(p, n):
    below = [sum(p.tolist()[:k]) for k in range(len(p) + 1)]
    won = [high**n - low**n for low, high in itertools.pairwise(below)]
    return sum(w * math.log(w / mine) for w, mine in zip(won, p.tolist(), strict=True))


def their_ipo(chosen, rejected, chosen_mask, rejected_mask, beta):
    """One pair at a time."""
    errors = []
    for c, r, m, n in zip(chosen, rejected, chosen_mask, rejected_mask, strict=True):
        errors.append(c[m.bool()].mean() - r[n.bool()].mean() - 0.5 / beta)
    return sum(e * e for e in errors) / len(errors)


def their_gradient(pc, pr, rc, rr, beta):
    """By autograd."""
    pc, pr = pc.clone().requires_grad_(), pr.clone().requires_grad_()
    F.softplus(beta * ((pr - rr) - (pc - rc))).mean().backward()
    return pc.grad, pr.grad


def their_displaced_share(b, r, c, s):
    quads = list(zip(*(x.tolist() for x in (b, r, c, s)), strict=True))
    return sum(c < b and c - s > b - r for b, r, c, s in quads) / len(quads)


OTHERS = {
    "my_dpo_loss": lambda pc, pr, rc, rr, b: F.softplus(b * (rc - rr - pc + pr)).mean(),
    "my_dpo_gradient": their_gradient,
    "my_ipo_loss": their_ipo,
    "my_displaced_share": their_displaced_share,
    "my_answer_logp": their_answer_logp,
    "my_perplexity": lambda lp, m: torch.exp(-lp[m.bool()].mean()),
    "my_nucleus": their_nucleus,
    "my_cross_entropy": lambda p, q: torch.special.entr(p).sum(-1) + (p * (p / q).log()).sum(-1),
    "my_backup": lambda r, v, p, g: (
        torch.einsum("sa,sa->s", p, r + g * v),
        r + g * v - torch.einsum("sa,sa->s", p, r + g * v)[:, None],
    ),
    "my_token_rewards": their_token_rewards,
    "my_controller_step": lambda c, k, t, n, h: c + c * n / h * sorted((-0.2, k / t - 1, 0.2))[1],
    "my_two_kls": lambda a, b: tuple(
        F.kl_div(y.log_softmax(-1), x.log_softmax(-1), reduction="none", log_target=True).sum(-1)
        for x, y in ((a, b), (b, a))
    ),
    "my_ptx_loss": lambda p, a, m, d, c: -((p * m).sum(1) @ a) / len(a) - c * d.sum() / d.numel(),
    "walk_return": their_return,
    "bellman_backup": lambda p, r, v, g: (p * r).sum(1) + g * (p * v).sum(1),
    "advantage_sign": lambda q, p: (q > q @ p).double() - (q < q @ p).double(),
    "gaussian_kl": lambda a, b, s: 0.5 * ((a - b) / s).norm(dim=1) ** 2,
    "tube_radius": their_radius,
    "penalised_rewards": lambda r, a, b, beta: r + beta * b - beta * a,
    "win_rate": lambda a, b: (torch.sign(a - b).double() + 1).mean() / 2,
    "completion_mask": their_mask,
    "sequence_kl": lambda p, q, m: torch.einsum("bt,bt->b", p - q, m),
    "my_bradley_terry_loss": lambda c, r: F.softplus(r - c).mean(),
    "reward_at_end": lambda s, m: torch.stack(
        [row[int(n) - 1] for row, n in zip(s, m.sum(1), strict=True)]
    ),
    "my_plackett_luce_loss": lambda r: (r.flip(1).logcumsumexp(1).flip(1) - r).sum(1).mean(),
    "accuracy_ceiling": lambda g, t: torch.sigmoid(g.abs() / t).mean().item(),
    "my_outcome_loss": lambda x, c, m: (
        (F.binary_cross_entropy_with_logits(x, c[:, None].expand_as(x), reduction="none") * m).sum(
            1
        )
        / m.sum(1)
    ).mean(),
    "my_best_per_prompt": lambda r: torch.tensor([row.index(max(row)) for row in r.tolist()]),
    "my_top_overall": their_top,
    "my_best_of_n": their_best_of_n,
    "my_exact_kl": their_exact_kl,
    "my_reinforce_loss": lambda lp, a, m: -(a * (lp * m).sum(1)).mean(),
    "my_rloo_advantages": lambda r: r.shape[1] / (r.shape[1] - 1) * (r - r.mean(1, keepdim=True)),
    "my_k3": lambda p, q: (q - p).double().expm1() - (q - p),
    "my_ppo_loss": lambda lp, o, a, m, c: torch.maximum(
        -(lp - o).exp() * a[:, None], -(lp - o).exp().clamp(1 - c, 1 + c) * a[:, None]
    )[m.bool()].mean(),
    "my_gae": their_gae,
    "my_best_of_n_kl": lambda n: math.log(n) - 1 + 1 / n,
    "pessimistic_reward": lambda s, k: s.mean(0) - k * s.var(0).sqrt(),
    "early_stop": their_stop,
    "fit_best_of_n": their_fit,
}


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
def test_two_different_right_answers_pass(exercise):
    exercise.check(exercise.reference).assert_right()
    exercise.check(OTHERS[exercise.name]).assert_right()
    assert exercise.check(OTHERS[exercise.name]).status == RIGHT
