"""One visual language: colours with a meaning, light panels that also read well on a dark page."""

from __future__ import annotations

COLOURS = {
    "proxy": "#D55E00",
    "gold": "#0072B2",
    "kl": "#009E73",
    "length": "#B97F00",
    "neutral": "#5A5A5A",
    "good": "#009E73",
    "bad": "#D55E00",
}
"""What is optimised is orange, what is wanted is blue (after Okabe and Ito, safe for the colour-blind; yellow and
light blue darker than theirs, so that each line stands out from white by 3 to 1)."""

CYCLE = ("#0072B2", "#D55E00", "#009E73", "#B97F00", "#3893D0", "#CC79A7", "#5A5A5A", "#8C6D31")

WIDTH = 7.5
"""Inches that a figure is wide, so that text stays readable in a notebook's column."""

INK = "#222222"

STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "grid.color": "#888888",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "figure.titlesize": 11,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def use_workbook_style() -> None:
    """Set matplotlib's defaults to the workbook's, whatever theme was on before."""
    import matplotlib.pyplot as plt
    from cycler import cycler

    plt.rcParams.update(STYLE | {"axes.prop_cycle": cycler(color=CYCLE)})


def figure(rows: int = 1, columns: int = 1, height: float = 2.9, width: float = WIDTH, **settings):
    """A matplotlib figure and its axes in the workbook's style; one axes, or an array of them.

    height: inches of one row. The style stays on, because matplotlib reads font sizes when a title
    or a legend is added, not when the axes are made.
    """
    import matplotlib.pyplot as plt

    use_workbook_style()
    return plt.subplots(
        rows, columns, figsize=(width, height * rows), layout="constrained", **settings
    )
