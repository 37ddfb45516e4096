"""Figures of chapter 04."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...plots import COLOURS, CYCLE, figure
from .pipeline import Stage
from .profile import CAPABILITIES

REPORTED = {
    "InstructGPT": {"demonstrations": (1e4, 13e3), "prompts ranked": (1e5, 33e3), "RL prompts": (1e5, 31e3)},
    "Tülu 3": {"demonstrations": (1e6, 939_344), "comparisons": (1e6, 271_409), "RL prompts": (1e4, 29_946)},
    "DeepSeek R1": {"cold start": (1e5, 5e3), "rejection sampling": (8e5, 8e5)},
}  # fmt: skip
"""Recipe -> what -> (as the notes or the book round it, as the paper or the data's card counts it). InstructGPT's 33,000
are prompts of which each has 4 to 9 ranked answers. Tülu 3's pairs are those of the 8B model. R1's cold start is
"thousands", drawn at 5,000."""


def plot_profiles(profiles: Mapping[str, Mapping[str, float]]):
    """A row for each model, a column for each capability: the share of requests done. Returns the figure."""
    table = np.array([[row[name] for name in CAPABILITIES] for row in profiles.values()])
    fig, axis = figure(height=0.42 * len(table) + 1.0, width=6.4)
    axis.imshow(table, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        axis.text(
            column,
            row,
            f"{value:.0%}",
            ha="center",
            va="center",
            color="white" if value > 0.75 else "#222222",
        )
    axis.set_xticks(range(len(CAPABILITIES)), list(CAPABILITIES))
    axis.set_yticks(range(len(profiles)), list(profiles))
    axis.xaxis.tick_top()
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return fig


def plot_trajectory(degrees: Sequence[float], heater: Sequence[int], wanted: float):
    """The thermostat's room over time, and when its heater was on. Returns the figure."""
    fig, axis = figure(height=2.2, width=6.4)
    axis.step(
        range(len(degrees)), degrees, where="post", color=COLOURS["gold"], lw=2, label="temperature"
    )
    on = [t for t, action in enumerate(heater) if action]
    axis.plot(
        on, [min(degrees) - 0.7] * len(on), "s", color=COLOURS["proxy"], ms=6, label="heater on"
    )
    axis.axhline(wanted, color="0.4", ls=":", label="wanted")
    axis.set(xlabel="step", ylabel="°C", ylim=(min(degrees) - 1.2, max(degrees) + 0.6))
    fig.legend(loc="outside upper right", ncols=3)
    return fig


def plot_recipes(
    recipes: Mapping[str, Sequence[Stage]], found: Mapping[str, Mapping[str, dict]], named
):
    """A panel for each recipe: the share of requests done after each stage, a line for each capability.

    found: pipeline -> measure -> {'low', 'median', 'high'} over seeds. named: stages -> its name there.
    """
    fig, (axes,) = figure(1, len(recipes), height=3.1, sharey=True, squeeze=False)
    for axis, (title, stages) in zip(axes, recipes.items(), strict=True):
        keys = [named(tuple(stages[:end])) for end in range(len(stages) + 1)]
        for name, colour in zip(CAPABILITIES, CYCLE, strict=False):
            low, median, high = (
                [found[key][name][end] for key in keys] for end in ("low", "median", "high")
            )
            axis.fill_between(range(len(keys)), low, high, color=colour, alpha=0.13, lw=0)
            axis.plot(median, "o-", color=colour, ms=4, lw=2, label=name)
        axis.set_xticks(
            range(len(keys)), ["base", *(stage.name for stage in stages)], rotation=35, ha="right"
        )
        axis.set(title=title, ylim=(0, 1.02))
    axes[0].set_ylabel("share of requests done")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig


def plot_changes(changes: Mapping[str, Mapping[str, Sequence[float]]]):
    """A panel for each stage: what it changed in each capability, a dot for each seed. Returns the figure.

    changes: title -> capability -> the change of each seed (share of requests).
    """
    fig, (axes,) = figure(1, len(changes), height=2.5, sharey=True, sharex=True, squeeze=False)
    for axis, (title, rows) in zip(axes, changes.items(), strict=True):
        for place, (values, colour) in enumerate(zip(rows.values(), CYCLE, strict=False)):
            axis.plot(values, [place] * len(values), "o", ms=5, alpha=0.6, color=colour)
            axis.plot([np.median(values)] * 2, [place - 0.3, place + 0.3], color="#222222", lw=2)
        axis.axvline(0, color="0.4", lw=1, ls=":")
        axis.set(title=title, xlabel="change of the share")
    axes[0].set_yticks(range(len(CAPABILITIES)), list(CAPABILITIES))
    axes[0].invert_yaxis()
    return fig


def plot_sizes():
    """How much data three recipes used: as it is rounded, and as it was counted; logarithmic. Returns the figure."""
    fig, axes = figure(1, len(REPORTED), height=2.2, sharex=True)
    for axis, (title, rows) in zip(axes, REPORTED.items(), strict=True):
        for place, (said, counted) in enumerate(rows.values()):
            axis.plot([said, counted], [place, place], color="0.75", lw=2, zorder=1)
            axis.plot(
                said,
                place,
                "o",
                ms=8,
                mfc="white",
                mec="0.4",
                label="as it is rounded" if not place else None,
            )
            axis.plot(
                counted,
                place,
                "o",
                ms=7,
                color=CYCLE[0],
                label="as it was counted" if not place else None,
            )
        axis.set_yticks(range(len(rows)), list(rows))
        axis.set(
            title=title,
            xscale="log",
            xlim=(2e3, 3e6),
            ylim=(len(rows) - 0.5, -0.5),
            xlabel="examples",
        )
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return fig
