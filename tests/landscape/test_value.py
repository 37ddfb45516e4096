"""Value: dynamic programming against Monte Carlo, by hand, and against another quadrature."""

import math

import pytest
import torch

from rlhf_lib.landscape import (
    SCENES,
    Terrain,
    bellman_residual,
    hill,
    monte_carlo,
    plain,
    quadrature,
    resting_walker,
    rose,
    scene,
    solve,
    sweep_residuals,
    walker_of,
)

STILL = Terrain((), base=2.0)


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def solved(name, **settings):
    land = scene(name)
    return land, solve(land.terrain, land.walker, land.horizon, land.gamma, **settings)


def test_value_on_level_ground_by_hand():
    """[LS-4]: altitude 2 everywhere, gamma 1/2, three steps: 2 + 1 + 1/2."""
    value = solve(STILL, resting_walker(0.3), 3, 0.5, n=33)
    assert value.values[0].flatten().tolist() == pytest.approx([3.5] * 33**2)
    assert value.at((0.3, -1.7)).item() == pytest.approx(3.5)
    assert value.at((0.3, -1.7), t=2).item() == pytest.approx(2.0)
    assert value.at((0.3, -1.7), t=3).item() == 0.0


def test_one_step_on_a_hill_has_a_closed_form():
    """[LS-4]: the mean of a Gaussian hill under a Gaussian step is another Gaussian hill."""
    width, sigma, away = 0.8, 0.3, 0.7
    drift = walker_of(lambda p: torch.zeros_like(p) + numbers(0.2, 0.0), sigma)
    value = solve(Terrain((hill(0.0, 0.0, 2.0, width),)), drift, 1, 1.0)
    wide = width**2 + sigma**2
    exact = 2.0 * (width**2 / wide) * math.exp(-((away + 0.2) ** 2) / (2 * wide))
    assert value.at((away, 0.0)).item() == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize("name", SCENES)
def test_dynamic_programming_agrees_with_monte_carlo(name):
    """At 40 places: as many within 1, 2 and 3 standard errors as for honest errors; and no bias."""
    land, value = solved(name)
    generator = torch.Generator().manual_seed(5)
    places = 3.6 * (2 * torch.rand(40, 2, generator=generator, dtype=torch.float64) - 1)
    z = []
    for seed, place in enumerate(places):
        mean, error = monte_carlo(
            land.terrain, land.walker, place, land.horizon, land.gamma, 600, seed
        )
        z.append((value.at(place).item() - mean) / error)
    z = torch.tensor(z)
    assert (z.abs() <= 3).sum() >= 39
    assert (z.abs() <= 2).sum() >= 34
    assert z.mean().abs() <= 3.5 / math.sqrt(len(z))
    assert 0.6 <= z.std() <= 1.45


def test_half_way_along_a_trail_as_well():
    land, value = solved("trail")
    here = land.walker.trail.points[10] + numbers(0.3, -0.2)
    mean, error = monte_carlo(
        land.terrain, land.walker, here, land.horizon, land.gamma, 4000, 1, t=10
    )
    assert abs(value.at(here, t=10).item() - mean) <= 3 * error


def test_the_bellman_residual_vanishes():
    """[LS-4] with the average over steps taken in another way: nothing is left away from the edge."""
    for name in ("swamp ahead", "trail"):
        _, value = solved(name)
        inside = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)).double() * 5 - 2.5
        for t in (0, 20):
            assert bellman_residual(value, inside, t).abs().max() < 2e-4
        assert bellman_residual(value).abs().max() < 0.05  # at the edge, where V has a kink


def test_the_grid_solves_its_own_equation_to_rounding():
    land, value = solved("swamp ahead")
    from rlhf_lib.landscape.terrain import grid_points

    again = value.at(grid_points(49), 3).view(49, 49)
    torch.testing.assert_close(again, value.values[3], rtol=1e-12, atol=1e-12)


def test_sweeps_settle_as_fast_as_gamma_says():
    land = scene("one hill")
    value = solve(land.terrain, land.walker, 60, 0.8)
    changes = sweep_residuals(value)
    bound = value.terrain.surface(49)[2].abs().max() * 0.8 ** torch.arange(60)
    assert (changes <= bound + 1e-9).all()
    assert changes[-1] < 1e-4


