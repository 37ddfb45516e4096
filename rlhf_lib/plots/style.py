"""One visual language: colours with a meaning, light panels that also read well on a dark page."""

from __future__ import annotations

COLOURS = {
    "proxy": "#D55E00",
    "gold": "#0072B2",
    "kl": "#009E73",
    "length": "#E69F00",
    "neutral": "#5A5A5A",
    "good": "#009E73",
    "bad": "#D55E00",
}
"""What is optimised is orange, what is wanted is blue (Okabe-Ito, safe for the colour-blind)."""

CYCLE = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#5A5A5A", "#8C6D31")


def figure(rows: int = 1, columns: int = 1, height: float = 2.9, width: float = 8.6, **settings):
    """A matplotlib figure and its axes in the workbook's style; one axes, or an array of them."""
    import matplotlib.pyplot as plt
    from cycler import cycler

    style = {
        "axes.prop_cycle": cycler(color=CYCLE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "axes.titlesize": 10.5,
        "axes.labelsize": 9.5,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.fontsize": 8.5,
        "legend.frameon": False,
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "font.family": "DejaVu Sans",
    }
    with plt.rc_context(style):
        return plt.subplots(
            rows, columns, figsize=(width, height * rows), layout="constrained", **settings
        )
