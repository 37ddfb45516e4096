"""Figures of chapter 18: bands over seeds of what its stored runs hold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ...experiments.stored import band_over
from ...plots.style import COLOURS, CYCLE, figure
from .grid import Cell

POINTS, SDS = "gold (points)", "reward (sd of SFT answers)"
ONLOOKER = "#CC79A7"


def draw_over_seeds(
    axis, runs: Sequence[dict], name: str, colour: str, label: str, style: str = "-"
) -> None:
    """Median of the runs as a line over their steps, lowest to highest as a band."""
    band = band_over([run[name] for run in runs])
    steps = runs[0]["step"]
    axis.fill_between(steps, band["low"], band["high"], color=colour, alpha=0.13, lw=0)
    axis.plot(steps, band["median"], style, color=colour, lw=2, label=label)


def plot_judges(runs: Sequence[dict], names: dict[str, str], title: str = ""):
    """What several judges say of the same runs (above), and the gold utility (below). Returns the figure.

    names: key of a judge in a run -> what to call it.
    """
    fig, (above, below) = figure(2, 1, height=2.3, width=6.4, sharex=True)
    colours = itertools.cycle((COLOURS["proxy"], ONLOOKER, COLOURS["length"]))
    for (name, label), colour in zip(names.items(), colours, strict=False):
        draw_over_seeds(above, runs, name, colour, label)
    draw_over_seeds(below, runs, "gold", COLOURS["gold"], "gold utility")
    above.set_title(SDS, loc="left")
    below.set_title(POINTS, loc="left")
    below.set_xlabel("training step")
    above.legend(loc="best")
    fig.suptitle(title)
    return fig


LIKED = {
    "stock phrases": "stock phrases\n(per answer)",
    "hedging": "hedging\n(per answer)",
    "refusals": "harmless requests\nrefused (share of all)",
    "agreement": "false claims\nagreed with (share)",
}


def plot_tastes(results: Sequence[dict]):
    """Each sign in the best of n, by teams that like it (orange) and by fair ones (grey). Returns the figure.

    results: the stored ones of the experiment `tastes`, one a seed.
    """
    fig, axes = figure(1, len(LIKED), height=2.7, width=8.4)
    for axis, (team, title) in zip(axes, LIKED.items(), strict=True):
        runs = [result[team] for result in results]
        draw_over_seeds(axis, runs, "liked", COLOURS["proxy"], "a team that likes it")
        draw_over_seeds(axis, runs, "fair", COLOURS["neutral"], "a fair team", "--")
        axis.set(title=title, xlabel="best of n", xscale="log", ylim=(0, None))
        axis.set_xticks(runs[0]["step"], [str(n) for n in runs[0]["step"]])
        axis.minorticks_off()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def plot_distances(curves: dict[str, tuple[Sequence[dict], object]]):
    """Gold gained against √KL, one panel an optimizer: dots of all seeds, and a fitted curve. Returns the figure.

    curves: title -> (runs with "kl" and "gold", a fitted `Curve`). Gains below −2 points are cut off.
    """
    fig, axes = figure(1, len(curves), height=3.1, squeeze=False)
    for axis, (title, (runs, fit)) in zip(axes[0], curves.items(), strict=True):
        distance, gain = distance_and_gain(runs)
        axis.plot(distance, gain, "o", ms=3.5, alpha=0.6, color=COLOURS["gold"], label="measured")
        grid = np.linspace(0.02, distance.max(), 200)
        axis.plot(grid, fit(grid), "k--", lw=1.3, label=f"fit: α {fit.alpha:.2f}, β {fit.beta:.2f}")
        axis.axhline(0, color=COLOURS["neutral"], lw=0.6)
        axis.set(title=title, xlabel="√KL (√nats)", ylabel="gold gained (points)")
        axis.set_ylim(bottom=max(-2.0, axis.get_ylim()[0]))
        axis.legend(loc="best")
    return fig


def distance_and_gain(runs: Sequence[dict]) -> tuple[np.ndarray, np.ndarray]:
    """√KL and gold gained over the run's first value, of all runs after each other."""
    distance = np.sqrt(np.maximum(np.concatenate([run["kl"] for run in runs]), 0))
    gain = np.concatenate([np.array(run["gold"]) - run["gold"][0] for run in runs])
    return distance, gain


PASSES = {"loss": "DPO's loss (nats)", "gold": "gold (points)", "kl": "KL to the SFT policy (nats)"}


