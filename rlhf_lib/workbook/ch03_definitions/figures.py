"""What a language model computes: streams of states, distributions of the next token, texts token by token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...evaluation import to_numpy
from ...plots.style import COLOURS, CYCLE, INK, WIDTH, figure


def visible(token: str) -> str:
    """A token's text with its spaces and line ends to be seen."""
    return token.replace(" ", "␣").replace("\n", "↵") or "∅"


def plot_states(tokens: Sequence[str], states: dict[str, object]):
    """Tensors (T, H) side by side, a row a token, a column a channel. Returns the figure.

    Each panel has a scale of its own, from its 2% to its 98% quantile about 0: blue is positive, orange negative.
    """
    fig, axes = figure(1, len(states), height=0.26 * len(tokens) + 1.0, sharey=True, squeeze=False)
    for axis, (name, state) in zip(axes[0], states.items(), strict=True):
        values = to_numpy(state, float)
        limit = np.quantile(np.abs(values), 0.98)
        axis.imshow(
            values,
            aspect="auto",
            cmap=_two_ways(),
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
        )
        axis.set(title=f"{name}\n{tuple(values.shape)}", xlabel="channel")
        axis.grid(False)
    axes[0][0].set_yticks(range(len(tokens)), [visible(t) for t in tokens])
    return fig


def _two_ways():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("sign", (COLOURS["bad"], "#FFFFFF", COLOURS["gold"]))


def plot_next_token(
    decode,
    distributions: dict[str, object],
    count: int = 8,
    columns: int | None = None,
    height: float = 2.6,
):
    """The likeliest next tokens of several distributions (V,), a panel each. Returns the figure.

    decode: token id -> text. Panels show their own `count` likeliest tokens.
    """
    columns = columns or min(len(distributions), 4)
    rows = -(-len(distributions) // columns)
    fig, axes = figure(rows, columns, height=height, squeeze=False, sharex=True)
    for axis, (name, p) in zip(axes.flat, distributions.items(), strict=False):
        p = to_numpy(p, float)
        order = np.argsort(-p)[:count]
        axis.barh(range(len(order)), p[order], color=CYCLE[0])
        axis.set_yticks(range(len(order)), [visible(decode(int(i))) for i in order])
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.set_title(name, fontsize=9)
    for axis in axes.flat[len(distributions) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("probability")
    return fig


def plot_token_strip(
    rows: dict[str, tuple[Sequence[str], Sequence[float]]], label: str, highest: float | None = None
):
    """Texts token by token, a line each; a token's shade is its number, printed below it. Returns the figure.

    rows: name of the line -> (tokens, numbers of 0 or more). highest: the number of full colour.
    """
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list(
        "surprise", ("#FFFFFF", COLOURS["length"], COLOURS["bad"])
    )
    widest = max(sum(_width(t) for t in tokens) for tokens, _ in rows.values())
    fig, axis = figure(height=0.66 * len(rows) + 0.5, width=WIDTH + 0.8)
    top = highest or max(max(numbers) for _, numbers in rows.values())
    for line, (tokens, numbers) in enumerate(rows.values()):
        left = 0.0
        for token, number in zip(tokens, numbers, strict=True):
            axis.barh(-line, _width(token) - 0.25, left=left, height=0.5, edgecolor="#BBBBBB", lw=0.6,
                      color=shades(min(1.0, max(0.0, number / top))))  # fmt: skip
            middle = left + _width(token) / 2 - 0.12
            axis.text(
                middle, -line, visible(token), ha="center", va="center", fontsize=8, color=INK
            )
            axis.text(middle, -line - 0.4, f"{number:.1f}", ha="center", va="center", fontsize=7,
                      color=COLOURS["neutral"])  # fmt: skip
            left += _width(token)
    axis.set_yticks([-i for i in range(len(rows))], list(rows))
    axis.set(xlim=(-0.3, widest), ylim=(-len(rows) + 0.3, 0.5), xticks=[], xlabel=label)
    axis.grid(False)
    axis.spines[["left", "bottom"]].set_visible(False)
    return fig


def _width(token: str) -> float:
    return 1.6 + len(token)