def test_a_finer_grid_changes_nothing_that_matters():
    land, coarse = solved("one hill")
    _, fine = solved("one hill", n=81)
    where = torch.rand(100, 2, generator=torch.Generator().manual_seed(1)).double() * 5 - 2.5
    assert (coarse.at(where) - fine.at(where)).abs().max() < 2e-3


def test_q_by_hand_and_v_as_its_mean():
    """[LS-5] on level ground: 2 + gamma * V of one step fewer. [LS-6]: the mean advantage is 0."""
    value = solve(STILL, resting_walker(0.3), 3, 0.5, n=33)
    assert value.q((0.0, 0.0), (0.5, 0.5)).item() == pytest.approx(2 + 0.5 * 3.0)
    land, value = solved("two summits")
    steps, weights = quadrature(20)
    actions = land.walker.mean(land.start) + land.walker.sigma * steps
    advantages = value.advantage(land.start.expand_as(actions), actions)
    assert advantages.abs().max() > 0.5
    assert (advantages @ weights).item() == pytest.approx(0, abs=1e-3)


def test_q_is_what_walks_with_that_first_step_collect():
    land, value = solved("two summits")
    step = numbers(0.4, 0.1)
    after, error = monte_carlo(
        land.terrain, land.walker, land.start + step, land.horizon, land.gamma, 4000, 3, t=1
    )
    first = land.terrain.altitude(land.start + step).item()
    q = value.q(land.start, step).item()
    assert abs(q - (first + land.gamma * after)) <= 3 * land.gamma * error


def test_the_rose_turns_with_gamma():
    """A short-sighted walker wants the near summit, a far-sighted one the far one."""
    land = scene("two summits")
    best = {
        gamma: rose(solve(land.terrain, land.walker, land.horizon, gamma), land.start)
        for gamma in (0.6, 0.95)
    }
    west, east = (best[g].ends[best[g].best, 0] - land.start[0] for g in (0.6, 0.95))
    assert west < 0 < east
    assert best[0.95].advantage.max() > 0 > best[0.95].advantage.min()
    torch.testing.assert_close(best[0.95].advantage, best[0.95].q - best[0.95].value)


def test_value_is_not_altitude():
    """High ground with a swamp ahead is worth less than a hollow with a mountain ahead."""
    land, value = solved("swamp ahead")
    height, hollow = numbers(-2.0, 1.6), numbers(-2.0, -1.7)
    assert land.terrain.altitude(height) > 1 > 0 > land.terrain.altitude(hollow)
    assert value.at(height) < 0 < 5 < value.at(hollow)


def test_noise_costs_on_a_ridge():
    land = scene("ridge")
    found = [
        solve(land.terrain, land.walker.with_sigma(s), land.horizon, land.gamma).at(land.start)
        for s in (0.12, 0.2, 0.35)
    ]
    assert found[0] > found[1] > found[2]


def test_the_plain_has_no_reward_nearby_but_value():
    land, value = solved("plain")
    assert land.terrain.altitude(land.start).abs() < 1e-6
    assert land.terrain.gradient(land.start).norm() < 1e-6
    assert value.at(land.start) > 1


def test_quadrature_has_the_moments_of_a_normal():
    points, weights = quadrature(8)
    assert weights.sum().item() == pytest.approx(1)
    assert (points**2 * weights[:, None]).sum(0).tolist() == pytest.approx([1, 1])
    assert (points**4 * weights[:, None]).sum(0).tolist() == pytest.approx([3, 3])


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="horizon"):
        solve(STILL, resting_walker(), 0)
    with pytest.raises(ValueError, match="gamma"):
        solve(STILL, resting_walker(), 3, 1.2)
    with pytest.raises(ValueError, match="n is too small"):
        solve(STILL, resting_walker(0.1), 3, n=21)
    with pytest.raises(ValueError, match="n must"):
        monte_carlo(STILL, resting_walker(), (0.0, 0.0), 3, n=1)
    with pytest.raises(ValueError, match="directions"):
        rose(solve(Terrain((plain(0, 0, 1, 1),)), resting_walker(), 2), (0.0, 0.0), directions=1)
