"""Terrain, walker and returns, on numbers worked out by hand."""

import math

import pytest
import torch

from rlhf_lib.landscape import (
    EXTENT,
    SCENES,
    Feature,
    Terrain,
    Trail,
    Walker,
    compass,
    dice,
    discounted_return,
    false_summit,
    hill,
    mean_path,
    means_of,
    plain,
    resting_walker,
    rewards,
    ridge,
    scene,
    step_features,
    step_logp,
    swamp,
    walk,
    walker_of,
)

FEATURES = {
    "hill": hill(0.5, -0.3, 2.0, 0.8),
    "swamp": swamp(-1.0, 0.4, 1.5, 1.1),
    "ridge": ridge((-2.0, -1.0), (1.0, 1.5), 1.2, 0.6),
    "plain": plain(0.2, 0.1, 0.7, 1.4),
    "false summit": false_summit(0.0, 1.0, 1.0, 0.9),
}


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def points(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return EXTENT * (2 * torch.rand(n, 2, generator=generator, dtype=torch.float64) - 1)


@pytest.mark.parametrize("name", FEATURES)
def test_gradients_are_those_of_finite_differences(name):
    terrain, where, small = Terrain((FEATURES[name],), base=0.3), points(300), 1e-6
    for axis in range(2):
        nudge = torch.zeros(2, dtype=torch.float64)
        nudge[axis] = small
        slope = (terrain.altitude(where + nudge) - terrain.altitude(where - nudge)) / (2 * small)
        torch.testing.assert_close(terrain.gradient(where)[:, axis], slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", SCENES)
def test_gradients_of_whole_scenes(name):
    terrain, where = scene(name).terrain, points(200, seed=1).requires_grad_()
    slope = torch.autograd.grad(terrain.altitude(where).sum(), where)[0]
    torch.testing.assert_close(terrain.gradient(where.detach()), slope, rtol=1e-9, atol=1e-9)


def test_altitudes_of_features_by_hand():
    """[LS-1] at the top, at one width's distance, and off the end of a ridge."""
    top, side = numbers(0.5, -0.3), numbers(0.5, -0.3 + 0.8)
    assert FEATURES["hill"].altitude(top).item() == pytest.approx(2.0)
    assert FEATURES["hill"].altitude(side).item() == pytest.approx(2 * math.exp(-0.5))
    assert FEATURES["swamp"].altitude(numbers(-1.0, 0.4)).item() == pytest.approx(-1.5)
    crest = ridge((0.0, 0.0), (1.0, 0.0), 1.0, 0.5)
    assert crest.altitude(numbers(0.7, 0.0)).item() == pytest.approx(1.0)
    assert crest.altitude(numbers(1.5, 0.0)).item() == pytest.approx(math.exp(-0.5))
    assert plain(0, 0, 1.0, 1.0).altitude(numbers(0.5, 0.0)).item() == pytest.approx(
        math.exp(-(0.125**3))
    )
    peak = false_summit(0, 0, 1.0, 1.0)
    assert peak.altitude(numbers(2.0, 0.0)).item() == pytest.approx(-math.exp(-2))


def test_terrains_add_up_and_surfaces_have_rows_of_y():
    both = Terrain((FEATURES["hill"], FEATURES["swamp"]), base=0.5)
    where = points(20)
    total = 0.5 + FEATURES["hill"].altitude(where) + FEATURES["swamp"].altitude(where)
    torch.testing.assert_close(both.altitude(where), total)
    xs, ys, heights = both.surface(17)
    assert heights[3, 11] == both.altitude(torch.stack((xs[11], ys[3])))


def test_features_and_points_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="kind"):
        Feature("volcano", 1.0, (0, 0), (0, 0), 1.0)
    with pytest.raises(ValueError, match="width"):
        hill(0, 0, 1, 0)
    with pytest.raises(ValueError, match="points"):
        Terrain(()).altitude(torch.zeros(3))
    with pytest.raises(ValueError, match="no scene"):
        scene("volcano")


def test_step_features_are_weights_of_a_mean():
    features = step_features(points(100))
    assert (features > 0).all()
    torch.testing.assert_close(features.sum(-1), torch.ones(100, dtype=torch.float64))
    assert resting_walker().weights.shape == (features.shape[-1], 2)


def test_log_probability_of_a_step_by_hand():
    """[LS-2]: a step one sigma off in x and exact in y."""
    logp = step_logp(numbers(0.5, 0.1), numbers(0.3, 0.1), 0.2)
    assert logp.item() == pytest.approx(-0.5 - math.log(2 * math.pi * 0.04))
    normal = torch.distributions.Normal(numbers(0.3, 0.1), 0.2)
    assert logp.item() == pytest.approx(normal.log_prob(numbers(0.5, 0.1)).sum().item())


def test_walks_keep_the_probabilities_of_what_they_drew():
    land = scene("trail")
    walker = land.walker.with_weights(0.1 * dice(1, len(land.walker.weights), 3)[0])
    walks = walk(walker, land.start, 10, 5, seed=2)
    expected = step_logp(walks.steps, means_of(walker, walks), walker.sigma)
    torch.testing.assert_close(walks.logp, expected)
    torch.testing.assert_close(
        (walks.states[:, :-1] + walks.steps).clamp(-EXTENT, EXTENT), walks.states[:, 1:]
    )
    again = walk(walker, land.start, 10, 5, seed=2)
    assert torch.equal(walks.states, again.states)


def test_the_edge_of_the_map_is_a_wall():
    east = walker_of(lambda p: torch.ones_like(p) * numbers(1.0, 0.0), sigma=0.1)
    walks = walk(east, (3.5, 0.0), 5, 20)
    assert walks.states.abs().max() <= EXTENT
    assert (walks.states[:, -1, 0] > EXTENT - 0.5).all()


def test_a_trail_without_dice_is_followed_exactly():
    land = scene("mirage")
    path = mean_path(land.walker, land.start, land.horizon)
    torch.testing.assert_close(path, land.walker.trail.points)
    off = Trail(torch.zeros(3, 2, dtype=torch.float64), pull=0.25)
    assert off.step(numbers(1.0, -2.0), 1).tolist() == [-0.25, 0.5]


def test_returns_by_hand():
    """[LS-3]: 1 + 2 / 2 + 4 / 4 = 3; rewards are those of the points stepped onto, [LS-1]."""
    assert discounted_return(numbers(1.0, 2.0, 4.0), 0.5).item() == pytest.approx(3.0)
    land = scene("one hill")
    walks = walk(land.walker, land.start, 4, 3)
    expected = land.terrain.altitude(walks.states[:, 1:])
    torch.testing.assert_close(rewards(land.terrain, walks), expected)
    with pytest.raises(ValueError, match="gamma"):
        discounted_return(numbers(1.0), 1.5)


def test_walkers_and_trails_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="weights"):
        Walker(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="sigma"):
        resting_walker(0.0)
    with pytest.raises(ValueError, match="pull"):
        Trail(torch.zeros(3, 2), pull=2.0)
    with pytest.raises(ValueError, match="horizon"):
        walk(resting_walker(), (0.0, 0.0), 0)


def test_the_compass_shows_mean_steps():
    land = scene("one hill")
    where, arrows = compass(land.walker, 7)
    assert where.shape == arrows.shape == (49, 2)
    torch.testing.assert_close(arrows, land.walker.mean(where))


@pytest.mark.parametrize("name", SCENES)
def test_scenes_say_what_they_show_and_stay_on_the_map(name):
    land = scene(name)
    assert land.name == name and len(land.point) > 20
    assert mean_path(land.walker, land.start, land.horizon).abs().max() < EXTENT
