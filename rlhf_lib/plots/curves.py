"""Training curves: any metric of a history, with the band to expect behind it; proxy against gold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

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


def plot_bands(bands: dict[str, tuple], ylabel: str, start: float | None = None, title: str = ""):
    """Several settings over seeds: label -> (low, median, high), a value a step. Returns the figure.

    start: where all of them began, as a dotted line. Labels stand at the ends of the lines.
    """
    fig, axis = figure(1, 1, height=3.6)
    for (_, (low, median, high)), colour in zip(bands.items(), itertools.cycle(CYCLE)):
        axis.fill_between(range(len(low)), low, high, color=colour, alpha=0.15, lw=0)
        axis.plot(median, color=colour, lw=2)
    if start is not None:
        axis.axhline(start, color=COLOURS["neutral"], lw=1, ls=":")
    _label_ends(axis, {name: (len(band[1]) - 1, band[1][-1]) for name, band in bands.items()})
    axis.set(xlabel="step", ylabel=ylabel, title=title)
    return fig


def _label_ends(axis, ends: dict[str, tuple[float, float]]) -> None:
    """Names to the right of where lines end, in the lines' colours, moved apart where they would touch."""
    low, high = axis.get_ylim()
    gap, height = 0.065 * (high - low), -np.inf
    colours = dict(zip(ends, itertools.cycle(CYCLE)))
    for name in sorted(ends, key=lambda name: ends[name][1]):
        x, y = ends[name]
        height = max(y, height + gap)
        axis.annotate(
            name, (x, y), xytext=(1.02, (height - low) / (high - low)), textcoords="axes fraction",
            color=colours[name], va="center", fontsize=8.5,
        )  # fmt: skip


def plot_proxy_and_gold(histories: dict[str, History], start: dict[str, float] | None = None):
    """Proxy (left) and gold (right) against sqrt(KL), one line a run. Returns the figure."""
    fig, (left, right) = figure(1, 2, height=3.4)
    for (label, history), colour in zip(histories.items(), CYCLE, strict=False):
        distance = np.sqrt(np.maximum(smooth(history.series("kl")), 0))
        for axis, name in ((left, "proxy"), (right, "gold")):
            axis.plot(distance, smooth(history.series(name)), color=colour, lw=2, label=label)
    for axis, name in ((left, "proxy"), (right, "gold")):
        if start:
            axis.axhline(start[name], color=COLOURS["neutral"], lw=1, ls=":")
        axis.set(xlabel=DISTANCE, title=LABELS[name])
    right.legend(loc="best")
    return fig


def plot_over_optimization(curves: dict, fits: dict | None = None, title: str = ""):
    """Proxy (dashed) and gold (solid) gained over the start, against sqrt(KL). Returns the figure.

    curves: label -> a `History`, a `BestOfN`, or a dict with lists 'kl', 'proxy' and 'gold'; the first
        value of each is its start. fits: label -> `Curve` of gold's gain, dotted, with its peak marked.
    Source: Gao et al. (2022), figure 1.
    """
    fig, axis = figure(1, 1, height=3.8)
    for (label, run), colour in zip(curves.items(), itertools.cycle(CYCLE)):
        kl, proxy, gold = (_values(run, name) for name in ("kl", "proxy", "gold"))
        distance = np.sqrt(np.maximum(kl, 0))
        axis.plot(
            distance, proxy - proxy[0], color=colour, lw=1.5, ls="--", label=f"{label}: proxy"
        )
        axis.plot(distance, gold - gold[0], color=colour, lw=2.2, label=f"{label}: gold")
        if fits and label in fits:
            _draw_fit(axis, fits[label], distance.max(), colour, label)
    axis.axhline(0, color=COLOURS["neutral"], lw=0.8)
    axis.set(xlabel=DISTANCE, ylabel="gain (gold: points, proxy: sd)", title=title)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def _values(run, name: str) -> np.ndarray:
    """One list of a run, whatever holds it; those of a `History` are noisy and are smoothed."""
    if isinstance(run, History):
        return smooth(run.series(name))
    return np.asarray(run[name] if isinstance(run, dict) else getattr(run, name), dtype=float)


def _draw_fit(axis, fit, farthest: float, colour: str, label: str) -> None:
    d = np.linspace(1e-3, max(farthest, 1e-2), 200)
    axis.plot(d, fit(d), color=colour, lw=1.2, ls=":", label=f"{label}: gold, fitted")
    if fit.peak <= farthest:
        axis.plot([fit.peak], [fit(fit.peak)], "o", color=colour, ms=5)


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


def plot_signs(before: dict[str, float], after: dict[str, dict[str, float]]):
    """Signs of over-optimization per answer at several moments, as grouped bars. Returns the figure."""
    names = [name for name in before if name != "words"]
    moments = {"before": before, **after}
    fig, axis = figure(1, 1, height=4.2)
    thickness = 0.8 / len(moments)
    for place, (label, counts) in enumerate(moments.items()):
        y = np.arange(len(names)) + place * thickness
        axis.barh(y, [counts[n] for n in names], thickness, label=label, color=CYCLE[place])
    axis.set_yticks(np.arange(len(names)) + 0.4 - thickness / 2, names)
    axis.invert_yaxis()
    axis.set_xlabel("per answer")
    axis.legend()
    return fig
