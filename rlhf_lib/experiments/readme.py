"""Redraw the README's picture from the stored band of five seeds: `make figures`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..plots.curves import LABELS
from ..plots.style import COLOURS, figure
from .bands import load_band

FILE = Path(__file__).resolve().parents[2] / "chapters" / "figures" / "over_optimization.png"


def plot_free_and_held(band: dict, held: dict):
    """Proxy and gold over steps, median and range of five seeds: without and with a KL penalty.

    band, held: what `make claims` stores for chapter 18 without and with the penalty. Returns the matplotlib figure.
    """
    fig, axes = figure(1, 2, height=3.1, width=8.4, sharex=True)
    for axis, name in zip(axes, ("proxy", "gold"), strict=True):
        for label, part, style in (
            ("no KL penalty", band, "-"),
            ("KL penalty", held, "--"),
        ):
            low, median, high = (np.array(part[name][key]) for key in ("low", "median", "high"))
            axis.fill_between(np.arange(len(low)), low, high, color=COLOURS[name], alpha=0.13, lw=0)
            axis.plot(median, style, color=COLOURS[name], lw=2.4, label=label)
        axis.set(xlabel="training step", title=LABELS[name])
    highest = max(band["gold"]["median"])
    gain = highest - band["start"]
    # The fall goes on below the picture: shown whole, it would flatten the rise.
    axes[1].set_ylim(band["start"] - 4 * gain, highest + 0.6 * gain)
    axes[1].axhline(band["start"], color=COLOURS["neutral"], lw=1, ls=":", label="before RLHF")
    for axis in axes:
        axis.legend(loc="best")
    return fig


def main() -> None:
    """Draw and save."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    plot_free_and_held(load_band("over_optimization"), load_band("kl_penalty")).savefig(
        FILE, dpi=110
    )
    print(f"wrote {FILE.name}")


if __name__ == "__main__":
    main()
