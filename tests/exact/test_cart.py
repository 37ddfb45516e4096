"""The cart: its equations by hand and against gymnasium, rides that end, and a policy that learns to balance."""

import pytest
import torch

from rlhf_lib.exact.cart import (
    EDGE,
    LEAN,
    Rides,
    cart_advantages,
    cart_policy,
    push,
    push_logp,
    ride,
    riding,
    train_cart,
)


def test_a_push_from_rest_by_hand():
    """Upright and at rest: drive = 10 / 1.1, tilt = -drive / (0.5 (4/3 - 0.1/1.1)), thrust = drive - 0.05 tilt / 1.1."""
    drive = 10 / 1.1
    tilt = -drive / (0.5 * (4 / 3 - 0.1 / 1.1))
    thrust = drive - 0.05 * tilt / 1.1
    after = push(torch.zeros(4, dtype=torch.float64), torch.tensor(1.0))
    assert after.tolist() == pytest.approx([0.0, 0.02 * thrust, 0.0, 0.02 * tilt])


def test_left_mirrors_right():
    state = torch.tensor([0.3, -0.2, 0.05, 0.4], dtype=torch.float64)
    right, left = push(state, torch.tensor(1)), push(-state, torch.tensor(0))
    assert torch.allclose(right, -left)


def test_places_move_with_the_old_speeds():
    state = torch.tensor([0.0, 1.0, 0.0, -2.0], dtype=torch.float64)
    after = push(state, torch.tensor(0))
    assert after[0] == pytest.approx(0.02) and after[2] == pytest.approx(-0.04)


def test_equal_to_gymnasium():
    gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")
    cart = gymnasium.make("CartPole-v1").unwrapped
    state, _ = cart.reset(seed=0)
    ours = torch.tensor(state, dtype=torch.float64)
    dice = torch.Generator().manual_seed(0)
    for right in torch.randint(0, 2, (200,), generator=dice).tolist():
        theirs, _, over, _, _ = cart.step(right)
        ours = push(ours, torch.tensor(right))
        assert ours.tolist() == pytest.approx(theirs.tolist(), abs=1e-5)
        assert bool(riding(ours)) != over
        if over:
            state, _ = cart.reset()
            ours = torch.tensor(state, dtype=torch.float64)


def test_where_a_ride_ends():
    states = torch.tensor([[EDGE - 0.01, 0, 0, 0], [EDGE + 0.01, 0, 0, 0], [0, 0, -LEAN - 0.01, 0]])
    assert riding(states).tolist() == [True, False, False]


def test_after_its_end_a_ride_stands_still():
    rides = ride(cart_policy(seed=1), rides=8, steps=120, seed=3)
    assert rides.states.shape == (8, 120, 4) and rides.right.shape == rides.mask.shape == (8, 120)
    for states, mask, steps in zip(
        rides.states, rides.mask, rides.steps.int().tolist(), strict=True
    ):
        assert mask.tolist() == [1.0] * steps + [0.0] * (120 - steps)
        assert riding(states[:steps]).all()
        if steps < 120:
            assert not riding(states[steps]) and torch.equal(states[steps], states[-1])


def test_same_seed_same_rides():
    first, second, other = (ride(cart_policy(seed=2), 4, 50, seed) for seed in (5, 5, 6))
    assert torch.equal(first.states, second.states) and not torch.equal(first.states, other.states)


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match="rides and steps"):
        ride(cart_policy(), rides=0)


def test_probabilities_of_both_pushes_sum_to_one():
    policy, states = cart_policy(seed=3), torch.randn(2, 5, 4)
    right, left = (
        push_logp(policy, Rides(states, torch.full((2, 5), value), torch.ones(2, 5)))
        for value in (1.0, 0.0)
    )
    assert torch.allclose(right.exp() + left.exp(), torch.ones(2, 5))


def test_advantages_by_hand():
    """gamma 0.5, two rides of 2 and 1 steps, one point a step: returns 1.5, 1 and 1; baselines 1.25 and 1;
    so 0.25, 0 and -0.25 before whitening."""
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    found = cart_advantages(torch.ones_like(mask), mask, gamma=0.5)
    assert found[0, 1] == pytest.approx(0, abs=1e-9) and found[1, 1] == 0
    assert found[0, 0] == pytest.approx(-found[1, 0].item()) and found[0, 0] > 0.9


def test_it_learns_to_balance():
    """Rides become at least three times as long."""
    for seed in range(2):
        lengths = train_cart(cart_policy(seed=seed), updates=40, seed=seed)
        assert sum(lengths[-3:]) > 3 * sum(lengths[:3]), lengths
