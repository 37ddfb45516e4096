"""Figures of chapter 09: a conversation as tiles, wrong templates, format and facts on the way."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from ...evaluation import to_numpy
from ...plots.seeds import draw_band
from ...plots.style import COLOURS, INK, WIDTH, figure

LEARNED, READ = "#0072B2", "#9A9A9A"
LETTERS = 92
"""Widths of letters in one line of tiles."""


def visible(token: str) -> str:
    """A token's text with its spaces and line ends to be seen."""
    return token.replace(" ", "␣").replace("\n", "↵")


def tiles_html(tokens: Sequence[str], weights: Sequence[float], numbers: Sequence[float]) -> str:
    """Tokens as tiles of a page, blue where they are learned; a tooltip says each one's number."""
    spans = []
    for token, weight, number in zip(tokens, weights, numbers, strict=True):
        blue = "#0072B2;color:white" if weight else "rgba(128,128,128,.18)"
        style = (
            f"background:{blue};border-radius:3px;padding:1px 3px;margin:1px;display:inline-block"
        )
        learned = "learned" if weight else "read"
        spans.append(
            f'<span style="{style}" title="{number:.2f} nats, {learned}">{html.escape(visible(token))}'
            "</span>" + ("<br>" if token.endswith("\n") else "")
        )
    return f"<div style='font-family:monospace;line-height:1.6'>{''.join(spans)}</div>"


def plot_tiles(tokens: Sequence[str], weights: Sequence[float], title: str = ""):
    """Tokens as tiles, a line for each line of the text; blue ones are learned. Returns the figure."""
    lines = _lines(list(zip(tokens, weights, strict=True)))
    fig, axis = figure(height=0.3 * len(lines) + 0.35, width=WIDTH)
    for number, line in enumerate(lines):
        left = 0.0
        for token, weight in line:
            wide = len(visible(token)) + 1.0
            colour, ink = (LEARNED, "white") if weight else ("#E4E4E4", INK)
            axis.barh(-number, wide - 0.3, left=left, height=0.8, color=colour)
            axis.text(left + wide / 2 - 0.15, -number, visible(token), ha="center", va="center",
                      fontsize=7.5, color=ink, family="monospace")  # fmt: skip
            left += wide
    axis.set(xlim=(-0.5, LETTERS), ylim=(-len(lines) + 0.4, 0.6), xticks=[], yticks=[], title=title)
    axis.grid(False)
    axis.spines[["left", "bottom"]].set_visible(False)
    return fig


def _lines(tiles: list[tuple[str, float]]) -> list[list[tuple[str, float]]]:
    """Tiles in lines: a new one after each line end, or where one is full."""
    lines, used = [[]], 0.0
    for token, weight in tiles:
        wide = len(visible(token)) + 1.0
        if lines[-1] and (used + wide > LETTERS or lines[-1][-1][0].endswith("\n")):
            lines.append([])
            used = 0.0
        lines[-1].append((token, weight))
        used += wide
    return lines


def plot_ways(stored: dict[str, list[float]], live: dict[str, float] | None = None):
    """What each way to write the prompt gives: a bar from the lowest to the highest seed, a dot for this run.

    stored: name -> gold over seeds, the right way first. Returns the figure.
    """
    fig, axis = figure(height=0.3 * len(stored) + 0.9)
    for place, (name, values) in enumerate(stored.items()):
        right = place == 0
        axis.plot([min(values), max(values)], [place] * 2, lw=9, alpha=0.35, solid_capstyle="butt",
                  color=COLOURS["gold"] if right else COLOURS["bad"])  # fmt: skip
        if live:
            axis.plot(live[name], place, "o", color=INK, ms=5)
    axis.axvline(sorted(next(iter(stored.values())))[len(values) // 2], color="0.5", ls="--", lw=1)
    axis.set_yticks(range(len(stored)), stored)
    axis.set(xlabel="gold of the answers (points)")
    axis.invert_yaxis()
    return fig


def plot_on_the_way(curves: dict, live: dict | None = None):
    """Format and facts over the steps of a fine-tuning, the loss below; bands, and a live run as a line.

    curves: as `experiments.stored.band` gives them, with 'step', 'ended', 'facts' and 'loss'.
    """
    fig, axes = figure(1, 2, height=2.7)
    for name, colour, label in (
        ("ended", "gold", "answers that end"),
        ("facts", "kl", "facts right"),
    ):
        draw_band(axes[0], curves["step"], curves[name], COLOURS[colour], label)
        if live:
            axes[0].plot(live["step"], live[name], "o-", color=COLOURS[colour], ms=4, lw=2)
    axes[0].set(xlabel="step", ylabel="share", ylim=(-0.03, 1.03))
    axes[0].legend()
    draw_band(axes[1], range(len(curves["loss"]["low"])), curves["loss"], COLOURS["proxy"])
    if live:
        axes[1].plot(live["loss"], color=COLOURS["proxy"], lw=2)
    axes[1].set(xlabel="step", ylabel="loss (nats per token)", ylim=(0, None))
    return fig


def plot_rules(tokens: Sequence[str], rules: dict[str, Sequence[float]]):
    """The tokens of a conversation across, the rules down: blue where a token is learned. Returns the figure."""
    fig, axis = figure(height=0.42 * len(rules) + 1.3)
    for place, weights in enumerate(rules.values()):
        colours = [LEARNED if weight else "#E4E4E4" for weight in weights]
        axis.bar(range(len(tokens)), 0.8, bottom=place - 0.4, width=0.9, color=colours)
    axis.set_yticks(range(len(rules)), rules)
    axis.set_xticks(
        range(len(tokens)), [visible(token) for token in tokens], rotation=90, fontsize=6
    )
    axis.set(xlim=(-0.6, len(tokens) - 0.4))
    axis.invert_yaxis()
    axis.grid(False)
    return fig


def plot_wall(lengths: Sequence[int], alone, seeing, learned):
    """What each token of a packed row may see, and what seeing too much does to surprise. Returns the figure.

    lengths: tokens of each conversation of the row. alone, seeing: surprises (T,) of the last one by itself,
    and behind the others without a wall. learned: its weights (T,).
    """
    fig, axes = figure(1, 2, height=2.9)
    documents = np.repeat(np.arange(len(lengths)), lengths)
    causal = np.tril(np.ones((len(documents), len(documents)), dtype=bool))
    same = documents[:, None] == documents[None, :]
    axes[0].imshow(
        np.where(causal & same, 2, causal.astype(int)), cmap=_wall_colours(), vmin=0, vmax=2
    )
    axes[0].set(xlabel="seen", ylabel="token", title="blue: seen. Orange: seen without a wall")
    axes[0].grid(False)
    change = to_numpy(seeing, float) - to_numpy(alone, float)
    colours = [LEARNED if weight else READ for weight in learned]
    axes[1].bar(range(1, len(change)), change[1:], color=colours[1:])
    axes[1].set(xlabel="token of the second conversation", ylabel="change of surprise (nats)",
                title="without a wall. Blue: learned, grey: read")  # fmt: skip
    return fig


def _wall_colours():
    from matplotlib.colors import ListedColormap

    return ListedColormap(["#F4F4F4", COLOURS["bad"], COLOURS["gold"]])
