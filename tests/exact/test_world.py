"""The exact world: closed forms by hand, against brute force, and against samples."""

import itertools
import math

import pytest
import torch

from rlhf_lib.evaluation import best_of_n
from rlhf_lib.exact import (
    best_of_n_exact_kl,
    best_of_n_policy,
    coverage,
    exact_world,
    expected,
    log_partition,
    optimal_policy,
    regularized_value,
    table_of,
)
from rlhf_lib.objectives import best_of_n_kl, exact_kl

HALVES = torch.tensor([0.5, 0.5], dtype=torch.float64).log()
LOG3 = torch.tensor([math.log(3), 0.0], dtype=torch.float64)


def random_table(seed, rows=3, answers=6, ties=False):
    generator = torch.Generator().manual_seed(seed)
    logp = torch.randn(rows, answers, generator=generator, dtype=torch.float64).log_softmax(-1)
    rewards = torch.randn(rows, answers, generator=generator, dtype=torch.float64)
    return logp, rewards.round() if ties else rewards


def test_the_optimal_policy_by_hand():
    """[OPT-1]: halves and rewards log 3, 0 at beta 1: weights 3/2 and 1/2, so 3/4 and 1/4."""
    found = optimal_policy(HALVES, LOG3, beta=1.0).exp()
    torch.testing.assert_close(found, torch.tensor([0.75, 0.25], dtype=torch.float64))
    # beta 1/2 squares the odds: 9 to 1
    assert optimal_policy(HALVES, LOG3, 0.5).exp()[0].item() == pytest.approx(0.9)


def test_the_partition_function_by_hand():
    """[OPT-2]: Z = 3/2 + 1/2 = 2; the value of the optimum is beta log 2."""
    assert log_partition(HALVES, LOG3, 1.0).item() == pytest.approx(math.log(2))
    best = optimal_policy(HALVES, LOG3, 1.0)
    by_hand = 0.75 * math.log(3) - (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert by_hand == pytest.approx(math.log(2))
    assert regularized_value(best, HALVES, LOG3, 1.0).item() == pytest.approx(by_hand)


def test_the_value_of_any_policy_by_hand():
    """[OPT-3]: the reference itself earns log(3) / 2 = log 2 - KL(halves || 3/4, 1/4)."""
    value = regularized_value(HALVES, HALVES, LOG3, 1.0).item()
    distance = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert value == pytest.approx(math.log(3) / 2)
    assert value == pytest.approx(math.log(2) - distance)


@pytest.mark.parametrize("beta", [0.05, 0.3, 2.0])
def test_distance_to_the_optimum_is_all_that_a_policy_lacks(beta):
    """beta log Z - value = beta KL(policy || pi*), for policies of all kinds; none does better."""
    ref_logp, rewards = random_table(0)
    best = optimal_policy(ref_logp, rewards, beta)
    top = beta * log_partition(ref_logp, rewards, beta)
    for seed in range(5):
        logp, _ = random_table(seed + 1)
        value = regularized_value(logp, ref_logp, rewards, beta)
        torch.testing.assert_close(top - value, beta * exact_kl(logp, best))
        assert bool((value < top).all())
        near = (best + 0.01 * torch.randn_like(best)).log_softmax(-1)
        assert bool((regularized_value(near, ref_logp, rewards, beta) <= top + 1e-12).all())


def test_the_optimum_is_where_the_gradient_vanishes():
    ref_logp, rewards = random_table(2)
    logits = optimal_policy(ref_logp, rewards, 0.3).requires_grad_()
    regularized_value(logits.log_softmax(-1), ref_logp, rewards, 0.3).sum().backward()
    assert logits.grad.abs().max() < 1e-12


def test_extreme_betas_give_the_reference_and_the_best_answer():
    ref_logp, rewards = random_table(3)
    torch.testing.assert_close(optimal_policy(ref_logp, rewards, 1e9), ref_logp)
    greedy = optimal_policy(ref_logp, rewards, 1e-4)
    assert torch.equal(greedy.argmax(-1), rewards.argmax(-1))
    assert bool(torch.isfinite(log_partition(ref_logp, 1e4 * rewards, 1e-4)).all())
    shifted = optimal_policy(ref_logp, rewards + 7, 0.3)
    torch.testing.assert_close(shifted, optimal_policy(ref_logp, rewards, 0.3))


def test_best_of_two_by_hand():
    """[OPT-4]: probabilities 0.5, 0.3, 0.2 and rewards 0, 1, 2: the best of two is 2 with 1 - 0.8^2."""
    logp = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()
    rewards = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    found = best_of_n_policy(logp, rewards, 2).exp().tolist()
    assert found == pytest.approx([0.25, 0.64 - 0.25, 1 - 0.64])
    # with the upper two tied they share 1 - 0.5^2 as 3 to 2
    tied = best_of_n_policy(logp, rewards.clamp(max=1), 2).exp().tolist()
    assert tied == pytest.approx([0.25, 0.45, 0.30])


def brute_force_best(logp, rewards, n):
    """Every n-tuple of draws, the winner shared among the tuple's best places."""
    found = torch.zeros_like(logp)
    for draws in itertools.product(range(len(logp)), repeat=n):
        probability = logp[list(draws)].sum().exp()
        top = max(rewards[k] for k in draws)
        winners = [k for k in draws if rewards[k] == top]
        for k in winners:
            found[k] += probability / len(winners)
    return found


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_best_of_n_is_the_sum_over_all_tuples(n, ties):
    logp, rewards = random_table(5, rows=1, answers=5, ties=ties)
    found = best_of_n_policy(logp, rewards, n)[0].exp()
    torch.testing.assert_close(found, brute_force_best(logp[0], rewards[0], n))


def test_best_of_n_with_an_answer_that_cannot_be_drawn():
    logp = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64).log()
    found = best_of_n_policy(logp, torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64), 3).exp()
    assert found.tolist() == pytest.approx([1 / 8, 7 / 8, 0.0])


