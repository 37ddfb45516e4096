"""Training curves: any metric of a history, with the band to expect behind it; proxy against gold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ..evaluation import smooth
from ..training import History
from .style import COLOURS, CYCLE, figure

LABELS = {
    "proxy": "proxy (what is trained on)",
    "gold": "gold utility (points)",
    "kl": "KL to the reference (nats)",
    "length": "length (tokens)",
    "entropy": "entropy (nats per token)",
    "clip_fraction": "clipped tokens (share)",
    "grad_norm": "gradient norm",
    "ratio_max": "largest ratio",
    "loss": "loss (nats)",
    "accuracy": "accuracy (share)",
    "zero_variance_groups": "groups without a signal (share)",
    "finished": "finished answers (share)",
}

RISE_LABELS = {
    "proxy": "proxy: what is trained on (sd of SFT answers)",
    "gold": "gold: what is wanted (points)",
    "kl": "KL to the SFT policy (nats)",
}

DISTANCE = "distance from the SFT policy, √KL (√nats)"


def plot_history(
    history: History, names: Sequence[str], bands: dict | None = None, title: str = ""
):
    """Small multiples of metrics over steps; thin: as logged, thick: mean over five rows that have it.

    bands: metric -> (low, high) or (low, median, high), a value a step or one for each row that has the
    metric, drawn grey behind: what five seeds gave. At most three panels a row. Returns the matplotlib figure.

    Raises:
        KeyError: a metric that the history does not have.
    """
    columns = min(len(names), 3) if len(names) != 4 else 2
    rows = -(-len(names) // columns)
    fig, axes = figure(rows, columns, height=2.3, width=min(7.5, 3.5 * columns), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        values, colour = history.series(name), COLOURS.get(name, CYCLE[0])
        steps = [row["step"] for row in history.rows if name in row]
        if bands and name in bands:
            _draw_band(axis, bands[name], "0.55", "five seeds", steps)
        axis.plot(steps, values, color=colour, alpha=0.3, lw=1)
        axis.plot(steps, smooth(values), color=colour, lw=2)
        axis.set(title=LABELS.get(name, name), xlabel="step")
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    if bands and names[0] in bands:
        axes[0][0].legend(loc="best")
    fig.suptitle(title)
    return fig


def _draw_band(axis, band, colour: str, label: str, steps: Sequence[float] = ()) -> None:
    """A shaded band, at `steps` if it has as many values; its median, if it has one, as a thin line."""
    low, high = band[0], band[-1]
    places = steps if len(steps) == len(low) else range(len(low))
    axis.fill_between(places, low, high, color=colour, alpha=0.25, lw=0, label=label)
    if len(band) == 3:
        axis.plot(places, band[1], color=colour, lw=1, ls="--")


def plot_rise_and_fall(runs: dict[str, dict], band: dict | None = None, names=("proxy", "gold")):
    """Curves over steps, one panel a metric, stacked: each has its own scale. Returns the figure.

    runs: label -> {"step": [...], metric: [...]}, drawn as measured, with a dot for each look. band: the same
    of stored seeds, {"step": [...], metric: {"low", "median", "high"}}, pale behind; its median is dashed. The
    scale is that of runs and median: what the band has far below is cut off.
    """
    fig, axes = figure(len(names), 1, height=2.3, width=6.4, sharex=True, squeeze=False)
    for axis, name in zip(axes[:, 0], names, strict=True):
        if band:
            ends = [band[name][end] for end in ("low", "median", "high")]
            _draw_band(axis, ends, COLOURS[name], "stored seeds", band["step"])
        for (label, run), style in zip(runs.items(), itertools.cycle(("o-", "s--", "^:"))):
            axis.plot(run["step"], run[name], style, color=COLOURS[name], ms=4, lw=2, label=label)
        axis.set_title(RISE_LABELS.get(name, LABELS.get(name, name)), loc="left")
        _fit_scale(axis, [run[name] for run in runs.values()], band[name] if band else None)
    axes[-1, 0].set_xlabel("training step")
    axes[0, 0].legend(loc="best")
    return fig


def _fit_scale(axis, curves: Sequence[Sequence[float]], band: dict | None) -> None:
    """Limits that show the curves, and of the band all but what lies far below its median."""
    values = [value for curve in curves for value in curve]
    values += [*band["median"], *band["high"]] if band else []
    low, high = min(values), max(values)
    room = 0.12 * (high - low)
    axis.set_ylim(low - room, high + room)
