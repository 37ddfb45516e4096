"""Learning on the landscape: gradients, trust regions, budgets, and that walkers do climb."""

import math

import pytest
import torch

from rlhf_lib.landscape import (
    WalkSettings,
    dice,
    discounted_return,
    kl_of_walks,
    kl_tube,
    learn,
    mean_path,
    means_of,
    same_dice,
    scene,
    step_advantages,
    step_features,
    step_kl,
    step_logp,
    trust_region_step,
    walk,
)
from rlhf_lib.landscape.walker import rewards
from rlhf_lib.objectives import policy_loss, whiten

T = 24


def run(name="trail", **settings):
    land = scene(name)
    return land, learn(
        land.walker,
        land.terrain.altitude,
        land.start,
        WalkSettings(**settings),
        land.terrain.altitude,
    )


@pytest.mark.parametrize(
    "settings",
    (
        {"algorithm": "reinforce"},
        {"algorithm": "ppo"},
        {"algorithm": "kl_penalty", "beta": 0.05},
        {"algorithm": "kl_penalty", "beta": 0.05, "kl_in": "loss"},
        {"algorithm": "kl_constraint"},
    ),
    ids=lambda s: " ".join(map(str, s.values())),
)
def test_all_algorithms_climb(settings):
    _, learned = run(updates=25, **settings)
    gold = learned.history.series("gold")
    assert gold[-1] > gold[0] + 0.7
    assert learned.paths.shape == (26, T + 1, 2) and learned.weights.shape == (26, 81, 2)


@pytest.mark.parametrize("name", ("trail", "mirage"))
@pytest.mark.parametrize("algorithm", ("reinforce", "ppo", "kl_constraint"))
def test_a_tight_tube_stays_and_a_wider_one_climbs_more(name, algorithm):
    gains, budgets = [], (0.003, 0.1, 1.0)
    for budget in budgets:
        land, learned = run(name, algorithm=algorithm, budget=budget, updates=30)
        gold = learned.history.series("gold")
        gains.append(gold[-1] - gold[0])
        walls = kl_tube(land.walker, land.start, T, budget)
        assert not walls.leaving(learned.paths).any()
        assert not walls.leaving(same_dice(learned.walker, land.start, T, 100).shifted).any()
        assert learned.history.last("kl") <= T * budget + 1e-9
    assert gains[0] < 0.2 and gains[0] < gains[1] < gains[2] and gains[2] > 0.4


def test_a_free_walker_leaves_the_tube():
    land, learned = run()
    walls = kl_tube(land.walker, land.start, T, 0.1)
    assert (
        walls.leaving(same_dice(learned.walker, land.start, T, 200).shifted).double().mean() > 0.95
    )


def test_a_kl_penalty_holds_the_walker_the_more_the_larger_beta_is():
    for kl_in, betas in (("reward", (0.0, 0.5, 2.0)), ("loss", (0.0, 1.0, 10.0))):
        kls = [
            run(algorithm="kl_penalty", beta=b, kl_in=kl_in, updates=20)[1].history.last("kl")
            for b in betas
        ]
        assert kls[0] > kls[1] > kls[2]


def test_the_loss_has_the_score_functions_gradient():
    """The gradient that `policy_loss` gives is -E[A grad log pi], written out for linear means."""
    land = scene("trail")
    walker = land.walker.with_weights(0.05 * dice(1, 81, 0)[0])
    walks = walk(walker, land.start, T, 30)
    mask = torch.ones(30, T, dtype=torch.float64)
    advantages = whiten(rewards(land.terrain, walks), mask)
    weights = walker.weights.clone().requires_grad_()
    logp = step_logp(walks.steps, means_of(walker.with_weights(weights), walks), walker.sigma)
    loss, _ = policy_loss(logp, walks.logp, advantages, mask, "reinforce")
    gradient = torch.autograd.grad(loss, weights)[0]
    score = (walks.steps - means_of(walker, walks)) / walker.sigma**2
    by_hand = -torch.einsum(
        "bt,btm,btk->mk", advantages, step_features(walks.states[:, :-1]), score
    )
    torch.testing.assert_close(gradient, by_hand / (30 * T))


def test_the_gradient_points_uphill():
    """A small step against the loss raises the expected return, seen on 2,000 fresh walks."""
    land = scene("trail")
    _, learned = run(updates=1, walks=256)
    before, after = (
        discounted_return(
            rewards(land.terrain, walk(land.walker.with_weights(w), land.start, T, 2000, 9)), 0.95
        ).mean()
        for w in learned.weights
    )
    assert after > before


def test_a_trust_region_step_costs_exactly_its_nats():
    """[LS-9]: the mean KL over the visited states is delta, whatever the gradient."""
    land = scene("trail")
    walks = walk(land.walker, land.start, T, 50)
    features = step_features(walks.states[:, :-1])
    for delta in (0.001, 0.05):
        step = trust_region_step(dice(1, 81, 3)[0], features, land.walker.sigma, delta)
        moved = step_kl(features @ step, torch.zeros_like(features @ step), land.walker.sigma)
        assert moved.mean().item() == pytest.approx(delta)
        assert kl_of_walks(land.walker.with_weights(step), walks).mean().item() == pytest.approx(
            delta
        )


def test_a_trust_region_step_by_hand():
    """[LS-9]: one feature that is always 1, sigma 1, gradient (3, 4): -sqrt(2 delta) (0.6, 0.8)."""
    gradient = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    step = trust_region_step(gradient, torch.ones(7, 1, dtype=torch.float64), 1.0, 0.02)
    assert step.tolist()[0] == pytest.approx([-0.6 * math.sqrt(0.04), -0.8 * math.sqrt(0.04)])


def test_advantages_are_whitened_rewards_to_go_less_the_mean_of_each_step():
    land = scene("trail")
    walks = walk(land.walker, land.start, T, 20)
    settings = WalkSettings()
    got = step_advantages(land.walker, walks, rewards(land.terrain, walks), settings)
    assert got.mean().item() == pytest.approx(0, abs=1e-12)
    assert got.mean(0).abs().max().item() == pytest.approx(0, abs=1e-12)
    assert got.std().item() == pytest.approx(1, abs=1e-6)
    last = rewards(land.terrain, walks)[:, -1]
    ratio = got[:, -1] / (last - last.mean())
    torch.testing.assert_close(ratio, ratio[:1].expand(20))


def test_runs_repeat_and_leave_the_walker_alone():
    land, first = run(updates=3, seed=4)
    _, second = run(updates=3, seed=4)
    assert torch.equal(first.weights, second.weights)
    assert not torch.equal(first.weights, run(updates=3, seed=5)[1].weights)
    assert land.walker.weights.abs().max() == 0
    torch.testing.assert_close(first.paths[0], mean_path(land.walker, land.start, T))
    assert len(first.history.rows) == 4


def test_settings_out_of_range_are_refused():
    for name, value in (
        ("algorithm", "dqn"), ("kl_in", "action"), ("updates", 0), ("walks", 0),
        ("learning_rate", 0.0), ("trust_region", -1.0), ("budget", -0.1), ("beta", -1.0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            WalkSettings(**{name: value})
