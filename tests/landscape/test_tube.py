"""The tube: closed form, hand-worked radii, nothing in budget leaves it, and the wall is reached."""

import math

import pytest
import torch

from rlhf_lib.landscape import (
    Trail,
    dice,
    into_budget,
    kl_between,
    kl_of_walks,
    kl_tube,
    mean_path,
    means_of,
    noise_spread,
    resting_walker,
    same_dice,
    sampled_kl,
    scene,
    spending,
    step_features,
    step_kl,
    step_radius,
    tube_mesh,
    tube_radii,
    walk,
    widest_radii,
)
from rlhf_lib.landscape.tube import SCHEDULES, Tube

T, SIGMA = 24, 0.2


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def line(pull, length=T):
    """A walker on a straight trail through the middle of the map, with room on all sides."""
    x = torch.linspace(-2, 2, length + 1, dtype=torch.float64)
    return resting_walker(SIGMA, Trail(torch.stack((x, 0 * x), -1), pull))


def random_weights(seed, size=1.0):
    return size * dice(1, 81, seed)[0]


def test_kl_of_two_steps_by_hand():
    """[LS-7]: means (0.3, 0.4) apart at sigma 0.5: 0.25 / 0.5 = 0.5 nats, either way round."""
    first, second = numbers(0.3, 0.4), numbers(0.0, 0.0)
    assert step_kl(first, second, 0.5).item() == pytest.approx(0.5)
    assert step_kl(second, first, 0.5).item() == pytest.approx(0.5)
    normals = [
        torch.distributions.MultivariateNormal(m, 0.25 * torch.eye(2).double())
        for m in (first, second)
    ]
    assert torch.distributions.kl_divergence(*normals).item() == pytest.approx(0.5)
    assert step_radius(0.5, 0.5) == pytest.approx(0.5)
    assert step_kl(numbers(step_radius(0.07, SIGMA), 0.0), second, SIGMA).item() == pytest.approx(
        0.07
    )


def test_closed_form_kl_is_what_samples_estimate():
    """[LS-7]: within 3 standard errors of the mean log-ratio, over whole walks."""
    land = scene("trail")
    for seed in range(4):
        walker = land.walker.with_weights(random_weights(seed, 0.1))
        walks = walk(walker, land.start, T, 4000, seed)
        exact, drawn = kl_of_walks(walker, walks).sum(1), sampled_kl(walker, walks).sum(1)
        error = float((drawn - exact).std() / math.sqrt(len(drawn)))
        assert abs(float(drawn.mean() - exact.mean())) <= 3 * error
        assert exact.mean() > 0.5


def test_kl_of_walks_is_that_of_the_means_of_walker_and_baseline():
    """[LS-7] with both mean steps written out."""
    land = scene("mirage")
    walker = land.walker.with_weights(random_weights(7, 0.2))
    walks = walk(walker, land.start, T, 8)
    both = [means_of(w, walks) for w in (walker, walker.baseline())]
    torch.testing.assert_close(kl_of_walks(walker, walks), step_kl(*both, walker.sigma))


def test_radii_by_hand():
    """[LS-8]: sigma 0.2, 0.5 nats a step: 0.2 a step; with a pull of 1/2: 0.2, 0.3, 0.35."""
    assert tube_radii(3, 0.5, 0.2).tolist() == pytest.approx([0, 0.2, 0.4, 0.6])
    assert tube_radii(3, 0.5, 0.2, pull=0.5).tolist() == pytest.approx([0, 0.2, 0.3, 0.35])
    assert tube_radii(200, 0.5, 0.2, pull=0.25)[-1].item() == pytest.approx(0.2 / 0.25)
    even = tube_radii(4, 2.0, 0.2, schedule="even")
    torch.testing.assert_close(even, tube_radii(4, 0.5, 0.2))


