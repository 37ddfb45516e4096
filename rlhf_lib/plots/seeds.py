"""What several seeds gave: dots in rows, and bands with a live curve on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .style import COLOURS, CYCLE, figure


def plot_seeds(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    lines: Mapping[str, tuple[float, str]] | None = None,
    height: float | None = None,
):
    """One dot a seed, one row a way, a bar at the median; panels side by side.

    panels: axis label -> name -> values over seeds; all panels have the same names. lines: axis label ->
    (value, text), a dashed line to compare with. Returns the matplotlib figure.

    Raises:
        ValueError: nothing to draw, or panels with different names.
    """
    names = [*next(iter(panels.values()), {})]
    if not names or any([*rows] != names for rows in panels.values()):
        raise ValueError("panels must hold at least one, all with the same names in one order")
    height = height or 0.34 * len(names) + 1.0
    fig, axes = figure(1, len(panels), height=height, sharey=True, squeeze=False)
    for axis, (label, rows) in zip(axes[0], panels.items(), strict=True):
        for place, values in enumerate(rows.values()):
            axis.plot(values, [place] * len(values), "o", ms=5, alpha=0.65, color=CYCLE[0])
            axis.plot([np.median(values)] * 2, [place - 0.3, place + 0.3], color="#222222", lw=2)
        if lines and label in lines:
            _compare(axis, *lines[label])
        axis.set(xlabel=label)
    axes[0][0].set_yticks(range(len(names)), names)
    axes[0][0].invert_yaxis()
    return fig


def _compare(axis, value: float, text: str) -> None:
    """A dashed line at a value, named above the panel."""
    axis.axvline(value, color=COLOURS["neutral"], ls="--", lw=1)
    axis.text(
        value, 1.01, text, color=COLOURS["neutral"], fontsize=8, ha="center", va="bottom",
        transform=axis.get_xaxis_transform(),
    )  # fmt: skip


def draw_band(axis, steps: Sequence[float], band: Mapping, colour: str, label: str | None = None):
    """The lowest to the highest seed, shaded, and the median as a thin line. Returns the axes.

    band: {'low', 'median', 'high'}, as `experiments.stored.band` gives them.
    """
    axis.fill_between(steps, band["low"], band["high"], color=colour, alpha=0.18, lw=0)
    axis.plot(steps, band["median"], color=colour, lw=1, ls="--", label=label)
    return axis
