"""Pictures of chapter 11's runs: one on its band, several against each other, the dashboard, the value function."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from ...plots.style import COLOURS, CYCLE, figure


def plot_run_on_band(run: dict, expected: dict):
    """Held-out reward and batch rewards of one run over the band of the stored ones. Returns the figure.

    run: as `experiments.train` returns it, perhaps shorter than the stored ones. expected: their band.
    """
    fig, axes = figure(1, 2, height=2.9, sharey=True)
    lines = (("held_out", "reward", "96 held-out requests"), (None, "proxy", "each training batch"))
    for axis, (part, name, title) in zip(axes, lines, strict=True):
        stored, mine = (whole[part] if part else whole for whole in (expected, run))
        _shade(axis, stored["step"], stored[name], "0.5", "stored runs")
        axis.plot(mine["step"], mine[name], "o-", ms=3.5, color=COLOURS["gold"], label="your run")
        axis.set(title=title, xlabel="step")
    axes[0].set_ylabel("gold utility (points)")
    axes[0].legend(loc="lower right")
    return fig


def _shade(axis, steps, stored: dict, colour: str, label: str = "") -> None:
    """A band and its median."""
    axis.fill_between(steps, stored["low"], stored["high"], color=colour, alpha=0.2, lw=0)
    axis.plot(steps, stored["median"], color=colour, lw=1.6, ls="--", label=label)


def plot_contrast(bands: dict[str, dict], panels: dict[str, str], log: Sequence[str] = ()):
    """Several ways to train: a band and its median each, a panel for each metric. Returns the figure.

    bands: label -> band of `experiments.train`. panels: title -> metric; those measured on held-out requests
    come from there. log: metrics with a logarithmic axis. At most three panels a row.
    """
    columns = 2 if len(panels) in (2, 4) else 3
    fig, axes = figure(-(-len(panels) // columns), columns, height=2.6, squeeze=False)
    for axis, (title, name) in zip(axes.flat, panels.items(), strict=False):
        for (label, stored), colour in zip(bands.items(), itertools.cycle(CYCLE)):
            steps, values = _curve(stored, name)
            axis.fill_between(steps, values["low"], values["high"], color=colour, alpha=0.15, lw=0)
            axis.plot(steps, values["median"], color=colour, lw=2, label=label)
        axis.set(title=title, xlabel="step", yscale="log" if name in log else "linear")
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig


def _curve(stored: dict, name: str) -> tuple[list, dict]:
    """(steps, band) of a metric, wherever it was measured."""
    part = stored["held_out"] if name in stored["held_out"] else stored
    return part["step"], part[name]


def ends(bands: dict[str, dict], columns: dict[str, str], last: int = 8):
    """Where several ways to train ended, as a table: median over seeds (lowest to highest).

    columns: heading -> metric. Held-out metrics are the last value; those of batches the mean of the last
    steps of each band. Returns a data frame.
    """
    import pandas

    rows = {}
    for label, stored in bands.items():
        rows[label] = {}
        for heading, name in columns.items():
            held = name in stored["held_out"]
            values = _curve(stored, name)[1]
            low, middle, high = (
                np.mean(values[end][-1 if held else -last :]) for end in ("low", "median", "high")
            )
            rows[label][heading] = f"{middle:.3g} ({low:.3g} to {high:.3g})"
    return pandas.DataFrame(rows).T


DASHBOARD = {
    "held-out reward (points)": "reward",
    "reward of the batch (points)": "proxy",
    "KL to the start (nats)": "kl",
    "entropy (nats per token)": "entropy",
    "largest ratio": "ratio_max",
    "clipped tokens (share)": "clip_fraction",
    "groups without a signal (share)": "zero_variance_groups",
    "length (tokens)": "length",
    "gradient norm": "grad_norm",
}
"""Panel -> metric, in the order in which one reads them."""


def plot_dashboard(run: dict, expected: dict):
    """Nine metrics of one run, raw, over the band of the stored ones. Returns the figure."""
    fig, axes = figure(3, 3, height=1.9)
    for number, (axis, (title, name)) in enumerate(
        zip(axes.flat, DASHBOARD.items(), strict=True), 1
    ):
        steps, stored = _curve(expected, name)
        _shade(axis, steps, stored, "0.5")
        steps, values = _curve(run, name)
        axis.plot(steps, values, ".-", ms=4, lw=1, color=CYCLE[0])
        axis.set_title(f"{number}. {title}", fontsize=9)
        axis.set_yscale("log" if name == "ratio_max" else "linear")
    for axis in axes[-1]:
        axis.set_xlabel("step")
    return fig


# --- a value function that can be seen


def plot_value(expected: dict):
    """V along right and wrong answers, and what it explains there: bands. Returns the figure."""
    fig, (left, right) = figure(1, 2, height=2.9)
    tenths = np.arange(len(expected["right"]["median"])) / len(expected["right"]["median"])
    for name, colour in (("right", COLOURS["good"]), ("wrong", COLOURS["bad"])):
        _shade(left, tenths, expected[name], colour, f"answers that end {name}")
    _shade(right, tenths, expected["by_place"], CYCLE[0])
    left.set(title="mean value", xlabel="place in the answer (0 start, 1 end)", ylabel="V (points)")
    right.set(title="explained variance", xlabel="place in the answer (0 start, 1 end)")
    right.axhline(0, color=COLOURS["neutral"], lw=0.8)
    left.legend()
    return fig


def plot_value_along(stored: dict, tokens: dict[str, Sequence[str]]):
    """V before each token of two answers of one length, "right" and "wrong": bands. Returns the figure.

    tokens: the tokens of both; where they differ, the place bears both of them, the wrong one below.
    """
    fig, axis = figure(height=2.9)
    for name, colour in (("right", COLOURS["good"]), ("wrong", COLOURS["bad"])):
        _shade(axis, range(len(tokens[name])), stored[name], colour, f"the {name} answer")
    pairs = zip(tokens["right"], tokens["wrong"], strict=True)
    labels = [right if right == wrong else f"{right}\n{wrong}" for right, wrong in pairs]
    axis.set_xticks(range(len(labels)), labels)
    axis.set(xlabel="the token that comes next", ylabel="V before it (points)")
    axis.legend()
    return fig


# --- what averaging does to lengths


def length_drift(
    aggregate: str, steps: int = 300, learning_rate: float = 0.4, longest: int = 40
) -> np.ndarray:
    """Mean length of right and of wrong answers (steps, 2), by exact gradient steps on two stop buttons.

    An answer is right or wrong by its first word, half and half; then it stops after each token with a
    probability that is learned, one for right answers and one for wrong ones. Rewards are 1 and 0, whatever
    the length. aggregate: sequence divides an answer's push by its length, fixed by the longest. [PG-5]

    Raises:
        ValueError: another aggregate.
    """
    if aggregate not in ("sequence", "fixed"):
        raise ValueError(f"aggregate must be 'sequence' or 'fixed'; got {aggregate!r}")
    tokens = torch.arange(1.0, longest + 1)
    weight = 1 / tokens if aggregate == "sequence" else torch.full_like(tokens, 1 / longest)
    advantages = torch.tensor([[0.5], [-0.5]])
    stop, means = torch.full((2, 1), -2.2, requires_grad=True), []
    for _ in range(steps):
        logp = (tokens - 1) * logsigmoid(-stop) + (tokens < longest) * logsigmoid(stop)
        chance = logp.exp().detach()
        means.append((chance * tokens).sum(1))
        gain = (chance * advantages * weight * logp).sum() / 2
        (slope,) = torch.autograd.grad(gain, stop)
        stop = (stop + learning_rate * slope).detach().requires_grad_()
    return torch.stack(means).numpy()