def test_best_of_n_stays_exact_for_large_n_and_rare_answers():
    """P(never drawn in n) = (1 - p)^n; small probabilities must not be lost to rounding."""
    logp = torch.tensor([1 - 1e-9, 1e-9], dtype=torch.float64).log()
    found = best_of_n_policy(logp, torch.tensor([0.0, 1.0], dtype=torch.float64), 1000).exp()
    assert found[1].item() == pytest.approx(1e-6, rel=1e-5)
    table, rewards = random_table(6)
    assert torch.allclose(best_of_n_policy(table, rewards, 10_000).exp().sum(-1), table.new_ones(3))


def test_best_of_n_kl_by_hand():
    """[OPT-5]: halves, n = 2: the better one with 3/4: KL = 3/4 log 3/2 + 1/4 log 1/2."""
    by_hand = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert best_of_n_exact_kl(HALVES, LOG3, 2).item() == pytest.approx(by_hand)
    assert best_of_n_exact_kl(HALVES, torch.zeros(2).double(), 2).item() == pytest.approx(0)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5, 30, 1000])
def test_best_of_n_kl_is_at_most_the_formula(n, ties):
    for seed in range(5):
        logp, rewards = random_table(seed, rows=4, answers=12, ties=ties)
        kl = best_of_n_exact_kl(logp, rewards, n)
        assert bool((kl <= best_of_n_kl(n) + 1e-12).all()) and bool((kl >= -1e-12).all())


def test_best_of_n_kl_reaches_the_formula_where_answers_are_rare_and_never_tie():
    rewards = torch.arange(5000, dtype=torch.float64)
    logp = torch.zeros_like(rewards).log_softmax(-1)
    for n in (2, 8, 32):
        assert best_of_n_exact_kl(logp, rewards, n).item() == pytest.approx(
            best_of_n_kl(n), abs=5e-3
        )


