"""Pictures of chapter 05: coefficients, spending, questions, crowds, and which data teach what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...evaluation import Estimate
from ...plots.seeds import draw_band
from ...plots.style import COLOURS, CYCLE, figure


def plot_writing_and_choosing(golds: Mapping[str, Sequence[float]]):
    """Mean gold of what the same hurried people write, pick from two and pick from four, with 95% intervals."""
    fig, axis = figure(height=2.3, width=6.2)
    names, means = list(golds), [float(np.mean(v)) for v in golds.values()]
    errors = [1.96 * float(np.std(v)) / len(v) ** 0.5 for v in golds.values()]
    axis.barh(names, means, xerr=errors, color=[CYCLE[4], CYCLE[0], CYCLE[0]], error_kw={"lw": 1})
    axis.axvline(0, color=COLOURS["neutral"], lw=1)
    axis.invert_yaxis()
    axis.set(xlabel="gold of the answer (points)")
    return fig


def plot_coefficients(found: Mapping[str, Estimate], title: str = ""):
    """Each look's weight with its 95% interval, in log-odds a unit. Returns the figure."""
    fig, axis = figure(height=0.27 * len(found) + 1.0, width=6.6)
    for place, estimate in enumerate(found.values()):
        clear = estimate.low > 0 or estimate.high < 0
        colour = CYCLE[0] if clear else COLOURS["neutral"]
        axis.plot([estimate.low, estimate.high], [place] * 2, color=colour, lw=2, alpha=0.6)
        axis.plot(estimate.value, place, "o", color=colour, ms=5)
    axis.axvline(0, color=COLOURS["neutral"], lw=1, ls="--")
    axis.set_yticks(range(len(found)), list(found))
    axis.invert_yaxis()
    axis.set(xlabel="coefficient (log-odds of winning, for one more)", title=title)
    return fig


def plot_budget(band: Mapping):
    """Order of gold against labels, and against dollars, for people, the AI judge, and both. Returns the figure."""
    fig, axes = figure(1, 2, height=3.2, sharey=True)
    counts = np.array(band["step"], float)
    ways = {"people": (COLOURS["gold"], 2.0, 0.0), "AI judge": (COLOURS["proxy"], 0.005, 0.0)}
    ways["both"] = (COLOURS["kl"], 2.0, 8.0)
    labels = {"both": "AI's labels first, then people"}
    for name, (colour, cost, fixed) in ways.items():
        shown = labels.get(name, name)
        draw_band(axes[0], counts, band[name], colour, shown)
        draw_band(axes[1], fixed + counts * cost, band[name], colour, shown)
    for axis, words in zip(axes, ("labels (green: people's alone)", "dollars"), strict=True):
        axis.axhline(band["ceiling"]["median"], color=COLOURS["neutral"], ls=":", lw=1)
        axis.set(xscale="log", xlabel=words)
    axes[0].set_ylabel("unseen pairs in the order of gold")
    axes[0].legend(loc="lower right")
    axes[0].text(26, band["ceiling"]["median"], "labels by gold itself", va="bottom", fontsize=8)
    return fig


def plot_questions(band: Mapping):
    """Order found by dollars for each question; marks and thumbs when strictness differs little and much."""
    fig, axes = figure(1, 2, height=3.3, sharey=True)
    for axis, strict, words in (
        (axes[0], "1", "strictness differs as usual"),
        (axes[1], "3", "strictness differs three times as much"),
    ):
        for name, colour in zip(QUESTIONS, CYCLE, strict=False):
            runs = band[name].get(strict, band[name]["1"])
            draw_band(axis, band["step"], runs["order"], colour, name)
        axis.set(xscale="log", xlabel="dollars (one for each answer read)", title=words)
        axis.set_xticks(band["step"], [str(d) for d in band["step"]], minor=False)
        axis.minorticks_off()
    axes[0].set_ylabel("unseen pairs in the team's order")
    axes[1].legend(loc="lower right")
    return fig


QUESTIONS = ("thumb", "mark 1 to 5", "better of two", "best of four", "rank four")


def plot_capabilities(band: Mapping):
    """Rows: the kind of request that was labelled. Columns: the kind on which the reward is tried. Medians."""
    names = list(band)
    table = np.array([[band[a][b]["median"] for b in names] for a in names])
    fig, axis = figure(height=3.3, width=5.6)
    drawn = axis.imshow(table, cmap="viridis", vmin=table.min(), vmax=1.0)
    for row in range(len(names)):
        for column in range(len(names)):
            dark = table[row, column] < (table.min() + 1) / 2
            axis.text(column, row, f"{table[row, column]:.2f}", ha="center", va="center",
                      color="white" if dark else "black", fontsize=9)  # fmt: skip
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="tried on", ylabel="labels on")
    axis.grid(False)
    fig.colorbar(drawn, ax=axis, label="unseen pairs in the order of gold")
    return fig


def plot_wins(panels: Mapping[str, Mapping[str, Sequence[float]]]):
    """Panels: a judge; rows: whose policy; dots: seeds; dashed: no better than pocket-sft. Returns the figure."""
    from ...plots.seeds import plot_seeds

    fig = plot_seeds(panels, {label: (0.5, "as pocket-sft") for label in panels}, height=2.3)
    for axis in fig.axes:
        axis.set_xlim(-0.03, 1.03)
    return fig


def plot_taste_of_a_class(rows: Mapping[str, tuple[float, float]], middle: float, unit: str):
    """Each reader's coefficient with its half-interval, in order, and the pooled one as a line."""
    fig, axis = figure(height=3.2, width=6.6)
    ordered = sorted(rows.items(), key=lambda item: item[1][0])
    for place, (_, (value, half)) in enumerate(ordered):
        axis.plot([place, place], [value - half, value + half], color=CYCLE[4], lw=1.5, alpha=0.7)
        axis.plot(place, value, "o", color=CYCLE[0], ms=4)
    axis.axhline(middle, color=COLOURS["proxy"], lw=2, label="all labels in one pool")
    axis.axhline(0, color=COLOURS["neutral"], lw=1, ls="--")
    axis.set(xlabel="readers, from the one who likes it least", ylabel=unit, xticks=[])
    axis.legend(loc="upper left")
    return fig


def plot_session(minutes: Sequence[float], shares: Mapping[str, Sequence[float]]):
    """Along a session: agreement with themselves and share of 'left', each in blocks."""
    fig, axis = figure(height=2.7, width=6.2)
    for (name, values), colour in zip(shares.items(), CYCLE, strict=False):
        axis.plot(minutes, values, "o-", ms=4, color=colour, label=name)
    axis.axhline(0.5, color=COLOURS["neutral"], ls=":", lw=1)
    axis.set(xlabel="pairs judged so far, each twice", ylabel="share", ylim=(0.3, 1.0))
    axis.legend(loc="lower left")
    return fig
