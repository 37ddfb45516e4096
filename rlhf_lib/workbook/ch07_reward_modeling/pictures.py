"""The chapter's pictures of its stored runs: epochs, and the order in which faults are learned."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...plots import COLOURS, CYCLE, figure
from ...plots.seeds import draw_band
from .experiments import STEPS_AN_EPOCH
from .faults import FAULTS


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
