"""The proxy terrain: accurate where it was compared, wrong elsewhere; and what walkers do with it."""

import math

import pytest
import torch

from rlhf_lib.landscape import (
    Comparisons,
    MirageSettings,
    Terrain,
    budget_curve,
    collect_comparisons,
    correlation,
    fit_proxy,
    fit_to_walks,
    hill,
    kl_tube,
    learned_proxy,
    proxy_error,
    random_walks,
    rewards,
    run_mirage,
    scene,
    share_outside,
    terrain_from_walks,
)
from rlhf_lib.landscape.proxy import bump_features, judge, ramp_features

LAND = scene("mirage")
PATH = LAND.walker.trail.points


@pytest.fixture(scope="module")
def seen():
    return run_mirage(MirageSettings(updates=50, walks=48), LAND)


@pytest.mark.parametrize("seed", range(3))
def test_the_proxy_is_right_near_the_path_and_wrong_far_away(seed):
    _, proxy = learned_proxy(MirageSettings(seed=seed), LAND)
    near, edge, far = proxy_error(proxy, LAND.terrain, PATH, (0.0, 0.6, 2.5)).tolist()
    assert near < 0.25 < edge + 0.2
    assert far > 4 * edge and far > 1


def test_more_comparisons_mend_the_proxy_where_they_were_made_and_not_elsewhere():
    errors = {}
    for count in (100, 3000):
        found = [
            proxy_error(learned_proxy(MirageSettings(count, seed=s), LAND)[1], LAND.terrain, PATH, (0.3, 2.5))
            for s in range(4)
        ]  # fmt: skip
        errors[count] = torch.stack(found).mean(0)
    assert errors[3000][0] < 0.7 * errors[100][0]
    assert errors[3000][1] > 1


def test_wide_comparisons_mend_it_everywhere():
    near, wide = (
        proxy_error(
            learned_proxy(MirageSettings(3000, radius=r), LAND)[1], LAND.terrain, PATH, (2.5,)
        )
        for r in (0.6, 5.0)
    )
    assert wide < 0.4 * near


def test_the_free_walker_falls_and_the_tubed_one_does_not(seen):
    free, tubed = seen.free.history, seen.tubed.history
    assert max(free.series("gold")) > free.series("gold")[0] + 0.4
    assert free.last("gold") < 0 < tubed.series("gold")[0] < tubed.last("gold")
    assert free.last("proxy") > tubed.last("proxy")
    assert share_outside(seen.free, seen.scene, seen.tube) > 0.9
    assert share_outside(seen.tubed, seen.scene, seen.tube) == 0


def test_a_kl_penalty_holds_the_free_walker_too():
    held = run_mirage(MirageSettings(updates=50, walks=48, beta=0.3), LAND)
    gold = held.free.history.series("gold")
    assert gold[-1] > gold[0] + 0.3


def test_gold_against_budget_rises_then_falls():
    settings = MirageSettings(updates=50, walks=48)
    proxy = learned_proxy(settings, LAND)[1]
    runs = budget_curve(settings, LAND, proxy.altitude, (0.003, 1.0, None))
    tight, wide, free = (run.history.last("gold") for run in runs)
    assert tight < wide > free
    proxies = [run.history.last("proxy") for run in runs]
    assert proxies == sorted(proxies)


def test_mirages_repeat(seen):
    again = run_mirage(MirageSettings(updates=50, walks=48), LAND)
    assert torch.equal(again.free.weights, seen.free.weights)
    assert torch.equal(again.proxy.weights, seen.proxy.weights)


def test_comparisons_are_near_the_path_and_as_noisy_as_asked():
    compared = collect_comparisons(LAND.terrain, PATH, 4000, 0.4, 0.5, seed=1)
    gap = torch.cdist(torch.cat((compared.first, compared.second)), PATH).amin(1)
    assert gap.max() <= 0.4
    assert (
        LAND.terrain.altitude(compared.chosen) > LAND.terrain.altitude(compared.rejected)
    ).double().mean() > 0.55
    wins = judge(torch.ones(20000).double(), torch.zeros(20000).double(), 0.5, 0).double().mean()
    assert wins.item() == pytest.approx(1 / (1 + math.exp(-2)), abs=0.01)
    sure = judge(torch.ones(50).double(), torch.zeros(50).double(), 0.0, 0)
    assert sure.all()


def test_proxies_know_differences_only():
    compared = collect_comparisons(LAND.terrain, PATH, 200)
    proxy = fit_proxy(compared)
    moved = proxy.level_with(LAND.terrain, PATH)
    assert moved.altitude(PATH).mean().item() == pytest.approx(
        LAND.terrain.altitude(PATH).mean().item()
    )
    shift = moved.altitude(PATH) - proxy.altitude(PATH)
    torch.testing.assert_close(shift, shift[:1].expand_as(shift))


def test_ramps_rise_beyond_the_data_and_bumps_fall_back():
    """A slope that was compared near 0 only: one kind of model goes on rising, the other returns."""
    x = torch.linspace(-0.8, 0.8, 60, dtype=torch.float64)
    slope = torch.stack((x, torch.zeros_like(x)), -1)
    compared = Comparisons(slope[1:], slope[:-1], torch.ones(59, dtype=torch.bool), noise=1.0)
    far, near = torch.tensor([[3.8, 0.0], [0.8, 0.0]], dtype=torch.float64)
    ramps, bumps = fit_proxy(compared, "ramps"), fit_proxy(compared, "bumps")
    assert ramps.altitude(far) > ramps.altitude(near)
    assert bumps.altitude(far) < bumps.altitude(near)
    assert bumps.altitude(far).abs() < 0.3 * bumps.altitude(near)
    assert ramp_features(slope).shape[0] == bump_features(slope).shape[0] == 60


def test_preferences_over_walks_by_hand():
    """[LS-10]: only sums matter. One bump, sums 2 against 1 at certainty: the better walk gains weight."""
    first, second = (random_walks(400, 6, seed) for seed in (1, 2))
    terrain = Terrain((hill(0.5, 0.5, 2.0, 1.0),))
    totals = [rewards(terrain, w).sum(1) for w in (first, second)]
    proxy = fit_to_walks(first, second, totals[0] > totals[1])
    sums = [proxy.altitude(w.states[:, 1:]).sum(1) for w in (first, second)]
    agree = (sums[0] > sums[1]) == (totals[0] > totals[1])
    assert agree.double().mean() > 0.9
    swapped = fit_to_walks(second, first, totals[1] > totals[0])
    torch.testing.assert_close(swapped.weights, proxy.weights)


@pytest.mark.parametrize("name", ("trail", "mirage", "swamp ahead"))
def test_a_terrain_is_recovered_from_comparisons_of_walks(name):
    """Christiano et al. (2017): correlation over the map, and it grows with the number of labels."""
    few, many = (terrain_from_walks(scene(name).terrain, n)[1] for n in (100, 1500))
    assert many > 0.95 > few > 0.3


def test_correlation_does_not_see_constant_and_scale():
    _, proxy = learned_proxy(MirageSettings(200), LAND)
    assert correlation(proxy, LAND.terrain, PATH) == pytest.approx(
        correlation(proxy.level_with(Terrain((), 7.0), PATH), LAND.terrain, PATH)
    )


def test_walls_of_the_mirage_are_those_of_its_budget(seen):
    expected = kl_tube(LAND.walker, LAND.start, LAND.horizon, seen.settings.budget)
    torch.testing.assert_close(seen.tube.radii, expected.radii)


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match="radius"):
        collect_comparisons(LAND.terrain, PATH, 10, 0.0)
