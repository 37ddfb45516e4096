"""The still pictures show what was computed."""

import matplotlib
import numpy as np
import pytest
import torch

from rlhf_lib.landscape import (
    MirageSettings,
    Tube,
    kl_tube,
    noise_spread,
    rose,
    run_mirage,
    scene,
    solve,
    sweep_residuals,
    terrain_from_walks,
    tube_radii,
    walk,
    widest_radii,
)
from rlhf_lib.workbook.ch02_reward_landscape import figures
from rlhf_lib.workbook.ch02_reward_landscape.figures import in_sight

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def drawn(fig):
    """Lay the figure out, as saving would, so that mistakes show up."""
    fig.canvas.draw()
    return fig


@pytest.fixture(scope="module")
def mirage():
    return run_mirage(MirageSettings(updates=3, walks=8))


def test_terrain_carries_paths_and_pins():
    land = scene("one hill")
    path = walk(land.walker, land.start, land.horizon).states[0]
    fig = drawn(figures.plot_terrain(land.terrain, {"a walk": path}, {"start": land.start}))
    axis = fig.axes[0]
    ends = [line.get_data_3d() for line in axis.lines]
    lifted = [np.array(d) for d in ends if len(d[0]) == 6 * land.horizon + 1]
    assert lifted and np.allclose(lifted[0][:2, ::6], path.numpy().T)
    low, high = axis.get_zlim()
    ground = land.terrain.altitude(path).numpy()
    assert np.allclose(lifted[0][2, ::6], ground + 0.025 * (high - low), atol=0.02)
    assert "start" in [text.get_text() for text in axis.texts]


def test_what_stands_behind_a_hill_is_not_in_sight():
    def wall(points):
        return 2.0 * torch.exp(-(points[..., 1] ** 2) / 0.1)

    places = torch.tensor([[0.0, 3.0], [0.0, -3.0]], dtype=torch.float64)
    seen = in_sight(wall, places, torch.zeros(2).double(), view=(20, -90))
    assert seen.tolist() == [False, True]


def test_compass_has_an_arrow_for_each_mean_step():
    land = scene("one hill")
    fig = drawn(figures.plot_compass(land, walk(land.walker, land.start, 5, 3).states, n=7))
    arrows = fig.axes[0].collections[-1]
    assert len(arrows.U) == 49
    assert np.allclose(
        np.stack((arrows.U, arrows.V), 1), land.walker.mean(torch.tensor(arrows.XY)).numpy()
    )


def test_value_is_drawn_beside_reward_with_its_numbers():
    land = scene("swamp ahead")
    value = solve(land.terrain, land.walker, land.horizon, land.gamma)
    fig = drawn(figures.plot_reward_and_value(value, {"A": (-2.0, 1.6)}))
    texts = [text.get_text() for axis in fig.axes for text in axis.texts]
    assert f"A: {value.at((-2.0, 1.6)):.1f}" in texts
    assert f"A: {land.terrain.altitude(torch.tensor([-2.0, 1.6])):.1f}" in texts


def test_rose_has_a_bar_for_each_direction():
    land = scene("two summits")
    value = solve(land.terrain, land.walker, land.horizon, 0.9)
    found = rose(value, land.start)
    fig = drawn(figures.plot_rose(found, value))
    bars = [patch.get_height() for patch in fig.axes[1].patches]
    assert np.allclose(bars, found.advantage.abs().numpy())
    drawn(figures.plot_sweeps({"0.9": sweep_residuals(value)}))


def test_tube_and_radii():
    land = scene("trail")
    walls = kl_tube(land.walker, land.start, land.horizon, 0.2)
    fig = drawn(figures.plot_tube(walls, land.terrain, {"walk": (walls.path, "tubed")}))
    assert {"baseline", "walk"} <= set(fig.axes[0].get_legend_handles_labels()[1])
    radii = tube_radii(24, 0.1, 0.2)
    fig = drawn(figures.plot_radii({"steady": radii}, widest_radii(24, 2.4, 0.2)))
    assert any(np.allclose(line.get_ydata(), radii) for line in fig.axes[0].lines)


def test_mirage_shows_both_rewards_of_both_walkers(mirage):
    fig = drawn(figures.plot_mirage(mirage))
    curves = [line.get_ydata() for axis in fig.axes[2:] for line in axis.lines]
    for run in (mirage.free, mirage.tubed):
        for name in ("proxy", "gold"):
            assert any(
                len(c) == 4 and np.allclose(c, run.history.series(name))
                for c in map(np.asarray, curves)
            )
    assert fig.axes[2].get_ylim() == fig.axes[3].get_ylim()
    fig = drawn(figures.plot_budgets((0.1, None), [mirage.tubed, mirage.free]))
    ends = [mirage.tubed.history.last("gold"), mirage.free.history.last("gold")]
    assert any(
        np.allclose(line.get_ydata(), ends)
        for line in fig.axes[0].lines
        if len(line.get_ydata()) == 2
    )


def test_bands_of_the_stored_seeds_stand_behind_errors_and_budgets(mirage):
    low, high = [0.0, 0.2, 1.0], [0.2, 0.7, 3.0]
    errors = {400: torch.tensor([0.1, 0.5, 2.0])}
    fig = drawn(figures.plot_trust([0, 1, 2], errors, 0.6, {"400": {"low": low, "high": high}}))
    assert fig.axes[0].get_legend_handles_labels()[1] == ["400 comparisons"]
    corners = fig.axes[0].collections[0].get_paths()[0].vertices
    assert {1.0, 3.0} <= set(corners[corners[:, 0] == 2][:, 1])
    ends = {name: {"low": [0.0, -2.0], "high": [1.0, 5.0]} for name in ("gold", "proxy")}
    fig = drawn(figures.plot_budgets((0.1, None), [mirage.tubed, mirage.free], ends))
    assert len(fig.axes[0].collections) == 2
    assert [label.get_text() for label in fig.axes[0].get_xticklabels()] == ["0.1", "no tube"]


def test_fog_shows_tube_and_dice_and_the_share_outside():
    land = scene("trail")
    walls = kl_tube(land.walker, land.start, land.horizon, 0.3)
    fog = Tube(walls.path, 2.45 * noise_spread(land.horizon, 0.2, 0.25))
    own = walk(land.walker, land.start, land.horizon, 5).states
    fig = drawn(figures.plot_fog(land.terrain, walls, fog, own, {0.3: 0.98, 3.0: 0.04}))
    left, right = fig.axes
    assert sum(len(line.get_xdata()) == land.horizon + 1 for line in left.lines) == 5 + 2 + 1
    assert [bar.get_height() for bar in right.patches] == [0.98, 0.04]
    assert {"98%", "4%"} <= {text.get_text() for text in right.texts}


def test_recovered_terrain():
    proxy, found = terrain_from_walks(scene("trail").terrain, 200)
    fig = drawn(figures.plot_recovered(scene("trail").terrain, proxy, found))
    assert f"{found:.3f}" in fig.axes[1].get_title()
