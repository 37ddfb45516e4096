"""Algorithms in the exact world: unbiased, at rest at the optimum, and as far from it as they should be."""

import itertools
import math

import pytest
import torch

from rlhf_lib.exact import (
    ExactSettings,
    ExactWorld,
    TabularPolicy,
    as_preferences,
    best_of_n_policy,
    comparison_probabilities,
    draw,
    draw_comparisons,
    exact_world,
    table_of,
    train_exact,
)
from rlhf_lib.exact.training import ALGORITHMS, ModelTable, _loss_of
from rlhf_lib.objectives import dpo_loss
from rlhf_lib.training import DirectSettings


def small_world(rows=2, answers=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logp = torch.randn(rows, answers, generator=generator, dtype=torch.float64).log_softmax(-1)
    rewards = torch.randn(rows, answers, generator=generator, dtype=torch.float64)
    texts = [[f"answer {k} to {row}" for k in range(answers)] for row in range(rows)]
    return ExactWorld([f"request {row}" for row in range(rows)], texts, logp, rewards, rewards)


EXACT = small_world()


def gradient(table, exact, settings, seed=0):
    """The gradient (N, K) of one step's loss."""
    table.zero_grad()
    _loss_of(table, exact, settings, torch.Generator().manual_seed(seed))().backward()
    return table.logits.grad.clone()


def test_comparison_probabilities_by_hand():
    """Halves, rewards log 3 and 0: either answer against itself 1/4, the pair 1/2 split 3 to 1."""
    exact = ExactWorld(
        ["?"], [["a", "b"]], torch.zeros(1, 2).double().log_softmax(-1),
        torch.tensor([[math.log(3), 0.0]]).double(), torch.zeros(1, 2).double(),
    )  # fmt: skip
    expected = torch.tensor([[[0.25, 0.375], [0.125, 0.25]]], dtype=torch.float64)
    torch.testing.assert_close(comparison_probabilities(exact), expected)
    uniform = comparison_probabilities(EXACT, "uniform")
    torch.testing.assert_close(uniform.sum((1, 2)), torch.ones(2).double())
    torch.testing.assert_close(uniform + uniform.mT, torch.full_like(uniform, 2 / 16))


@pytest.mark.parametrize("writer", ["reference", "uniform"])
def test_drawn_comparisons_come_as_often_as_they_should(writer):
    count, n = 40_000, 4
    chosen, rejected = draw_comparisons(EXACT, count, writer, torch.Generator().manual_seed(1))
    wanted = comparison_probabilities(EXACT, writer)
    for row, i, j in itertools.product(range(2), range(n), range(n)):
        share = ((chosen[row] == i) & (rejected[row] == j)).double().mean()
        p = wanted[row, i, j]
        assert abs(share - p) < 4 * (p * (1 - p) / count) ** 0.5 + 1e-9, (row, i, j)


def test_draws_follow_the_policy():
    index = draw(EXACT.ref_logp, 40_000, torch.Generator().manual_seed(2))
    share = torch.stack([(index == k).double().mean(1) for k in range(4)], 1)
    p = EXACT.ref_logp.exp()
    assert bool(((share - p).abs() < 4 * (p * (1 - p) / 40_000).sqrt()).all())


def test_the_expected_loss_is_the_sum_over_all_comparisons():
    table = TabularPolicy(small_world(seed=5).ref_logp)
    found = _loss_of(table, EXACT, ExactSettings(algorithm="dpo", beta=0.7), None)()
    logp, ref, weights = table.table(), EXACT.ref_logp, comparison_probabilities(EXACT)
    by_hand = sum(
        weights[row, i, j] * dpo_loss(*(x[row, k][None] for x in (logp, ref) for k in (i, j)), 0.7)
        for row, i, j in itertools.product(range(2), range(4), range(4))
    )
    torch.testing.assert_close(found, by_hand / 2)


@pytest.mark.parametrize("algorithm", ["policy_gradient", "dpo", "rebel"])
@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_the_optimum_is_where_these_algorithms_come_to_rest(algorithm, beta):
    table = TabularPolicy(EXACT.optimum(beta))
    settings = ExactSettings(algorithm=algorithm, beta=beta)
    assert gradient(table, EXACT, settings).abs().max() < 1e-12
    elsewhere = TabularPolicy(EXACT.ref_logp)
    assert gradient(elsewhere, EXACT, settings).abs().max() > 1e-4


@pytest.mark.parametrize("algorithm", ["ipo", "cdpo", "simpo", "apo_down", "best_of_n"])
def test_the_others_rest_elsewhere(algorithm):
    """They have other optima, which is no bug: the chapter compares them."""
    table = TabularPolicy(EXACT.optimum(0.3))
    assert gradient(table, EXACT, ExactSettings(algorithm=algorithm)).abs().max() > 1e-4


@pytest.mark.parametrize("algorithm", ["policy_gradient", "dpo", "ipo", "rebel"])
def test_sampled_gradients_are_unbiased(algorithm):
    """The mean of 3,000 sampled gradients, within 4 of its standard errors of the exact one."""
    table = TabularPolicy(small_world(seed=3).ref_logp)
    exact = gradient(table, EXACT, ExactSettings(algorithm=algorithm))
    settings = ExactSettings(algorithm=algorithm, samples=4)
    found = torch.stack([gradient(table, EXACT, settings, seed) for seed in range(3000)])
    error = found.std(0) / len(found) ** 0.5
    assert bool(((found.mean(0) - exact).abs() < 4 * error).all())


def test_sampled_best_of_n_imitates_the_exact_distribution():
    table = TabularPolicy(EXACT.ref_logp)
    exact = gradient(table, EXACT, ExactSettings(algorithm="best_of_n", n=3))
    settings = ExactSettings(algorithm="best_of_n", n=3, samples=2000)
    torch.testing.assert_close(gradient(table, EXACT, settings), exact, atol=0.02, rtol=0)


@pytest.mark.parametrize("algorithm", ["policy_gradient", "dpo", "rebel"])
def test_without_sampling_these_algorithms_reach_the_optimum(algorithm):
    table = TabularPolicy(EXACT.ref_logp)
    settings = ExactSettings(algorithm=algorithm, beta=0.4, steps=800, measure_every=100)
    history = train_exact(table, EXACT, settings)
    assert history.series("reverse_kl")[0] > 0.1
    assert history.last("reverse_kl") < 2e-3 and history.last("forward_kl") < 2e-3
    torch.testing.assert_close(
        table.table().detach().exp(), EXACT.optimum(0.4).exp(), atol=0.02, rtol=0
    )


def test_best_of_n_training_ends_at_the_best_of_n_policy():
    table = TabularPolicy(EXACT.ref_logp)
    train_exact(table, EXACT, ExactSettings(algorithm="best_of_n", n=4, steps=300))
    torch.testing.assert_close(
        table.table().detach().exp(), best_of_n_policy(EXACT.ref_logp, EXACT.rewards, 4).exp(),
        atol=5e-3, rtol=0,
    )  # fmt: skip


def test_a_few_comparisons_used_again_and_again_lead_away_from_the_optimum():
    """On every seed they end far from where unlimited data do; on nearly every one they were nearer before."""
    turned_away = []
    for seed in range(8):
        exact = small_world(rows=4, answers=30, seed=seed)
        ends = {}
        for comparisons in (40, None):
            settings = ExactSettings(algorithm="dpo", comparisons=comparisons, steps=400, seed=seed)
            ends[comparisons] = train_exact(TabularPolicy(exact.ref_logp), exact, settings)
        few, unlimited = (ends[count].series("reverse_kl") for count in (40, None))
        assert few[-1] > 5 * unlimited[-1]
        turned_away.append(few[-1] > 1.1 * min(few))
    assert sum(turned_away) >= 7


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_runs_raises_the_reward_and_repeats(algorithm):
    runs = []
    for _ in range(2):
        table = TabularPolicy(EXACT.ref_logp)
        settings = ExactSettings(algorithm=algorithm, steps=40, samples=32, seed=4)
        runs.append(train_exact(table, EXACT, settings))
    assert runs[0].stopped is None and len(runs[0].rows) == 5
    assert runs[0].series("kl") == runs[1].series("kl")
    assert runs[0].last("reward") > runs[0].series("reward")[0] or algorithm == "apo_down"


def test_other_settings_of_a_direct_loss_are_taken():
    kept = ExactSettings(algorithm="simpo", direct=DirectSettings(gamma=2.0, beta=9.0))
    assert (kept.direct.gamma, kept.direct.beta, kept.direct.loss) == (2.0, 0.3, "simpo")


@pytest.fixture(scope="module")
def listed(world):
    return world.prompts(2, ("fact", "opinion"), seed=6)


def test_a_model_as_a_table(world, listed, tiny):
    """`pick` is the table up to a constant of each request, also in its gradient."""
    exact = exact_world(world, listed, tiny, size=12)
    table = ModelTable(tiny, exact)
    torch.testing.assert_close(table.table().detach(), table_of(tiny, exact), atol=1e-5, rtol=0)
    index = torch.tensor([[0, 5, 11, 5], [3, 3, 7, 1]])
    gap = table.pick(index) - table.start_mass - table.table().gather(1, index)
    torch.testing.assert_close(gap, torch.zeros_like(gap), atol=1e-5, rtol=0)
    assert table.lengths(index)[0, 1] == len(tiny.tokenizer.encode(exact.texts[0][5])) + 1
    weights = torch.tensor([[1.0, -2.0, 0.5, 0.5], [0.1, 0.2, -0.4, 0.1]]).double()
    grads = []
    for logp in (table.pick(index), table.table().gather(1, index)):
        (weights * logp).sum().backward()
        grads.append([p.grad.clone() for p in table.parameters()])
        tiny.model.zero_grad()
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("algorithm", "samples"),
    [("policy_gradient", None), ("policy_gradient", 8), ("dpo", 16), ("kto", 16), ("orpo", 16)],
)
def test_a_real_decoder_is_trained_and_measured_alike(world, listed, tiny, algorithm, samples):
    exact = exact_world(world, listed, tiny, size=12)
    settings = ExactSettings(
        algorithm=algorithm, samples=samples, steps=30, learning_rate=3e-3, measure_every=10
    )
    history = train_exact(tiny, exact, settings)
    assert [row["step"] for row in history.rows] == [0, 10, 20, 30]
    assert history.last("reward") > history.series("reward")[0]
    assert history.series("kl")[0] == pytest.approx(0, abs=1e-9)
    if algorithm != "orpo":  # without a reference nothing pulls it to this optimum
        assert history.last("reverse_kl") < 0.8 * history.series("reverse_kl")[0]


def test_comparisons_as_preferences():
    chosen, rejected = torch.tensor([[0, 1], [2, 3]]), torch.tensor([[1, 1], [0, 2]])
    found = as_preferences(EXACT, chosen, rejected)
    assert [(p.prompt, p.chosen, p.rejected) for p in found] == [
        ("request 0", "answer 0 to 0", "answer 1 to 0"),
        ("request 1", "answer 2 to 1", "answer 0 to 1"),
        ("request 1", "answer 3 to 1", "answer 2 to 1"),
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"algorithm": "ppo"}, "algorithm must be one of"),
        ({"beta": 0}, "beta must be positive"),
        ({"samples": 1}, "samples must be 2 or more"),
        ({"samples": 0}, "samples must be positive"),
        ({"comparisons": -1}, "comparisons must be positive"),
        ({"drawn_from": "policy"}, "drawn_from must be"),
    ],
)
def test_wrong_settings_are_named(changes, named):
    with pytest.raises(ValueError, match=named):
        ExactSettings(**changes)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="must have the world's shape"):
        train_exact(TabularPolicy(torch.zeros(1, 4)), EXACT)
    with pytest.raises(ValueError, match="drawn_from must be"):
        draw_comparisons(EXACT, 3, "policy")