def test_total_budgets_are_spent_whole_and_bounded_by_the_widest_tube():
    """[LS-8], second part: sigma sqrt(2 E t) by Cauchy-Schwarz, and an even split reaches it at T."""
    for pull in (0.0, 0.3):
        widest = widest_radii(T, 3.0, SIGMA, pull)
        for schedule in SCHEDULES[1:]:
            assert spending(T, 3.0, schedule).sum().item() == pytest.approx(3.0)
            radii = tube_radii(T, 3.0, SIGMA, pull, schedule)
            assert (radii <= widest + 1e-12).all()
    widest = widest_radii(T, 3.0, SIGMA)
    assert widest[9].item() == pytest.approx(SIGMA * math.sqrt(2 * 3.0 * 9))
    even = tube_radii(T, 3.0, SIGMA, schedule="even")
    assert even[T].item() == pytest.approx(widest[T].item())
    early, late = (tube_radii(T, 3.0, SIGMA, schedule=s) for s in ("early", "late"))
    assert (early[1:12] > even[1:12]).all() and (late[1:] < even[1:]).all()
    assert early[T] < even[T]


@pytest.mark.parametrize("pull", (0.0, 0.25, 1.0))
@pytest.mark.parametrize("budget", (0.01, 0.1, 0.5))
def test_no_walker_in_budget_leaves_the_tube(pull, budget):
    """Neither its mean path nor any walk, the dice taken out; nor at the edge of the map."""
    walker = line(pull)
    walls = kl_tube(walker, (-2.0, 0.0), T, budget)
    for seed in range(12):
        weights = into_budget(random_weights(seed, size=1 + 3 * (seed % 3)), budget, SIGMA)
        held = walker.with_weights(weights)
        assert not walls.leaving(mean_path(held, (-2.0, 0.0), T))
        pairs = same_dice(held, (-2.0, 0.0), T, 40, seed)
        assert not walls.leaving(pairs.shifted).any()
        assert kl_of_walks(held, pairs.walks).max() <= budget + 1e-12


@pytest.mark.parametrize("pull", (0.0, 0.25, 1.0))
def test_the_wall_is_reached(pull):
    """The bound is tight: deviating in one direction with the whole budget runs along the wall."""
    walker, budget = line(pull), 0.02
    walls = kl_tube(walker, (-2.0, 0.0), T, budget)
    for angle in (0.3, 2.0, 4.0):
        away = step_radius(budget, SIGMA) * numbers(math.cos(angle), math.sin(angle))
        spender = walker.with_weights(away.expand(81, 2))
        assert step_kl(away, numbers(0, 0), SIGMA).item() == pytest.approx(budget)
        gap = (mean_path(spender, (-2.0, 0.0), T) - walls.path).norm(dim=-1)
        torch.testing.assert_close(gap, walls.radii, rtol=1e-9, atol=1e-9)
        a_bit_more = walker.with_weights(1.01 * away.expand(81, 2))
        assert walls.leaving(mean_path(a_bit_more, (-2.0, 0.0), T))


def test_the_mean_of_sampled_walks_is_inside_too():
    """E[s_t] of the walker less E[s_t] of its baseline, not only the path without dice."""
    land = scene("mirage")
    walls = kl_tube(land.walker, land.start, T, 0.3)
    held = land.walker.with_weights(into_budget(random_weights(4, 3.0), 0.3, SIGMA))
    pairs = same_dice(held, land.start, T, 2000)
    shift = (pairs.walks.states - pairs.baseline.states).mean(0).norm(dim=-1)
    assert (shift <= walls.radii).all()


def test_leavers_are_counted():
    path = torch.zeros(3, 2, dtype=torch.float64)
    walls = Tube(path, numbers(0.0, 1.0, 1.0))
    paths = torch.zeros(3, 3, 2, dtype=torch.float64)
    paths[1, 1, 0], paths[2, 2, 1] = 1.0, -1.1
    assert walls.leaving(paths).tolist() == [False, False, True]
    assert walls.contains(paths)[2].tolist() == [True, True, False]


def test_dice_alone_spread_as_the_formula_says():
    walker = line(0.25)
    walks = walk(walker, (-2.0, 0.0), T, 4000)
    seen = walks.states.std(0)
    expected = noise_spread(T, SIGMA, 0.25)[:, None].expand(-1, 2)
    torch.testing.assert_close(seen, expected, rtol=0.06, atol=1e-9)


