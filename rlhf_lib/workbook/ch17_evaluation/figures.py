"""Pictures of chapter 17: scores as bars, leaderboards beside gold, orders of votes, forking paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...evaluation import Ratings, proportion
from ...plots.style import COLOURS, CYCLE, figure
from .arena import ASSISTANTS


def plot_scores(right: Mapping[str, Sequence[bool]], title: str = ""):
    """A bar for each scorer, with Wilson's interval, in the order given. Returns the matplotlib figure."""
    fig, axis = figure(height=0.36 * len(right) + 0.8)
    for row, hits in enumerate(right.values()):
        found = proportion(sum(hits), len(hits))
        axis.barh(row, found.value, color=COLOURS["gold"], height=0.62)
        axis.plot([found.low, found.high], [row, row], color="0.25", lw=1.5)
        axis.text(
            max(found.value, found.high) + 0.015, row, f"{found.value:.2f}", va="center", fontsize=9
        )
    axis.set(yticks=range(len(right)), yticklabels=list(right), xlim=(0, 1.1), title=title)
    axis.set_xlabel("share of right answers")
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    return fig


def plot_boards(gold: np.ndarray, boards: Mapping[str, Ratings], height: float = 3.0):
    """Leaderboards in panels: assistants from the best by gold (top) to the worst, ratings with 95% intervals."""
    order = np.argsort(-gold, kind="stable")
    fig, axes = figure(1, len(boards), height=height, sharey=True)
    names = list(ASSISTANTS)
    for axis, (title, board) in zip(np.atleast_1d(axes), boards.items(), strict=True):
        for row, place in enumerate(order):
            wide = 1.96 * board.errors[place]
            axis.errorbar(
                board.ratings[place], row, xerr=wide, fmt="o", color=COLOURS["gold"], ms=5
            )
        best = int(np.argmax(board.ratings[order]))
        axis.plot(board.ratings[order[best]], best, "o", ms=12, mfc="none", mec=CYCLE[1], mew=2)
        axis.set(title=title, xlabel="rating (points)")
    labels = [f"{names[place]}  {gold[place]:.2f}" for place in order]
    np.atleast_1d(axes)[0].set(yticks=range(len(order)), yticklabels=labels)
    np.atleast_1d(axes)[0].invert_yaxis()
    return fig


def plot_agreement(stored: Mapping, crowds: Sequence[str]):
    """Kendall's tau with gold against the number of votes, plain and with style held, a panel a crowd; bands over
    the stored seeds."""
    fig, axes = figure(1, len(crowds), height=2.6, sharey=True)
    for axis, name in zip(axes, crowds, strict=True):
        for fit, label, colour in (
            ("raw", "plain", "0.5"),
            ("style", "style held", COLOURS["gold"]),
        ):
            band = stored[name][fit]
            axis.fill_between(
                stored[name]["step"], band["low"], band["high"], color=colour, alpha=0.2
            )
            axis.plot(stored[name]["step"], band["median"], "o-", color=colour, ms=4, label=label)
        axis.set(title=name, xscale="log", xlabel="votes", ylim=(-0.35, 1.08))
        axis.set_xticks(stored[name]["step"], [f"{n:,}" for n in stored[name]["step"]])
        axis.minorticks_off()
    axes[0].set_ylabel("tau with gold")
    axes[-1].legend(loc="lower right")
    return fig


def plot_orders(gold: np.ndarray, elo: np.ndarray):
    """Elo ratings (orders, K) of the same votes read in different orders: a dot an order, assistants by gold."""
    order = np.argsort(-gold, kind="stable")
    fig, axis = figure(height=2.9)
    dice = np.random.default_rng(0)
    for row, place in enumerate(order):
        height = row + dice.uniform(-0.28, 0.28, size=len(elo))
        axis.plot(elo[:, place], height, ".", color=CYCLE[1], ms=4, alpha=0.6)
    names = list(ASSISTANTS)
    axis.set(yticks=range(len(order)), yticklabels=[names[place] for place in order])
    axis.set_xlabel("Elo rating (points)")
    axis.invert_yaxis()
    return fig


def plot_settings(scores: Mapping[str, float], marks: Mapping[str, str]):
    """All settings' scores from the lowest to the highest, a dot each. marks: setting -> the words beside its dot."""
    ranked = sorted(scores, key=lambda name: scores[name])
    fig, axis = figure(height=2.8)
    axis.plot(range(len(ranked)), [scores[name] for name in ranked], "o", color="0.6", ms=4)
    for name, words in marks.items():
        place = ranked.index(name)
        axis.plot(place, scores[name], "o", color=CYCLE[1], ms=8)
        shift = -16 if scores[name] > 0.9 else 14  # clear of the dots beside it
        axis.annotate(
            words,
            (place, scores[name]),
            (-4, shift),
            textcoords="offset points",
            ha="right",
            va="center",
        )
    axis.set(
        xlabel="settings, from the lowest score to the highest",
        ylabel="share of right answers",
        ylim=(-0.05, 1.08),
    )
    return fig
