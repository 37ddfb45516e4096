"""A tree of tokens: prefixes as points, tokens as branches, their value in colour."""

from __future__ import annotations

import numpy as np

from .style import COLOURS, INK, WIDTH, figure


def plot_token_tree(tree, title: str = "", value: str = "value: mean gold from here on"):
    """A prompt's likely continuations: prefixes as points, tokens as branches. Returns the figure.

    Colour: the value of a prefix (mean gold of what goes on from there), blue above and orange below
    the prompt's own, which is marked; width of a branch: the probability of its token. value: what the
    colours stand for.
    """
    from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm

    two_ways = LinearSegmentedColormap.from_list(
        "gain", (COLOURS["bad"], "#F4F1EA", COLOURS["gold"])
    )
    rows = sum(not tree.children(i) for i in range(len(tree.nodes)))
    fig, axis = figure(height=max(3.0, 0.27 * rows + 0.9), width=WIDTH + 0.8)
    root = tree.nodes[0].value
    spread = max(0.3, *(abs(node.value - root) for node in tree.nodes))
    norm = TwoSlopeNorm(root, root - spread, root + spread)
    for node in tree.nodes[1:]:
        _draw_branch(axis, tree.nodes[node.parent], node)
    dots = axis.scatter(
        [n.x for n in tree.nodes], [n.y for n in tree.nodes], c=[n.value for n in tree.nodes],
        s=[45 + 140 * n.probability for n in tree.nodes], norm=norm, cmap=two_ways, zorder=3,
        edgecolors=INK, linewidths=0.6,
    )  # fmt: skip
    for number, node in enumerate(tree.nodes):
        _name_node(axis, node, leaf=not tree.children(number))
    axis.set(yticks=[], xlabel="tokens written")
    axis.set_title(title, pad=12)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_xlim(-0.4, max(n.x for n in tree.nodes) + 1.1)
    axis.spines["left"].set_visible(False)
    axis.grid(False)
    label = f"{value}\n(line: the prompt, {round(root, 2) + 0.0:+.2f})"
    bar = fig.colorbar(dots, ax=axis, label=label, shrink=0.9, pad=0.01)
    bar.ax.axhline(root, color=INK, lw=1.2)
    return fig


def _draw_branch(axis, parent, node) -> None:
    """A smooth line from a prefix to a longer one."""
    share = np.linspace(0, 1, 24)
    bend = 3 * share**2 - 2 * share**3
    x, y = parent.x + (node.x - parent.x) * share, parent.y + (node.y - parent.y) * bend
    axis.plot(x, y, color="#9A9A9A", lw=0.6 + 4.5 * node.branch, alpha=0.6, zorder=1,
              solid_capstyle="round")  # fmt: skip


def _name_node(axis, node, leaf: bool) -> None:
    """The last token above a point; to the right of a leaf its value."""
    text = "(end)" if node.finished else node.text.replace("\n", "↵").strip(" ") or "␣"
    text = "the prompt" if node.parent < 0 else text
    axis.annotate(text, (node.x, node.y), xytext=(0, 6), textcoords="offset points", ha="center",
                  fontsize=8, zorder=4)  # fmt: skip
    if leaf:
        axis.annotate(f"{round(node.value, 1) + 0.0:+.1f}", (node.x, node.y), xytext=(9, 0), va="center",
                      textcoords="offset points", fontsize=7.5, color=COLOURS["neutral"])  # fmt: skip
