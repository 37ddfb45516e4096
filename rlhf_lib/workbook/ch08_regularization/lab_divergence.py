"""Lab: a Gaussian fitted to two summits by the forward and by the reverse KL."""

from __future__ import annotations

from ...exact import Fit, fit_gaussian, grid, mass_between, two_modes
from ...plots import CYCLE
from ..kit.lab import Lab, plot, slider
from ..kit.words import plain, signed


def fits(gap: float, weight: float, start: float) -> dict[str, Fit]:
    """Direction -> the fit, both from a narrow Gaussian at `start`."""
    target = two_modes(gap, weight)
    return {d: fit_gaussian(target, d, (start, 0.7)) for d in ("forward", "reverse")}


def describe(gap: float, weight: float, start: float) -> tuple[dict[str, Fit], str]:
    """(fits, sentence): where each fit stands and what it misses."""
    found = fits(gap, weight, start)
    forward, reverse = found["forward"], found["reverse"]
    target = two_modes(gap, weight)
    valley = (-gap / 4, gap / 4)
    shares = [mass_between(logp, *valley) for logp in (target, forward.logp)]
    covers = (
        f"Forward covers both: mean {signed(forward.mean)}, sd {forward.sd:.2f}; it puts {shares[1]:.0%} "
        f"of its answers into the middle, where the target has {shares[0]:.0%}."
    )
    right = mass_between(reverse.logp, 0.0, 9.0)
    both = min(right, 1 - right) > 0.5 * min(weight, 1 - weight)
    left = right < 0.5
    seeks = (
        f"Reverse: mean {signed(reverse.mean)}, sd {reverse.sd:.2f}, KL {plain(reverse.reverse_kl)} nats; "
        + (
            "the summits are so near that it takes both."
            if both
            else f"it sits on the {'left' if left else 'right'} summit and gives up "
            f"{weight if left else 1 - weight:.0%} of the target."
        )
    )
    return found, f"{covers} {seeks}"


def divergence_lab() -> Lab:
    """The live lab."""
    figure, places = plot(height=360), grid(401)
    shown = slice(0, None, 2)
    figure.add_scatter(name="target", fill="tozeroy", line={"color": "#808080", "width": 1})
    figure.add_scatter(name="forward KL (SFT)", line={"color": CYCLE[0], "width": 3})
    figure.add_scatter(name="reverse KL (RL)", line={"color": CYCLE[1], "width": 3})
    figure.add_scatter(
        name="start",
        mode="markers",
        marker={"size": 11, "color": CYCLE[3], "symbol": "triangle-up"},
    )
    figure.update_xaxes(title="answer (a place on a line)", range=[-6, 6])
    figure.update_yaxes(title="density", range=[-0.03, 0.7])
    controls = {
        "gap": slider("distance", 4.0, 0.0, 7.0, 0.1, "between the target's two summits"),
        "weight": slider("right summit", 0.4, 0.05, 0.95, 0.05, "its share of the target"),
        "start": slider("start", -1.0, -4.0, 4.0, 0.1, "where the fit begins"),
    }

    def update(gap, weight, start) -> str:
        found, sentence = describe(gap, weight, start)
        step = float(places[1] - places[0])
        curves = (two_modes(gap, weight), found["forward"].logp, found["reverse"].logp)
        with figure.batch_update():
            for trace, logp in zip(figure.data[:3], curves, strict=True):
                trace.x, trace.y = places[shown].numpy(), (logp.exp() / step)[shown].numpy()
            figure.data[3].x, figure.data[3].y = [start], [0.0]
        return sentence

    tasks = (
        "move the start from left to right: which of the two fits cares where it began?",
        "bring the summits together: at which distance does reverse take both?",
        "right summit 0.1, start at +3: reverse stays on the small summit. Is that its best fit?",
    )
    return Lab("Which of two summits?", controls, figure, update, tasks)
