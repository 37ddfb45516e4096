"""Pictures of direct alignment: a DPO run, a map of answers, what displaces pairs, how a loss pulls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ...objectives import apo_down_loss, apo_zero_loss, dpo_loss
from ...plots.seeds import draw_band
from ...plots.style import COLOURS, CYCLE, figure

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


READINGS = {
    "loss": "held-out loss (nats)", "accuracy": "held-out accuracy", "margin": "held-out margin βh",
    "gold": "gold (points)", "kl": "KL to pocket-sft (nats)",
}  # fmt: skip


def plot_run(band: Mapping, run: Mapping | None = None):
    """Six readings of a DPO run on held-out pairs and requests: stored seeds as bands, one run as dots.

    band, run: as the experiment `whole_file` gives them (run: its first part will do). Returns the figure.
    """
    fig, axes = figure(2, 3, height=2.3)
    for axis, (name, title) in zip(axes.flat, READINGS.items(), strict=False):
        _reading(axis, band, run, name, CYCLE[0])
        axis.set(title=title)
    for name, colour in (("chosen", CYCLE[2]), ("rejected", CYCLE[1])):
        _reading(axes[1][2], band, run, name, colour, name)
    axes[1][2].axhline(0, color="0.5", lw=0.8)
    axes[1][2].set(title="log π/π_ref, held-out answers (nats)")
    axes[1][2].legend()
    axes[0][0].axhline(np.log(2), color="0.4", ls=":")
    for axis in axes[1]:
        axis.set(xlabel="updates of 32 pairs")
    return fig


def _reading(axis, band: Mapping, run: Mapping | None, name: str, colour: str, label=None) -> None:
    draw_band(axis, band["unseen"]["step"], band["unseen"][name], colour, label)
    if run is not None:
        axis.plot(run["unseen"]["step"], run["unseen"][name], "o-", ms=4, lw=1.5, color=colour)


def plot_pairs(band: Mapping, runs: Mapping | None = None, names: Sequence[str] = ()):
    """log π/π_ref of the training pairs' answers after each epoch, one setting a panel."""
    names = names or [*band]
    fig, axes = figure(1, len(names), height=2.7, sharey=True, squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for metric, colour in (("chosen", CYCLE[2]), ("rejected", CYCLE[1])):
            epochs = range(len(band[name][metric]["low"]))
            draw_band(axis, epochs, band[name][metric], colour, metric)
            if runs and name in runs:
                axis.plot(epochs, runs[name][metric], "o-", ms=4, color=colour)
        axis.axhline(0, color="0.4", lw=0.8)
        axis.set(title=name, xlabel="epochs")
    axes[0][0].set_ylabel("log π/π_ref (nats, mean)")
    axes[0][0].legend(loc="lower left")
    return fig


def pull(loss: Callable[[Tensor], Tensor], at: Tensor) -> np.ndarray:
    """Minus the slope of loss(x) at each of `at` (n,): how hard it pulls x upwards."""
    x = at.clone().requires_grad_()
    total = torch.stack([loss(part[None]) for part in x]).sum()
    return -torch.autograd.grad(total, x)[0].numpy()


def plot_pulls(
    losses: Mapping[str, Callable[[Tensor], Tensor]],
    low=-8.0,
    high=16.0,
    xlabel="h (nats)",
    stops=(),
):
    """How hard each loss pulls on one number, by where that number is; `stops` are marked on the axis."""
    at = torch.linspace(low, high, 161, dtype=torch.float64)
    fig, axis = figure(height=2.6, width=6.2)
    for (name, loss), colour in zip(losses.items(), CYCLE, strict=False):
        axis.plot(at, pull(loss, at), color=colour, lw=2, label=name)
    for stop in stops:
        axis.plot([stop], [0], "o", color="#222222", ms=6)
    axis.axhline(0, color="0.4", lw=0.8)
    axis.set(xlabel=xlabel, ylabel="pull: minus the slope")
    axis.legend()
    return fig


def plot_arrows(beta: float = 0.5):
    """Where DPO and the two APO losses push (chosen, rejected), in the plane of their log-ratios."""
    losses = {"DPO": dpo_loss, "APO-zero": apo_zero_loss, "APO-down": apo_down_loss}
    places = torch.linspace(-4, 4, 7, dtype=torch.float64)
    chosen, rejected = (x.flatten() for x in torch.meshgrid(places, places, indexing="xy"))
    fig, axes = figure(1, 3, height=2.9, sharey=True)
    for axis, (name, loss) in zip(axes, losses.items(), strict=True):
        c, r = chosen.clone().requires_grad_(), rejected.clone().requires_grad_()
        zero = torch.zeros_like(c)
        gradients = torch.autograd.grad(len(c) * loss(c, r, zero, zero, beta), (c, r))
        along, across = (-g.numpy() for g in gradients)
        axis.quiver(chosen, rejected, along, across, angles="xy", color=CYCLE[0], width=0.009)
        axis.axline((0, 0), slope=1, color=COLOURS["neutral"], ls=":", lw=1)
        axis.set(title=name, xlabel="chosen: log π/π_ref", xlim=(-5, 5), ylim=(-5, 5))
    axes[0].set_ylabel("rejected: log π/π_ref")
    return fig