def plot_passes(results: Sequence[dict], lowest: float = -1.5):
    """Loss, gold and KL by passes over the comparisons, for each β. Returns the figure.

    results: the stored ones of the experiment `direct`, one a seed. Gold below `lowest` points is cut off.
    """
    fig, axes = figure(1, len(PASSES), height=2.7, width=8.4)
    for axis, (name, title) in zip(axes, PASSES.items(), strict=True):
        for beta, colour, style in zip(results[0], CYCLE, ("-", "--"), strict=False):
            draw_over_seeds(axis, [run[beta] for run in results], name, colour, beta, style)
        axis.set(title=title, xlabel="passes over the comparisons")
    axes[1].axhline(next(iter(results[0].values()))["gold"][0], color=COLOURS["neutral"], lw=0.8)
    axes[1].set_ylim(bottom=lowest)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def plot_contrasts(contrasts: dict[str, dict[str, Cell]], lowest: float = -1.5, far: float = 5.0):
    """Gold against √KL for settings that differ in one thing, a panel each. Returns the figure.

    contrasts: title -> {label: cell of the grid}. Thick: the median over seeds at each look; thin: each seed.
    Gold below `lowest` points, and what lies beyond `far` √nats, is cut off.
    """
    fig, axes = figure(-(-len(contrasts) // 2), 2, height=2.6, width=7.8, sharex=True, sharey=True)
    for axis, (title, cells) in zip(axes.flat, contrasts.items(), strict=True):
        for (label, cell), colour in zip(cells.items(), CYCLE, strict=False):
            draw_cell(axis, cell, label, colour)
        start = next(iter(cells.values())).median("gold")[0]
        axis.axhline(start, color=COLOURS["neutral"], lw=0.8)
        axis.set_title(title, loc="left")
        axis.set(xlim=(-0.1, far), ylim=(lowest, None))
        axis.legend(loc="lower left")
    fig.supxlabel("√KL to the SFT policy (√nats)", fontsize="medium")
    fig.supylabel(POINTS, fontsize="medium")
    return fig


def ends_table(contrasts: dict[str, dict[str, Cell]]):
    """Where the runs of the settings turn and end, lowest to highest seed; a pandas table, a row a setting."""
    import pandas as pd

    rows = {}
    for title, cells in contrasts.items():
        for label, cell in cells.items():
            gold, distance = cell.measures["gold"], cell.measures["distance"]
            rows[title, label] = {
                "gold at its best": spread(gold.max(1)),
                "gold at the end": spread(gold[:, -1]),
                "KL at the end (nats)": spread(distance[:, -1] ** 2, 0),
            }
    return pd.DataFrame(rows).T


def spread(values: np.ndarray, digits: int = 2) -> str:
    """'lowest to highest' of one value a seed."""
    return " to ".join(f"{value:z.{digits}f}" for value in (values.min(), values.max()))


def draw_cell(axis, cell: Cell, label: str, colour: str) -> None:
    """One setting: its seeds thin, their median thick, with a dot at the last look."""
    for distance, gold in zip(cell.measures["distance"], cell.measures["gold"], strict=True):
        axis.plot(distance, gold, color=colour, lw=0.7, alpha=0.5)
    distance, gold = cell.median("distance"), cell.median("gold")
    axis.plot(distance, gold, color=colour, lw=2.4, label=label)
    axis.plot(distance[-1], gold[-1], "o", color=colour, ms=5)


def plot_selected(curves: Sequence[dict]):
    """Gold of the best of n, picked by the proxy and by gold itself. Returns the figure."""
    fig, axis = figure(height=2.9, width=5.6)
    draw_over_seeds(axis, curves, "ideal", COLOURS["good"], "picked by gold itself", "--")
    draw_over_seeds(axis, curves, "gold", COLOURS["gold"], "picked by the proxy")
    axis.set(xlabel="best of n", ylabel=POINTS, xscale="log")
    axis.set_xticks(curves[0]["step"], [str(n) for n in curves[0]["step"]])
    axis.minorticks_off()
    axis.legend(loc="best")
    return fig


def budget_table(runs: Sequence[dict], budgets: Sequence[float]):
    """Gold of runs that stop at the last look within a KL budget (nats); a pandas table, a row a budget."""
    import pandas as pd

    rows = {}
    for budget in budgets:
        kept = [max(i for i, kl in enumerate(run["kl"]) if kl <= budget) for run in runs]
        golds = [run["gold"][place] for run, place in zip(runs, kept, strict=True)]
        proxies = [run["proxy"][place] for run, place in zip(runs, kept, strict=True)]
        rows[budget] = {
            "proxy, median": round(float(np.median(proxies)), 2),
            "gold, median": round(float(np.median(golds)), 2),
            "gold, worst run": round(min(golds), 2),
        }
    return pd.DataFrame(rows).T.rename_axis("KL budget (nats)")
