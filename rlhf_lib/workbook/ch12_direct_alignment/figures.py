"""Pictures of direct alignment: a map of answers before and after, and the two log-probabilities of a pair."""

from __future__ import annotations

from collections.abc import Sequence

from ...plots.style import CYCLE, figure

SIZE = 3000
"""Points squared that an answer of probability 1 covers."""


def plot_displaced(found: dict[str, tuple], height: float = 2.9):
    """Maps of answers, one a panel: circles before, discs after training on one pair.

    found: title -> (places (K, 2), path of log-probabilities (steps + 1, K)); the first two answers are
    the chosen and the rejected one, as in `evaluation.follow_pair`. Returns the matplotlib figure.

    Raises:
        ValueError: nothing to draw.
    """
    if not found:
        raise ValueError("found must hold at least one map")
    fig, axes = figure(1, len(found), height=height, sharex=True, sharey=True, squeeze=False)
    for axis, (title, (places, path)) in zip(axes[0], found.items(), strict=True):
        _draw_map(axis, places, path)
        axis.set(title=title, xticks=[], yticks=[], xlim=(-4.2, 4.2), ylim=(-3.4, 3.4))
    handles, labels = axes[0][0].get_legend_handles_labels()
    legend = fig.legend(handles, labels, loc="outside lower center", ncols=4)
    for handle in legend.legend_handles:
        handle.set_sizes([45])
    return fig


def _draw_map(axis, places, path) -> None:
    x, y = places.T.numpy()
    before, after = path[[0, -1]].exp().numpy()
    axis.scatter(x, y, SIZE * before, facecolors="none", edgecolors="0.6", lw=0.8, label="before")
    groups = (("others", slice(2, None), CYCLE[0]), ("chosen", slice(0, 1), CYCLE[2]),
              ("rejected", slice(1, 2), CYCLE[1]))  # fmt: skip
    for label, rows, colour in groups:
        axis.scatter(x[rows], y[rows], SIZE * after[rows], color=colour, alpha=0.75, label=label)
    for place, colour in ((0, CYCLE[2]), (1, CYCLE[1])):
        axis.plot(x[place], y[place], "+", color=colour, ms=11, mew=2)


def plot_pair_logps(runs: dict[str, tuple], bands: dict | None = None, names: Sequence[str] = ()):
    """Log-probabilities of chosen and rejected answers along runs, one a panel, with stored bands behind.

    runs: title -> (chosen, rejected), one number a step, in nats. bands: title -> {'logp_chosen': a band,
    'logp_rejected': a band}. names: labels of the two lines. Returns the matplotlib figure.

    Raises:
        ValueError: nothing to draw.
    """
    if not runs:
        raise ValueError("runs must hold at least one run")
    names = names or ("chosen", "rejected")
    fig, axes = figure(1, len(runs), height=2.8, sharey=True, squeeze=False)
    for axis, (title, pair) in zip(axes[0], runs.items(), strict=True):
        for series, metric, name, colour in zip(
            pair, ("logp_chosen", "logp_rejected"), names, (CYCLE[2], CYCLE[1]), strict=True
        ):
            if bands and title in bands:
                low, high = bands[title][metric]["low"], bands[title][metric]["high"]
                axis.fill_between(range(len(low)), low, high, color=colour, alpha=0.18, lw=0)
            axis.plot(series, color=colour, lw=2, label=name)
        axis.set(title=title, xlabel="step")
    axes[0][0].set_ylabel("log-probability (nats)")
    axes[0][0].legend(loc="lower left")
    return fig
