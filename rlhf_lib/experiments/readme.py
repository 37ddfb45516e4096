"""Redraw the README's picture from the stored long runs: `make figures`."""

from __future__ import annotations

from pathlib import Path

from ..plots.curves import RISE_LABELS
from ..plots.style import COLOURS, figure
from .build_rise import rise_runs
from .stored import band_over

FILE = Path(__file__).resolve().parents[2] / "chapters" / "figures" / "over_optimization.png"


def plot_stored_runs(runs: list[dict]):
    """Proxy and gold over steps: each run thin, their median thick. Returns the matplotlib figure."""
    fig, axes = figure(1, 2, height=3.1, width=8.4, sharex=True)
    band = band_over(runs)
    for axis, name in zip(axes, ("proxy", "gold"), strict=True):
        for run in runs:
            axis.plot(run["step"], run[name], color=COLOURS[name], lw=0.8, alpha=0.4)
        axis.plot(band["step"], band[name]["median"], color=COLOURS[name], lw=2.6)
        axis.set(xlabel="training step", title=RISE_LABELS[name])
    axes[1].set_ylim(
        -2.2, 0.8
    )  # three runs go on falling below: shown whole, they would flatten the rise
    axes[1].axhline(band["gold"]["median"][0], color=COLOURS["neutral"], lw=1, ls=":")
    return fig


def main() -> None:
    """Draw and save."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    plot_stored_runs(rise_runs()).savefig(FILE, dpi=110)
    print(f"wrote {FILE.name}")


if __name__ == "__main__":
    main()
