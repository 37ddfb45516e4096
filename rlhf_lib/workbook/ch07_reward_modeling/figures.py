"""Pictures of reward models: stored runs, calibration, accuracy by category, what they react to."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...evaluation import Calibration, Estimate
from ...plots.seeds import draw_band
from ...plots.style import COLOURS, CYCLE, figure
from .experiments import STEPS_AN_EPOCH
from .faults import FAULTS


def plot_calibration(found: Calibration, axis=None, label: str = "reward model"):
    """Predicted against observed share of wins, with intervals. Returns the figure."""
    if axis is None:
        fig, axis = figure(1, 1, height=3.4, width=4.2)
    else:
        fig = axis.figure
    observed = [e.value for e in found.observed]
    low = [e.value - e.low for e in found.observed]
    high = [e.high - e.value for e in found.observed]
    axis.plot([0, 1], [0, 1], color=COLOURS["neutral"], lw=1, ls=":", label="perfect")
    axis.errorbar(
        found.predicted, observed, (low, high), fmt="o-", ms=4, color=CYCLE[0], label=label
    )
    axis.set(
        xlabel="predicted P(first wins)", ylabel="observed share", xlim=(0, 1), ylim=(0, 1),
        title=f"calibration error {found.error:.3f}",
    )  # fmt: skip
    axis.legend(loc="upper left")
    return fig


def plot_accuracy_bars(groups: dict[str, Estimate], ceiling: float | None = None, title: str = ""):
    """Accuracy with 95% intervals by category; dotted: a coin, dashed: the ceiling. Returns the figure."""
    names = sorted(groups, key=lambda name: groups[name].value)
    fig, axis = figure(1, 1, height=0.28 * len(names) + 1.1)
    values = np.array([groups[n].value for n in names])
    low = values - [groups[n].low for n in names]
    high = [groups[n].high for n in names] - values
    axis.barh(names, values, xerr=(low, high), color=CYCLE[4], error_kw={"lw": 1})
    axis.axvline(0.5, color=COLOURS["neutral"], ls=":", lw=1)
    if ceiling is not None:
        axis.axvline(ceiling, color=COLOURS["gold"], ls="--", lw=1.5)
        axis.text(
            ceiling, 1.0, "ceiling of the labels ", color=COLOURS["gold"], fontsize=8.5,
            ha="right", va="bottom", transform=axis.get_xaxis_transform(),
        )  # fmt: skip
    axis.set(xlim=(0, 1), xlabel="share of pairs ordered as the annotator did")
    axis.set_title(title, loc="left")
    return fig


def plot_effects(
    effects: dict[str, Estimate], title: str = "", xlabel: str = "change of the reward (sd)"
):
    """Mean effect of one change of an answer on its reward, with intervals. Returns the figure."""
    names = sorted(effects, key=lambda name: effects[name].value)
    fig, axis = figure(1, 1, height=0.3 * len(names) + 1.1)
    for row, name in enumerate(names):
        e = effects[name]
        colour = COLOURS["good"] if e.value > 0 else COLOURS["bad"]
        axis.plot([e.low, e.high], [row, row], color=colour, lw=2)
        axis.plot([e.value], [row], "o", color=colour, ms=6)
    axis.set_yticks(range(len(names)), names)
    axis.axvline(0, color=COLOURS["neutral"], lw=1)
    axis.set(xlabel=xlabel, title=title)
    return fig


def plot_held_out(band: Mapping, run: Mapping | None = None, last_epoch: float = 4, ceiling=None):
    """Held-out loss, and accuracy beside confidence, by epoch: all seeds as bands, one run as dots.

    band, run: as the experiment `epochs` gives them (run: its first part will do). Returns the figure.
    """
    fig, axes = figure(1, 2, height=2.9)
    held_out = band["held_out"]
    places = [step / STEPS_AN_EPOCH for step in held_out["step"]]
    shown = [k for k, place in enumerate(places) if place <= last_epoch]
    for axis, name, colour in (
        (axes[0], "loss", CYCLE[0]), (axes[1], "accuracy", CYCLE[0]), (axes[1], "confidence", CYCLE[1]),
    ):  # fmt: skip
        part = {end: [values[k] for k in shown] for end, values in held_out[name].items()}
        draw_band(axis, [places[k] for k in shown], part, colour, f"{name}: stored seeds")
        if run is not None:
            steps = [step / STEPS_AN_EPOCH for step in run["held_out"]["step"]]
            axis.plot(
                steps, run["held_out"][name], "o-", ms=4, color=colour, label=f"{name}: this run"
            )
    axes[0].axhline(math.log(2), ls=":", color="0.5", label="knowing nothing: log 2")
    axes[0].set(xlabel="passes over the data", ylabel="held-out loss (nats)")
    axes[1].set(xlabel="passes over the data", ylabel="share, or probability", ylim=(0.3, 1.0))
    if ceiling is not None:
        axes[1].axhline(
            ceiling, ls="--", color=COLOURS["neutral"], lw=1, label="ceiling of the labels"
        )
    axes[0].legend(fontsize=7.5)
    axes[1].legend(fontsize=7.5, loc="lower right", ncols=2)
    return fig


def plot_faults(band: Mapping, run: Mapping | None = None):
    """Share of right answers that stand above the same answer with a fault, along the first pass."""
    fig, axes = figure(1, len(FAULTS), height=2.4, width=9.0, sharey=True)
    held_out = band["held_out"]
    steps = [step for step in held_out["step"] if step <= STEPS_AN_EPOCH]
    for axis, name, colour in zip(axes, FAULTS, CYCLE, strict=False):
        part = {end: values[: len(steps)] for end, values in held_out[name].items()}
        draw_band(axis, steps, part, colour)
        if run is not None:
            axis.plot(run["held_out"]["step"], run["held_out"][name], "o-", ms=3.5, color=colour)
        axis.axhline(0.5, ls=":", color="0.5")
        axis.set(title=name, xlabel="updates", ylim=(0, 1.04), xticks=(0, 20, 38))
    axes[0].set_ylabel("right answer on top")
    return fig
