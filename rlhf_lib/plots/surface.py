"""Shaded surfaces in three dimensions."""

from __future__ import annotations

import numpy as np

from .style import use_workbook_style

WALKERS = {"baseline": "#4A4A4A", "free": "#D55E00", "tubed": "#009E73", "walk": "#CC3377"}


ALTITUDE, VALUE = "viridis", "cividis"


VIEW = (42, -62)
"""Elevation and azimuth from which terrains are seen, in degrees."""


def scene_3d(columns: int = 1, height: float = 4.0, width: float = 6.4):
    """A figure and its 3-D axes (one, or an array), without panes and with thin ticks."""
    import matplotlib.pyplot as plt

    use_workbook_style()
    fig, axes = plt.subplots(
        1, columns, figsize=(width, height),
        subplot_kw={"projection": "3d", "computed_zorder": False},
    )  # fmt: skip
    fig.subplots_adjust(left=0.0, right=0.97, bottom=0.08, top=0.92, wspace=0.05)
    for axis in np.atleast_1d(axes):
        axis.view_init(*VIEW)
        axis.set_box_aspect((1, 1, 0.42), zoom=1.2)
        axis.grid(False)
        for side in (axis.xaxis, axis.yaxis, axis.zaxis):
            side.pane.set_visible(False)
            side.line.set_color("#BBBBBB")
        axis.tick_params(labelsize=7, pad=-2, colors="#777777")
        axis.set(xlabel="x", ylabel="y", xticks=(-4, 0, 4), yticks=(-4, 0, 4))
        axis.xaxis.labelpad = axis.yaxis.labelpad = -8
    return fig, axes


def draw_grid(axis, xs, ys, heights, cmap: str = ALTITUDE, limits=None, every: int = 6):
    """A shaded surface with a light mesh over heights (ny, nx). Returns the range (low, high)."""
    low, high = limits or (float(heights.min()), float(heights.max()))
    shown = heights.clip(low, high)
    x, y = np.meshgrid(xs, ys)
    axis.plot_surface(
        x, y, shown, facecolors=_shaded(shown, xs, ys, cmap, low, high), rcount=len(ys),
        ccount=len(xs), lw=0, antialiased=False, shade=False, zorder=1,
    )  # fmt: skip
    mesh = {"color": "white", "lw": 0.35, "alpha": 0.4, "zorder": 2}
    axis.plot_wireframe(x, y, shown + 0.008 * (high - low), rstride=every, cstride=every, **mesh)
    axis.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]), zlim=(low, high))
    return low, high


def _shaded(heights, xs, ys, cmap: str, low: float, high: float) -> np.ndarray:
    """Colours (ny, nx, 4) by height, a little darker on slopes that look away from the light."""
    import matplotlib as mpl
    from matplotlib.colors import LightSource

    flat = heights * 0.42 * (xs[-1] - xs[0]) / (high - low)  # as high as it is drawn
    spacing = {"dx": xs[1] - xs[0], "dy": ys[1] - ys[0]}
    shade = LightSource(azdeg=300, altdeg=45).hillshade(flat, **spacing)
    colours = mpl.colormaps[cmap]((heights - low) / (high - low))
    colours[..., :3] *= (0.62 + 0.5 * shade[..., None]).clip(0, 1.12)
    return colours.clip(0, 1)
