"""Training curves: any metric of a history, with the band to expect behind it; proxy against gold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..evaluation import smooth
from ..training import History
from .style import COLOURS, CYCLE, figure

LABELS = {
    "proxy": "proxy reward (sd of SFT answers)",
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


def plot_history(
    history: History, names: Sequence[str], bands: dict | None = None, title: str = ""
):
    """Small multiples of metrics over steps; thin: as logged, thick: mean over five steps.

    bands: metric -> (low, high) lists a step, drawn grey behind: what five seeds gave.
    Returns the matplotlib figure.
    """
    fig, axes = figure(1, len(names), width=2.9 * max(2, len(names)), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        values = np.array(history.series(name))
        if bands and name in bands:
            low, high = bands[name]
            axis.fill_between(range(len(low)), low, high, color="0.85", lw=0, label="five seeds")
        colour = COLOURS.get(name, CYCLE[0])
        axis.plot(values, color=colour, alpha=0.3, lw=1)
        axis.plot(smooth(values), color=colour, lw=2)
        axis.set(title=LABELS.get(name, name), xlabel="step")
    if bands and any(name in bands for name in names):
        axes[0][0].legend(loc="best")
    if title:
        fig.suptitle(title, fontsize=11)
    return fig


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
        axis.set(xlabel="distance from the SFT policy, √KL (√nats)", title=LABELS[name])
    right.legend(loc="best")
    return fig


def plot_rise_and_fall(
    proxy, gold, distance=None, band: dict | None = None, peak: int | None = None
):
    """Proxy and gold of one run over steps (or over `distance`), two axes, one picture.

    band: {'proxy': (low, high), 'gold': (low, high)} from several seeds. Returns the figure.
    """
    fig, axis = figure(1, 1, height=3.6, width=7.2)
    twin = axis.twinx()
    twin.grid(False)
    x = np.arange(len(proxy)) if distance is None else np.asarray(distance)
    for panel, values, name in ((axis, gold, "gold"), (twin, proxy, "proxy")):
        colour = COLOURS[name]
        if band:
            low, high = band[name]
            panel.fill_between(np.arange(len(low)), low, high, color=colour, alpha=0.15, lw=0)
        panel.plot(x, values, color=colour, lw=1, alpha=0.3)
        panel.plot(x, smooth(values), color=colour, lw=2.5)
        panel.set_ylabel(LABELS[name], color=colour)
        panel.tick_params(axis="y", colors=colour)
        panel.spines["right" if panel is twin else "left"].set_visible(True)
    if peak is not None:
        axis.axvline(x[peak], color=COLOURS["gold"], ls="--", lw=1)
        axis.annotate("gold peaks", (x[peak], axis.get_ylim()[0]), xytext=(4, 6),
                      textcoords="offset points", fontsize=8.5, color=COLOURS["gold"])  # fmt: skip
    axis.set_xlabel("training step" if distance is None else "√KL (√nats)")
    return fig


def plot_signs(before: dict[str, float], after: dict[str, dict[str, float]]):
    """Signs of over-optimization per answer at several moments, as grouped bars. Returns the figure."""
    names = [name for name in before if name != "words"]
    moments = {"before": before, **after}
    fig, axis = figure(1, 1, height=4.2, width=7.6)
    thickness = 0.8 / len(moments)
    for place, (label, counts) in enumerate(moments.items()):
        y = np.arange(len(names)) + place * thickness
        axis.barh(y, [counts[n] for n in names], thickness, label=label, color=CYCLE[place])
    axis.set_yticks(np.arange(len(names)) + 0.4 - thickness / 2, names)
    axis.invert_yaxis()
    axis.set_xlabel("per answer")
    axis.legend()
    return fig