def test_the_estimator_of_best_of_n_agrees_with_the_exact_distribution():
    """`best_of_n` from 16 samples is unbiased: within 3 standard errors, with ties in the proxy."""
    logp, proxy = random_table(8, rows=1, answers=9, ties=True)
    gold = random_table(9, rows=1, answers=9)[1]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(logp.exp().expand(4000, -1), 16, True, generator=generator)
    for n in (2, 8):
        exact = best_of_n_policy(logp, proxy, n)
        singles = [best_of_n(proxy[0][row][None], gold[0][row][None], [n]) for row in drawn[:1500]]
        for name, values in (("proxy", proxy), ("gold", gold)):
            found = torch.tensor([getattr(one, name)[0] for one in singles])
            error = found.std() / len(found) ** 0.5
            assert abs(found.mean() - expected(exact, values).item()) < 3 * error


@pytest.fixture(scope="module")
def small(world, pocket):
    prompts = world.prompts(3, ("fact", "unsafe"), seed=5)
    return exact_world(world, prompts, pocket, size=40)


def test_an_exact_world_holds_gold_and_the_models_own_probabilities(world, pocket, small):
    assert small.ref_logp.shape == small.rewards.shape == (3, 40)
    assert torch.equal(small.rewards, small.gold)
    prompt, text = small.prompts[1], small.texts[1][7]
    assert small.gold[1, 7].item() == pytest.approx(world.gold(prompt, text), abs=1e-6)
    rollout = pocket.encode_completions([prompt] * 40, small.texts[1])
    logp = pocket.logprobs(rollout).sum(1).detach().double()
    torch.testing.assert_close(small.ref_logp[1], logp.log_softmax(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(coverage(pocket, small)[1], logp.exp().sum(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(table_of(pocket, small), small.ref_logp)


def test_measurements_by_their_definitions(small):
    start, best = small.measure(small.ref_logp, 0.3), small.measure(small.optimum(0.3), 0.3)
    assert start["kl"] == pytest.approx(0) and best["gap"] == pytest.approx(0, abs=1e-12)
    assert best["reverse_kl"] == pytest.approx(0, abs=1e-12)
    assert start["gap"] == pytest.approx(0.3 * start["reverse_kl"])
    assert start["value"] == pytest.approx(start["reward"])
    assert start["reward"] < best["value"] < best["reward"]
    by_hand = (small.optimum(0.3).exp() * (small.optimum(0.3) - small.ref_logp)).sum(-1).mean()
    assert start["forward_kl"] == pytest.approx(by_hand.item())
    assert best["kl"] == pytest.approx(by_hand.item())
    flat = small.measure(torch.zeros(3, 40), 0.3)
    assert flat["entropy"] == pytest.approx(math.log(40))


def test_another_reward_and_a_uniform_reference(world):
    prompts = world.prompts(2, ("sum",), seed=1)
    exact = exact_world(world, prompts, size=10, reward=lambda r: [len(text) for text in r.texts])
    assert exact.rewards[0, 3].item() == len(exact.texts[0][3])
    assert exact.ref_logp.exp().flatten().tolist() == pytest.approx([0.1] * 20)
    assert not torch.equal(exact.rewards, exact.gold)
    again = exact.with_rewards(exact.gold)
    assert torch.equal(again.rewards, exact.gold) and again.texts == exact.texts


def test_the_likeliest_answers_come_first(small):
    rows = small.likeliest(small.ref_logp, row=2, count=4)
    assert [p for p, _, _ in rows] == sorted((p for p, _, _ in rows), reverse=True)
    assert rows[0][0] == pytest.approx(small.ref_logp[2].exp().max().item())
    assert rows[0][2] in small.texts[2]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: optimal_policy(HALVES, LOG3, 0.0), "beta must be positive"),
        (lambda: log_partition(HALVES, LOG3[:1], 1.0), "rewards must have the policy's shape"),
        (lambda: regularized_value(HALVES, HALVES, LOG3, -1.0), "beta must be 0 or more"),
        (lambda: regularized_value(HALVES, HALVES[:1], LOG3, 1.0), "ref_logp must have"),
        (lambda: best_of_n_policy(HALVES, LOG3, 0.5), "n must be 1 or more"),
        (lambda: best_of_n_exact_kl(HALVES, LOG3[:1], 2), "rewards must have"),
    ],
)
def test_wrong_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_a_world_without_requests_is_refused(world):
    with pytest.raises(ValueError, match="prompts must hold"):
        exact_world(world, [])
