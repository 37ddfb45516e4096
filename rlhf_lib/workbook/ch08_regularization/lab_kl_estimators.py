"""Lab: the distributions of k1, k2 and k3 by distance of the policies and number of samples."""

from __future__ import annotations

import numpy as np

from ...exact import drifted, estimator_moments, repeated_estimates
from ...objectives import exact_kl
from ...plots import CYCLE
from ..kit.lab import Lab, menu, plot, slider
from ..kit.words import counted, plain, signed

REPEATS = 400


def describe(drift: str, distance: float, count: int):
    """(KL, estimator -> (REPEATS,) estimates, sentence)."""
    logp, ref = drifted(drift, distance)
    kl = exact_kl(logp, ref).item()
    found = {k: x.numpy() for k, x in repeated_estimates(logp, ref, count, REPEATS).items()}
    exact = {k: estimator_moments(logp, ref, k) for k in found}
    error = {k: m.deviation / count**0.5 for k, m in exact.items()}
    below = (found["k1"] < 0).mean()
    numbers = "; ".join(
        f"{k}: bias {signed(exact[k].bias, 3)}, standard deviation {error[k]:.3f}" for k in found
    )
    total = {k: np.hypot(exact[k].bias, error[k]) for k in found}
    best = min(total, key=total.get)
    return (
        kl,
        found,
        (
            f"KL {plain(kl, 3)} nats. Mean of {counted(count, 'sample')}: {numbers}. k1 is negative in {below:.0%} of the "
            f"repeats. Smallest total error: {best}. Each panel's last bar also holds all larger estimates."
        ),
    )


def estimator_lab() -> Lab:
    """The live lab."""
    figure = plot(3, ("k1", "k2", "k3"), height=330)
    for column, colour in enumerate(CYCLE[:3], start=1):
        figure.add_bar(marker={"color": colour}, showlegend=False, row=1, col=column)
        figure.add_vline(0.0, line_dash="dash", line_color="#808080", row=1, col=column)
    figure.update_layout(bargap=0)
    figure.update_xaxes(
        title="estimate (nats)", ticks="outside", ticklen=8, tickcolor="rgba(0,0,0,0)"
    )
    figure.update_yaxes(range=[0, 0.5])
    figure.update_yaxes(title="share of repeats", col=1)
    controls = {
        "drift": menu(
            "drift", ["all a little", "one dropped"], "all a little", "how policies differ"
        ),
        "distance": slider("distance", 0.5, 0.1, 3.0, 0.1, "how far the policy has drifted"),
        "count": slider("samples", 16, 1, 256, 1, "samples in each estimate"),
    }

    def update(drift, distance, count) -> str:
        kl, found, sentence = describe(drift, distance, count)
        together = np.concatenate(list(found.values()))
        low, high = min(0.0, together.min()), max(np.quantile(together, 0.995), 1.5 * kl)
        edges = np.linspace(low, high, 25)
        with figure.batch_update():
            for place, values in enumerate(found.values()):
                counts, _ = np.histogram(values.clip(low, high), edges)
                trace = figure.data[place]
                trace.x, trace.y = (edges[1:] + edges[:-1]) / 2, counts / len(values)
                trace.width = edges[1] - edges[0]
                figure.layout.shapes[place].x0 = figure.layout.shapes[place].x1 = kl
        return sentence

    tasks = (
        "distance 0.1: how many samples does k1 need to scatter as little as k3 does with 16?",
        "distance 2, 16 samples: which has the smallest standard deviation now, and why is it not k3?",
        "one dropped, distance 2: no picture shows k3's spikes. Which number in the sentence does?",
    )
    return Lab("Three estimators of one number", controls, figure, update, tasks)
