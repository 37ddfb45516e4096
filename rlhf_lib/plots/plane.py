"""The plane through three checkpoints of a run: gold as a terrain, proxy and KL as maps."""

from __future__ import annotations

import numpy as np
import torch

from .style import COLOURS, INK, WIDTH, use_workbook_style
from .surface import WALKERS, draw_grid


def plot_plane(plane):
    """The plane through three checkpoints: gold as a terrain, proxy and KL as maps. Returns the figure.

    The line is the real run, drawn at the gold that its own weights have. Ground far below the SFT
    policy is cut off flat.
    """
    import matplotlib.pyplot as plt

    use_workbook_style()
    fig = plt.figure(figsize=(WIDTH + 0.8, 7.2))
    axis = fig.add_axes((-0.02, 0.35, 1.0, 0.64), projection="3d", computed_zorder=False)
    _draw_plane_terrain(axis, plane)
    for place, name, cmap, title in (
        ((0.08, 0.06, 0.36, 0.25), "proxy", "plasma", "proxy (sd of SFT answers)"),
        ((0.58, 0.06, 0.36, 0.25), "kl", "cividis", "KL to the SFT policy (nats)"),
    ):
        _draw_plane_map(fig, fig.add_axes(place), plane, name, cmap, title)
    return fig


def plane_floor(plane) -> float:
    """Gold below which the terrain of a plane is cut off: five times the gain below the SFT policy."""
    sft, peak = (plane.checkpoints[name]["gold"] for name in ("SFT", "gold peak"))
    return max(float(plane.gold.min()), sft - 5 * abs(peak - sft))


def finer(plane, name: str = "gold", times: int = 8):
    """(a, b, values) of a plane's measure on a finer grid, bicubic between the measured points."""
    table = getattr(plane, name)
    rows, columns = (times * (n - 1) + 1 for n in table.shape)
    values = torch.nn.functional.interpolate(
        table[None, None], size=(rows, columns), mode="bicubic", align_corners=True
    )[0, 0]
    a, b = (
        np.linspace(float(x[0]), float(x[-1]), n) for x, n in ((plane.a, columns), (plane.b, rows))
    )
    return a, b, values.numpy()


MARKS = {"SFT": (INK, "SFT"), "gold peak": (COLOURS["gold"], "RL, where gold peaks"),
         "over-optimized": (COLOURS["bad"], "over-optimized")}  # fmt: skip


def _draw_plane_terrain(axis, plane) -> None:
    a, b, gold = finer(plane)
    low, high = draw_grid(axis, a, b, gold, limits=(plane_floor(plane), float(gold.max())), every=8)
    run = sorted(plane.path, key=lambda row: row["step"])
    x, y, z = (np.array([row[k] for row in run]) for k in ("a", "b", "gold"))
    z = z.clip(low, high) + 0.03 * (high - low)
    axis.plot(x, y, z, color="white", lw=4.5, zorder=5)
    axis.plot(x, y, z, color=WALKERS["walk"], lw=2.4, zorder=6)
    for name, (colour, label) in MARKS.items():
        _draw_mark(axis, plane.checkpoints[name], label, colour, low, high)
    axis.view_init(36, -68)
    axis.invert_yaxis()  # so that the run walks toward us
    axis.set_box_aspect((1, 0.9, 0.45), zoom=1.22)
    axis.set(xticks=(0, 1), yticks=(0, 1))
    axis.set_xlabel("a: from SFT to the peak", fontsize=8.5, labelpad=-6)
    axis.set_ylabel("b: aside", fontsize=8.5, labelpad=-6)
    axis.set_zlabel("gold (points)", fontsize=8.5)
    axis.tick_params(labelsize=7.5, pad=-1, colors="#777777")
    axis.grid(False)
    for side in (axis.xaxis, axis.yaxis, axis.zaxis):
        side.pane.set_visible(False)
        side.line.set_color("#BBBBBB")


def _draw_mark(axis, at: dict, label: str, colour: str, low: float, high: float) -> None:
    """A pin with a flag that says which checkpoint it is and its gold."""
    foot = float(np.clip(at["gold"], low, high)) + 0.03 * (high - low)
    top = foot + 0.26 * (high - low)
    axis.plot([at["a"]] * 2, [at["b"]] * 2, [foot, top], color=colour, lw=1.6, zorder=8)
    axis.plot([at["a"]], [at["b"]], [foot], "o", ms=6, color=colour, mec="white", zorder=9)
    box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
    axis.text(at["a"], at["b"], top, f"{label}\ngold {at['gold']:+.2f}", fontsize=8.5, color=colour,
              ha="right" if at["b"] > 0.5 else "center", va="bottom", zorder=11, bbox=box)  # fmt: skip


def _draw_plane_map(fig, axis, plane, name: str, cmap: str, title: str) -> None:
    a, b, values = finer(plane, name)
    filled = axis.contourf(a, b, values, 14, cmap=cmap)
    axis.contour(a, b, values, 14, colors="white", linewidths=0.4, alpha=0.5)
    run = sorted(plane.path, key=lambda row: row["step"])
    axis.plot([r["a"] for r in run], [r["b"] for r in run], color="white", lw=3)
    axis.plot([r["a"] for r in run], [r["b"] for r in run], color=WALKERS["walk"], lw=1.8)
    for key, (colour, _) in MARKS.items():
        at = plane.checkpoints[key]
        axis.plot(at["a"], at["b"], "o", ms=7, color=colour, mec="white", zorder=5)
    axis.set(xlabel="a", ylabel="b")
    axis.set_title(title, fontsize=9.5)
    axis.grid(False)
    fig.colorbar(filled, ax=axis, shrink=0.95)
