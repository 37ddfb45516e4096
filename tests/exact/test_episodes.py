"""Episodes: their probability and their return by hand; a thermostat; points paid at the end."""

import math

import pytest
import torch

from rlhf_lib.exact.episodes import COLDEST, WARMEST, Episodes, Thermostat, or_else, play, switch


def by_hand() -> Episodes:
    """Two episodes, the second of one step: halves, quarters, and numbers after the end that must not count."""
    half, quarter = math.log(0.5), math.log(0.25)
    return Episodes(
        states=[],
        actions=torch.tensor([[1, 0], [1, 1]]),
        rewards=torch.tensor([[1.0, 2.0], [4.0, 0.0]]),
        mask=torch.tensor([[1.0, 1.0], [1.0, 0.0]]),
        log_start=torch.tensor([half, quarter]),
        log_policy=torch.tensor([[half, half], [quarter, 0.0]]),
        log_world=torch.tensor([[0.0, quarter], [half, 0.0]]),
    )


def test_the_probability_of_an_episode_is_a_product_of_three_kinds_of_factors():
    """[TO-1]: 1/2 · (1/2 · 1) · (1/2 · 1/4) and 1/4 · (1/4 · 1/2)."""
    assert by_hand().logp().exp().tolist() == pytest.approx([1 / 32, 1 / 32])


def test_the_return_discounts_from_the_second_step_on():
    """[TO-2]: 1 + 0.5 · 2 and 4."""
    assert by_hand().returns(0.5).tolist() == pytest.approx([2.0, 4.0])
    assert by_hand().returns().tolist() == pytest.approx([3.0, 4.0])


def test_paid_at_the_end_moves_the_points_and_keeps_their_sum():
    late = by_hand().paid_at_the_end()
    assert late.rewards.tolist() == [[0.0, 3.0], [4.0, 0.0]]
    assert late.returns(0.5).tolist() == pytest.approx([1.5, 4.0])


def test_a_switch_in_a_certain_room_leaves_no_chance_but_the_start():
    played = play(Thermostat(), switch, 50, 12)
    assert played.log_policy.abs().max() == played.log_world.abs().max() == 0
    assert played.logp().exp().tolist() == pytest.approx([1 / 13] * 50)
    settled = torch.stack(played.states, 1)[:, 7:]
    assert settled.min() >= 19 and settled.max() <= 20


def test_draughts_have_the_probability_that_they_say():
    played = play(Thermostat(0.2), switch, 400, 20)
    taken = torch.stack(played.states, 1).diff(dim=1)
    wanted = 2 * played.actions - 1
    inside = (torch.stack(played.states, 1)[:, :-1] > COLDEST) & (
        torch.stack(played.states, 1)[:, :-1] < WARMEST
    )
    went = (taken == wanted)[inside]
    assert went.float().mean() == pytest.approx(0.8, abs=0.02)
    assert torch.equal(played.log_world[inside] > math.log(0.5), went)


def test_a_soft_switch_is_a_policy_with_chance_in_it():
    logp = switch(torch.tensor([18, 19, 20]), sharpness=1.0)
    assert logp.exp().sum(1).tolist() == pytest.approx([1, 1, 1])
    assert logp[1].exp().tolist() == pytest.approx([1 / (1 + math.e**0.5), 1 / (1 + math.e**-0.5)])
    assert switch(torch.tensor([25]), sharpness=0.0).exp().tolist() == [[0.5, 0.5]]


def test_the_same_seed_plays_the_same_episodes():
    first, again, other = (play(Thermostat(0.3), switch, 5, 9, seed) for seed in (1, 1, 2))
    assert torch.equal(first.log_world, again.log_world)
    assert not torch.equal(first.log_world, other.log_world)


def test_nothing_slips_at_chance_zero():
    planned, other = torch.tensor([1, 2]), torch.tensor([3, 4])
    went, logp = or_else(planned, other, 0.0, torch.Generator().manual_seed(0))
    assert torch.equal(went, planned) and logp.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("numbers", [(0, 5), (5, 0)])
def test_no_episode_and_no_step_are_refused(numbers):
    with pytest.raises(ValueError, match="episodes and horizon must be 1 or more"):
        play(Thermostat(), switch, *numbers)
