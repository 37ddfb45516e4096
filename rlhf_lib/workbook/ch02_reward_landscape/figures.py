"""Still pictures of the reward landscape: terrain, compass, value, rose, tube, mirage, plane, tree.

All draw what `rlhf_lib.landscape` computed. Altitude is viridis, value is cividis; a gain is blue
and a loss orange; the baseline is grey, a walker without a tube orange, one in its tube green.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ...landscape import EXTENT, Terrain, Tube, compass, mean_path, surface_of, tube_mesh
from ...plots.style import COLOURS, CYCLE, INK, WIDTH, figure, use_workbook_style
from ...plots.surface import ALTITUDE, VALUE, VIEW, WALKERS, draw_grid, scene_3d


def draw_surface(axis, height_at, n: int = 91, cmap: str = ALTITUDE, limits=None):
    """A shaded surface over the map. height_at: points (..., 2) -> (...). Returns its range."""
    return draw_grid(axis, *(part.numpy() for part in surface_of(height_at, n)), cmap, limits)


def in_sight(height_at, points, heights, view=VIEW, stretch: float = 1.0) -> np.ndarray:
    """Whether points (P, 2) at some heights (P,) are seen from the camera, or a hill is in between.

    stretch: map units that one unit of altitude is drawn as.
    """
    elevation, azimuth = (math.radians(angle) for angle in view)
    reach = torch.linspace(0.15, 2.2 * EXTENT, 90, dtype=torch.float64)
    toward = torch.tensor([math.cos(azimuth), math.sin(azimuth)], dtype=torch.float64)
    ray = points[:, None] + reach[:, None] * toward
    sight = heights[:, None] + reach * math.tan(elevation) / stretch
    blocked = (height_at(ray) > sight) & (ray.abs() <= EXTENT).all(-1)
    return ~blocked.any(1).numpy()


def draw_path(
    axis, height_at, path, colour: str, limits, lw: float = 2.6, label: str | None = None,
    alpha: float = 1.0, ends: bool = False,
):  # fmt: skip
    """A path (T + 1, 2) on a surface; where a hill is in front of it, it is dotted."""
    points = _densely(path)
    low, high = limits
    heights = height_at(points).clamp(low, high)
    seen = in_sight(height_at, points, heights, stretch=0.42 * 2 * EXTENT / (high - low))
    x, y = points.numpy().T
    z = heights.numpy() + 0.025 * (high - low)
    hidden = {"lw": max(0.8, 0.6 * lw), "alpha": 0.9 * alpha, "ls": (0, (1, 1.2)), "zorder": 4}
    axis.plot(x, y, z, color=colour, **hidden)
    front = np.where(seen, z, np.nan)
    if lw > 2:
        axis.plot(x, y, front, color="white", lw=lw + 1.8, alpha=0.85 * alpha, zorder=5)
    axis.plot(x, y, front, color=colour, lw=lw, alpha=alpha, zorder=6, label=label)
    if ends:
        axis.plot(x[-1:], y[-1:], z[-1:], "o", ms=6, color=colour, mec="white", zorder=8)


def _densely(path, per_step: int = 6) -> torch.Tensor:
    """A path with points in between, so that it lies on the ground and does not cut through it."""
    share = torch.linspace(0, 1, per_step + 1, dtype=torch.float64)[:-1, None]
    between = path[:-1, None] * (1 - share) + path[1:, None] * share
    return torch.cat((between.reshape(-1, 2), path[-1:]))


def draw_pin(axis, height_at, point, limits, label: str = "", colour: str = INK) -> None:
    """A pin that stands on a surface at a point (2,)."""
    low, high = limits
    point = torch.as_tensor(point, dtype=torch.float64)
    x, y, z = *point.tolist(), float(height_at(point).clamp(low, high))
    top = z + 0.22 * (high - low)
    axis.plot([x, x], [y, y], [z, top], color=colour, lw=1.5, zorder=9)
    axis.plot([x], [y], [top], "o", color=colour, ms=8, mec="white", mew=1.2, zorder=10)
    if label:
        axis.text(x, y, top + 0.07 * (high - low), label, fontsize=8.5, color=colour, zorder=11,
                  ha="center", bbox={"fc": "white", "ec": "none", "alpha": 0.7, "pad": 1})  # fmt: skip


def plot_terrain(terrain: Terrain, paths=None, pin=None, title: str = ""):
    """The landscape in three dimensions. Returns the figure.

    paths: label -> path (T + 1, 2). pin: a point (2,), or label -> point.
    """
    fig, axis = scene_3d()
    limits = draw_surface(axis, terrain.altitude)
    colours = [WALKERS["walk"], WALKERS["free"], WALKERS["tubed"], WALKERS["baseline"]]
    for (label, path), colour in zip((paths or {}).items(), colours, strict=False):
        draw_path(axis, terrain.altitude, path, colour, limits, label=label, ends=True)
    pins = pin if isinstance(pin, dict) else {} if pin is None else {"": pin}
    for label, point in pins.items():
        draw_pin(axis, terrain.altitude, point, limits, label)
    if paths:
        axis.legend(loc="upper left")
    axis.set_title(title)
    axis.set_zlabel("altitude = reward", labelpad=-4)
    return fig


def draw_map(axis, height_at, n: int = 121, cmap: str = ALTITUDE, levels: int = 14, limits=None):
    """A map seen from above: filled contours with thin lines. Returns the filled contours."""
    xs, ys, heights = (part.numpy() for part in surface_of(height_at, n))
    low, high = limits or (heights.min(), heights.max())
    steps = np.linspace(low, high + 1e-9, levels + 1)
    filled = axis.contourf(xs, ys, heights.clip(low, high), steps, cmap=cmap)
    axis.contour(xs, ys, heights, steps, colors="white", linewidths=0.4, alpha=0.5)
    axis.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), aspect="equal", xlabel="x", ylabel="y")
    axis.grid(False)
    return filled


def plot_compass(scene, walks=None, n: int = 13):
    """The policy as a field of arrows over the map, with walks (B, T + 1, 2) drawn from it. Returns the figure."""
    fig, axis = figure(height=4.6, width=5.6)
    filled = draw_map(axis, scene.terrain.altitude)
    points, steps = (part.numpy() for part in compass(scene.walker, n))
    axis.quiver(*points.T, *steps.T, color="white", angles="xy", scale_units="xy", scale=0.55,
                width=0.0045, headwidth=4.2, zorder=3)  # fmt: skip
    for path in [] if walks is None else walks:
        axis.plot(*path.numpy().T, color=WALKERS["walk"], lw=1.3, alpha=0.85, zorder=4)
    axis.plot(*scene.start.tolist(), "o", ms=9, color=INK, mec="white", zorder=5)
    fig.colorbar(filled, ax=axis, label="altitude = reward", shrink=0.85)
    return fig


def plot_reward_and_value(value, pins=None):
    """Two surfaces over one map: what a place gives at once, and what a walk from it brings. Returns the figure.

    pins: label -> point (2,); the mean path from each is drawn on both.
    """
    fig, axes = scene_3d(2, height=3.7, width=WIDTH + 1.2)
    surfaces = ((value.terrain.altitude, ALTITUDE, "reward: the altitude here"),
                (value.at, VALUE, "value: what a walk from here collects"))  # fmt: skip
    for axis, (height_at, cmap, title) in zip(axes, surfaces, strict=True):
        limits = draw_surface(axis, height_at, 61, cmap)
        for (label, point), colour in zip((pins or {}).items(), ("#B03060", INK), strict=False):
            path = mean_path(value.walker, point, value.horizon)
            draw_path(axis, height_at, path, colour, limits, 2.2)
            number = float(height_at(torch.as_tensor(point, dtype=torch.float64)))
            draw_pin(axis, height_at, point, limits, f"{label}: {number:.1f}", colour)
        axis.set_title(title)
    return fig


def plot_rose(rose, value):
    """First steps around a point: as arrows on the map, and their advantages by direction. Returns the figure."""
    import matplotlib.pyplot as plt

    use_workbook_style()
    fig = plt.figure(figsize=(WIDTH, 3.7), layout="constrained")
    left, right = fig.add_subplot(1, 2, 1), fig.add_subplot(1, 2, 2, projection="polar")
    draw_map(left, value.terrain.altitude)
    _draw_arrows(left, rose)
    left.set_title("the walker and its first steps")
    bars = rose.advantage.numpy()
    right.bar(rose.angles.numpy(), np.abs(bars), width=0.85 * 2 * math.pi / len(bars),
              color=[COLOURS["gold"] if a > 0 else COLOURS["bad"] for a in bars])  # fmt: skip
    right.set_title("advantage of each, A = Q − V")
    right.set_xticks(np.arange(0, 2 * math.pi, math.pi / 2), ["east", "north", "west", "south"])
    right.set_yticks([np.abs(bars).max()], [])
    text = f"V = {rose.value:.2f},  best Q = {float(rose.q.max()):.2f}.  "
    fig.supxlabel(text + "Blue: better than what the policy does; orange: worse.", fontsize=9)
    return fig


def _draw_arrows(axis, rose, length: float = 1.25) -> None:
    """Arrows of one length around the walker, thicker the larger the advantage."""
    start, top = rose.point.tolist(), float(rose.advantage.abs().max())
    for angle, advantage in zip(rose.angles.tolist(), rose.advantage.tolist(), strict=True):
        colour = "#8CCBFF" if advantage > 0 else "#FF9A5A"
        end = (start[0] + length * math.cos(angle), start[1] + length * math.sin(angle))
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 0.7 + 3 * abs(advantage) / top,
                 "shrinkA": 5, "shrinkB": 0}  # fmt: skip
        axis.annotate("", end, start, zorder=5, arrowprops=arrow)
    axis.plot(*start, "o", ms=7, color=INK, mec="white", zorder=6)


def plot_sweeps(changes: dict[str, torch.Tensor]):
    """How much each sweep of dynamic programming still changes, on a log scale. Returns the figure."""
    fig, axis = figure(height=2.8, width=5.6)
    for label, change in changes.items():
        axis.semilogy(np.arange(1, len(change) + 1), change.numpy().clip(1e-17), lw=2, label=label)
    axis.set(xlabel="sweep", ylabel="largest change of V")
    axis.legend()
    return fig


def plot_tube(tube: Tube, terrain: Terrain, paths=None, title: str = ""):
    """The translucent tube around the baseline path. paths: label -> (path (T + 1, 2), colour key). Returns the figure."""
    fig, axis = scene_3d(height=4.6)
    limits = draw_surface(axis, terrain.altitude)
    draw_tube(axis, tube, terrain)
    draw_path(axis, terrain.altitude, tube.path, WALKERS["baseline"], limits, 2.2, "baseline")
    for label, (path, key) in (paths or {}).items():
        many = path if path.ndim == 3 else path[None]
        for i, one in enumerate(many):
            draw_path(axis, terrain.altitude, one, WALKERS[key], limits, 2.4 if len(many) == 1 else 1.0,
                      label if i == 0 else None, 1.0 if len(many) == 1 else 0.6)  # fmt: skip
    axis.legend(loc="upper left")
    axis.set_title(title)
    return fig


def draw_tube(axis, tube: Tube, terrain: Terrain, colour: str = "#FFFFFF") -> None:
    """The tube as a translucent sleeve on the ground, its two walls as lines."""
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    vertices, triangles = tube_mesh(tube, terrain, sides=28)
    upper = triangles[(triangles % 28 < 14).all(1)]
    faces = Poly3DCollection(
        vertices.numpy()[upper.numpy()], facecolor=colour, alpha=0.22, lw=0, zorder=3
    )
    axis.add_collection3d(faces)
    low, high = axis.get_zlim()
    for wall in tube.walls():
        points = _densely(wall)
        heights = terrain.altitude(points)
        seen = in_sight(terrain.altitude, points, heights, stretch=0.42 * 2 * EXTENT / (high - low))
        z = np.where(seen, heights.numpy() + 0.015 * (high - low), np.nan)
        axis.plot(*points.numpy().T, z, color="white", lw=1.1, zorder=4)


def plot_fog(terrain: Terrain, tube: Tube, fog: Tube, walks, outside: dict[float, float]):
    """What a budget bounds and what dice do: a tube, a wider fog around the same path, walks of the baseline. Returns the figure.

    walks (B, T + 1, 2). outside: nats a step -> share of the baseline's walks that leave the tube of that budget.
    """
    fig, (left, right) = figure(1, 2, height=3.6, width=WIDTH + 0.8, width_ratios=(1.3, 1))
    draw_map(left, terrain.altitude)
    one, other = (wall.numpy() for wall in fog.walls())
    cloud = {"facecolor": (1, 1, 1, 0.35), "edgecolor": "0.4", "lw": 0.6}
    left.fill(*np.concatenate((one, other[::-1])).T, **cloud, label="95 of 100 walks")
    for path in walks:
        left.plot(*path.numpy().T, color="white", lw=0.6, alpha=0.6)
    for wall, label in zip(tube.walls(), ("wall of the tube", None), strict=True):
        left.plot(*wall.numpy().T, color=WALKERS["tubed"], lw=2, ls="--", label=label)
    left.plot(*tube.path.numpy().T, color=WALKERS["baseline"], lw=2.2, label="mean path")
    left.set(title="walks of the baseline itself", xlabel="", ylabel="", xticks=[], yticks=[])
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncol=3, fontsize=7.5)
    _draw_shares(right, outside)
    return fig


def _draw_shares(axis, outside: dict[float, float]) -> None:
    places = np.arange(len(outside))
    axis.bar(places, list(outside.values()), color=WALKERS["baseline"])
    for place, share in zip(places, outside.values(), strict=True):
        axis.text(place, share + 0.01, f"{share:.0%}", ha="center", va="bottom", fontsize=8)
    axis.set_xticks(places, [f"{nats:g}" for nats in outside])
    axis.set(xlabel="budget of the tube (nats a step)", ylim=(0, 1.1), yticks=(0, 0.5, 1))
    axis.set_title("share of them that ever leaves")


def plot_radii(radii: dict[str, torch.Tensor], bound: torch.Tensor | None = None):
    """Radii of tubes over the steps: label -> (T + 1,). bound: the most that any split reaches. Returns the figure."""
    fig, axis = figure(height=3.0, width=5.8)
    if bound is not None:
        axis.fill_between(range(len(bound)), bound, color="0.92", lw=0)
        axis.plot(
            bound, color=COLOURS["neutral"], lw=1.2, ls="--", label="reach of the total budget"
        )
    for label, radius in radii.items():
        axis.plot(radius, lw=2.2, label=label)
    axis.set(xlabel="step t", ylabel="radius (map units)", ylim=(0, None))
    axis.legend()
    return fig


def plot_climbs(terrain: Terrain, runs: dict[str, object], tubes: dict[str, Tube] | None = None):
    """Mean paths while walkers learn, pale to dark, one map a run, and their gold. Returns the figure.

    runs: label -> `Learned`. tubes: label -> its tube, drawn as two white walls.
    """
    import matplotlib.pyplot as plt

    use_workbook_style()
    fig = plt.figure(figsize=(WIDTH + 0.8, 5.2), layout="constrained")
    grid = fig.add_gridspec(2, len(runs), height_ratios=(1.35, 1))
    curves = fig.add_subplot(grid[1, :])
    tubes, held = tubes or {}, iter(("#0072B2", WALKERS["tubed"], "#56B4E9", "#CC79A7"))
    for column, (label, learned) in enumerate(runs.items()):
        colour = next(held) if label in tubes else WALKERS["free"]
        axis = fig.add_subplot(grid[0, column])
        draw_map(axis, terrain.altitude)
        for wall in tubes[label].walls() if label in tubes else ():
            axis.plot(*wall.numpy().T, color="white", lw=1.3, ls="--")
        shown = learned.paths[:: max(1, len(learned.paths) // 6)]
        for place, path in enumerate(shown):
            axis.plot(*path.numpy().T, color=plt.cm.OrRd(0.15 + 0.75 * place / len(shown)), lw=1.6)
        axis.set_title(label, color=colour)
        axis.set(xlabel="", ylabel="", xticks=[], yticks=[])
        curves.plot(learned.history.series("gold"), color=colour, lw=2.2, label=label)
    curves.set(xlabel="update", ylabel="mean altitude of a step")
    curves.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def plot_mirage(mirage, band: dict | None = None):
    """Gold and proxy terrain with both walkers on them, and both rewards while they learned. Returns the figure.

    band: 'free' and 'tubed' -> 'gold' -> 'low' and 'high' over several seeds, drawn behind.
    """
    import matplotlib.pyplot as plt

    use_workbook_style()
    fig = plt.figure(figsize=(WIDTH + 1.2, 6.4), layout="constrained")
    grid = fig.add_gridspec(2, 2, height_ratios=(1.75, 1))
    terrain = mirage.scene.terrain
    limits = shared_limits(terrain)
    surfaces = (
        (terrain, "gold: the terrain as it is"),
        (mirage.proxy, "proxy: as the reward model sees it"),
    )
    for column, (surface, title) in enumerate(surfaces):
        axis = fig.add_subplot(grid[0, column], projection="3d", computed_zorder=False)
        _bare(axis)
        draw_surface(axis, surface.altitude, 71, limits=limits)
        _draw_compared(axis, surface, mirage, limits)
        for key, learned in (("free", mirage.free), ("tubed", mirage.tubed)):
            draw_path(axis, surface.altitude, learned.paths[-1], WALKERS[key], limits, ends=True)
        draw_path(axis, surface.altitude, mirage.tube.path, WALKERS["baseline"], limits, 2.0)
        axis.set_title(title)
    for column, (key, learned, title) in enumerate(
        (("free", mirage.free, "without a tube"), ("tubed", mirage.tubed, "inside the tube"))
    ):
        axis = fig.add_subplot(grid[1, column])
        _draw_curves(axis, learned.history, title, WALKERS[key], mirage)
        if band:
            low, high = (band[key]["gold"][end] for end in ("low", "high"))
            axis.fill_between(range(len(low)), low, high, color=COLOURS["gold"], alpha=0.18, lw=0)
    return fig


def shared_limits(terrain: Terrain) -> tuple[float, float]:
    """Range of altitudes to draw gold and proxy with: that of gold, and half as much above."""
    heights = terrain.surface(61)[2]
    low, high = float(heights.min()), float(heights.max())
    return low, high + 0.5 * (high - low)


def _bare(axis) -> None:
    axis.view_init(*VIEW)
    axis.set_box_aspect((1, 1, 0.42), zoom=1.25)
    axis.set_axis_off()


def _draw_compared(axis, surface, mirage, limits) -> None:
    """The compared points, as small dots on the ground."""
    points = torch.cat((mirage.comparisons.first, mirage.comparisons.second))[:500]
    heights = surface.altitude(points).clamp(*limits)
    seen = in_sight(surface.altitude, points, heights, stretch=3.36 / (limits[1] - limits[0]))
    x, y = points.numpy()[seen].T
    z = heights.numpy()[seen] + 0.02
    axis.plot(x, y, z, ".", ms=1.6, color="white", alpha=0.6, zorder=3)


def _draw_curves(axis, history, title: str, colour: str, mirage) -> None:
    for name in ("proxy", "gold"):
        axis.plot(history.series(name), color=COLOURS[name], lw=2.4, label=name)
    every = [
        x
        for run in (mirage.free, mirage.tubed)
        for n in ("proxy", "gold")
        for x in run.history.series(n)
    ]
    room = 0.06 * (max(every) - min(every))
    axis.set(xlabel="update", ylim=(min(every) - room, max(every) + room))
    axis.set_ylabel("mean altitude of a step")
    axis.set_title(title, color=colour)
    axis.axhline(history.series("gold")[0], color=COLOURS["neutral"], lw=0.9, ls=":")
    axis.legend(loc="best")


def plot_budgets(budgets: Sequence[float | None], learned: Sequence, bands: dict | None = None):
    """Proxy and gold at the end against the budget of the tube; None, no tube, stands at the right. Returns the figure.

    bands: 'gold' and 'proxy' -> 'low' and 'high' over the stored seeds, a value a budget, drawn behind.
    """
    fig, axis = figure(height=3.4, width=6.4)
    places = np.arange(len(budgets))
    for name in ("proxy", "gold"):
        if bands:
            band = bands[name]["low"], bands[name]["high"]
            axis.fill_between(places, *band, color=COLOURS[name], alpha=0.18, lw=0)
        ends = [run.history.last(name) for run in learned]
        axis.plot(places, ends, "o-", color=COLOURS[name], lw=2.2, ms=5, label=name)
    start = learned[0].history.series("gold")[0]
    axis.axhline(start, color=COLOURS["neutral"], lw=0.9, ls=":")
    axis.text(0, start, "gold of the baseline", va="top", fontsize=8, color=COLOURS["neutral"])
    axis.set_xticks(places, ["no tube" if b is None else f"{b:g}" for b in budgets])
    axis.set(
        xlabel="KL budget of the tube (nats a step)", ylabel="mean altitude of a step at the end"
    )
    axis.legend(loc="upper left")
    return fig


def plot_trust(distances, errors: dict, radius: float, bands: dict | None = None):
    """Error of the proxy by distance from the path: comparisons -> (len(distances),). Returns the figure.

    bands: comparisons, as text -> 'low' and 'high' over the stored seeds, drawn behind.
    """
    fig, axis = figure(height=3.0, width=6.2)
    axis.axvspan(0, radius, color=COLOURS["good"], alpha=0.12, lw=0)
    for (count, error), colour in zip(errors.items(), CYCLE, strict=False):
        if bands:
            low, high = (bands[str(count)][end] for end in ("low", "high"))
            axis.fill_between(distances, low, high, color=colour, alpha=0.15, lw=0)
        label = f"{count:,} comparisons"
        axis.plot(distances, error, "o-", ms=4, lw=2, color=colour, label=label)
    axis.text(radius / 2, axis.get_ylim()[1] * 0.96, "compared\nhere", ha="center", va="top", fontsize=8,
              color=COLOURS["good"])  # fmt: skip
    axis.set(xlabel="distance from the path", ylabel="error (altitude)", ylim=(0, None))
    axis.legend(loc="upper center")
    return fig


def plot_recovered(terrain: Terrain, proxy, correlation: float):
    """A terrain and what comparisons of walks say about it, each in its own units. Returns the figure."""
    fig, axes = figure(1, 2, height=3.4)
    draw_map(axes[0], terrain.altitude)
    draw_map(axes[1], proxy.altitude)
    axes[0].set_title("the terrain")
    axes[1].set_title(f"from comparisons of walks (r = {correlation:.3f})")
    return fig