def test_bringing_weights_into_budget():
    """[LS-7]: rows within stay, longer ones are shortened to sigma sqrt(2 eps), and so is every step."""
    weights = random_weights(1, 0.1)
    held = into_budget(weights, 0.05, SIGMA)
    limit = step_radius(0.05, SIGMA)
    short = weights.norm(dim=-1) <= limit
    assert short.any() and not short.all()
    assert torch.equal(held[short], weights[short])
    torch.testing.assert_close(
        held[~short].norm(dim=-1), torch.full_like(held[~short][:, 0], limit)
    )
    anywhere = 8 * torch.rand(500, 2, dtype=torch.float64) - 4
    assert (step_features(anywhere) @ held).norm(dim=-1).max() <= limit + 1e-12
    assert torch.equal(
        into_budget(torch.zeros(81, 2).double(), 0.0, SIGMA), torch.zeros(81, 2).double()
    )


def test_the_mesh_is_a_closed_sleeve_on_the_ground():
    land = scene("trail")
    walls = kl_tube(land.walker, land.start, T, 0.1)
    vertices, triangles = tube_mesh(walls, land.terrain, sides=16)
    assert vertices.shape == (25 * 16, 3) and triangles.shape == (2 * 24 * 16, 3)
    assert triangles.max() == len(vertices) - 1 and triangles.min() == 0
    edges = torch.cat((triangles[:, :2], triangles[:, 1:], triangles[:, ::2])).sort(1).values
    counts = edges.unique(dim=0, return_counts=True)[1]
    assert set(counts.tolist()) <= {1, 2} and int((counts == 1).sum()) == 32  # its two ends
    gap = vertices[:, 2] - land.terrain.altitude(vertices[:, :2])
    assert gap.abs().max() <= 0.35 * walls.radii.max() + 1e-9


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        step_kl(torch.zeros(3, 2), torch.zeros(2), 0.2)
    with pytest.raises(ValueError, match="sigma"):
        step_kl(torch.zeros(2), torch.zeros(2), 0.0)
    with pytest.raises(ValueError, match="budget"):
        step_radius(-1.0, 0.2)
    with pytest.raises(ValueError, match="schedule"):
        tube_radii(3, 1.0, 0.2, schedule="never")
    with pytest.raises(ValueError, match="trail"):
        kl_tube(scene("one hill").walker, (0.0, 0.0), 3, 0.1)


def test_kl_between_two_walkers_by_hand():
    """[LS-7]: 0.3 further east on each step, sigma 0.2: 0.09 / 0.08 nats a step; to itself 0."""
    land = scene("trail")
    east = land.walker.with_weights(numbers(0.3, 0.0).expand(81, 2))
    walks = walk(east, land.start, T, 3)
    expected = torch.full((3, T), 0.09 / 0.08, dtype=torch.float64)
    torch.testing.assert_close(kl_between(east, land.walker, walks), expected)
    assert kl_between(east, east, walks).abs().max() == 0
    torch.testing.assert_close(kl_between(east, east.baseline(), walks), kl_of_walks(east, walks))
    with pytest.raises(ValueError, match="sigma"):
        kl_between(east, land.walker.with_sigma(0.3), walks)


@pytest.mark.parametrize("pull", (0.0, 0.25, 1.0))
def test_nats_add_up_whatever_the_pull(pull):
    """[LS-7]: the distance levels off with a pull, the KL of a walk is T eps with any."""
    away = step_radius(0.05, SIGMA) * numbers(0.6, 0.8)
    spender = line(pull).with_weights(away.expand(81, 2))
    total = kl_of_walks(spender, walk(spender, (-2.0, 0.0), T, 5)).sum(1)
    torch.testing.assert_close(total, torch.full((5,), T * 0.05, dtype=torch.float64))


def test_most_walks_of_the_baseline_itself_leave_a_narrow_tube():
    """The tube bounds mean paths; the dice scatter single walks more widely than 0.3 nats reach."""
    land = scene("trail")
    own = walk(land.walker, land.start, T, 500, 1).states
    shares = [kl_tube(land.walker, land.start, T, e).leaving(own).double().mean() for e in (0.3, 3)]
    assert shares[0] > 0.9 and shares[1] < 0.2
