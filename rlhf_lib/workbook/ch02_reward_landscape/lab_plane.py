"""Lab: a real model. The plane through three checkpoints as a landscape, with the training run on it."""

from __future__ import annotations

from functools import cache

import numpy as np

from ...experiments import Plane, load_plane
from ...plots import COLOURS
from ...plots.plane import finer, plane_floor
from ..kit.lab import Lab, choice, menu, player, side_plot, slider
from ..kit.scene import Stage
from ..kit.words import plain, signed

SURFACES = {
    "gold reward": "gold",
    "proxy reward": "proxy",
    "KL to the SFT model (nats)": "kl",
}
UNITS = {"gold": "points", "proxy": "sd of SFT answers", "kl": "nats"}
RUN, MIXTURE = "#E3008C", "#F0E442"
MARKS = {"SFT": "#FFFFFF", "gold peak": "#4FB3FF", "over-optimized": "#FF8A3D"}


@cache
def stored() -> Plane:
    """The measured plane that is shipped."""
    return load_plane()


def run_series(plane: Plane, name: str) -> list[float]:
    """One measure along the training run."""
    return [row[name] for row in plane.path]


def read(plane: Plane, a: float, b: float) -> dict[str, float]:
    """gold, proxy and KL at a place of the plane, between the measured points bilinearly."""
    x = np.interp(a, plane.a.numpy(), np.arange(len(plane.a)))
    y = np.interp(b, plane.b.numpy(), np.arange(len(plane.b)))
    j, i = min(int(x), len(plane.a) - 2), min(int(y), len(plane.b) - 2)
    u, v = x - j, y - i
    found = {}
    for name in UNITS:
        table = getattr(plane, name).numpy()
        near, far = (table[r, j] * (1 - u) + table[r, j + 1] * u for r in (i, i + 1))
        found[name] = float(near * (1 - v) + far * v)
    return found


def describe(plane: Plane, row: int, a: float, b: float) -> str:
    """The run at one of its steps, and the mixture of weights under the pin."""
    at, mixed = plane.path[row], read(plane, a, b)
    return (
        f"Step {at['step']} of the run: gold {signed(at['gold'])}, proxy {signed(at['proxy'])}, KL {plain(at['kl'], 1)} nats. "
        f"The yellow pin is a model that nobody trained, the weights SFT + {a:.2f} u + {b:.2f} v: gold "
        f"<b>{signed(mixed['gold'])}</b>, proxy <b>{signed(mixed['proxy'])}</b>, KL {plain(mixed['kl'], 1)} nats."
    )


def plane_lab() -> Lab:
    """The live lab over the stored measurements."""
    plane = stored()
    stage, side = Stage(), run_plot(plane)
    controls = plane_controls(plane)

    def update(surface, step, a, b) -> str:
        row = run_series(plane, "step").index(step)
        draw(stage, plane, SURFACES[surface], row, a, b)
        with side.batch_update():
            for line in side.layout.shapes:
                line.update(x0=step, x1=step)
        return f"The height is the {surface}. {describe(plane, row, a, b)}"

    tasks = (
        "play the run on “gold reward”: where does it leave the plateau? Did the proxy say so?",
        "switch to “proxy reward” there: what does the cliff look like through the proxy?",
        "put the pin half-way from SFT to the gold peak (a = 0.5, b = 0): a mixture of weights, is it a fair model?",
        "b from 0 to 1 at a = 1: which of the three numbers reacts first, which last?",
    )
    return Lab("A real model: the plane through three checkpoints", controls, stage, update, tasks,
               extra=player(controls["step"], 300), side=side)  # fmt: skip


def plane_controls(plane: Plane) -> dict:
    """The lab's controls by name."""
    steps = run_series(plane, "step")
    a, b = ((float(x.min()), float(x.max())) for x in (plane.a, plane.b))
    return {
        "surface": menu("surface", list(SURFACES), "gold reward", "what the height shows; look for a cliff that only gold has"),
        "step": choice("step", steps, steps[-1], "how far training has come; play it and look at both curves"),
        "a": slider("pin: a", 0.2, round(a[0], 1), round(a[1], 1), 0.05, "mix in weights towards the gold peak; look at the three numbers"),
        "b": slider("pin: b", 0.2, round(b[0], 1), round(b[1], 1), 0.05, "mix in weights aside, towards over-optimization; look when gold breaks"),
    }  # fmt: skip


def run_plot(plane: Plane):
    """Gold and proxy along the run, each in its own unit."""
    side = side_plot("", "", height=230, rows=2)
    for row, name in enumerate(("proxy", "gold"), start=1):
        line = {"color": COLOURS[name], "width": 2.5}
        side.add_scatter(x=run_series(plane, "step"), y=run_series(plane, name), name=name, line=line,
                         showlegend=False, row=row, col=1)  # fmt: skip
        side.add_vline(0, line={"color": "#808080", "dash": "dot"}, row=row, col=1)
        side.update_yaxes(title=f"{name} ({UNITS[name].split()[0]})", row=row)
    side.update_yaxes(range=[plane_floor(plane), max(run_series(plane, "gold")) + 0.2], row=2)
    side.update_xaxes(title={"text": "step of training", "standoff": 4}, row=2)
    return side


def draw(stage: Stage, plane: Plane, name: str, row: int, a: float, b: float) -> None:
    """One measure as a landscape, the run up to a step, the checkpoints and the pin."""
    xs, ys, heights = finer(plane, name)
    extent = (float(xs[0]), float(xs[-1]), float(ys[0]), float(ys[-1]))
    scaled, move = to_map(extent)
    limits = (plane_floor(plane), float(heights.max())) if name == "gold" else None
    low, high = stage.surface(
        "ground", heights, limits, "value" if name == "kl" else "altitude", extent=scaled
    )
    stage.axes("a: from SFT to the gold peak", "b: aside", extent=scaled)
    run = move(np.array([[r["a"], r["b"]] for r in plane.path[: max(row, 1) + 1]]))
    stage.path("run", run if row else run[:1].repeat(2, 0), "ground", RUN, width=0.09)
    for label, colour in MARKS.items():
        at = plane.checkpoints[label]
        words = f"{label}: {plain(at[name], 1)}"
        stage.pin(label, move(np.array([[at["a"], at["b"]]]))[0], "ground", colour, words)
    stage.pin("mixture", move(np.array([[a, b]]))[0], "ground", MIXTURE)
    cut = ", cut off below" if name == "gold" else ""
    stage.legend(
        ("value" if name == "kl" else "altitude", f"{name} {plain(low, 1)} to {plain(high, 1)} {UNITS[name]}{cut}"),
        (RUN, "the training run"), (f"o{MIXTURE}", "your mixture of weights"),
    )  # fmt: skip


def to_map(extent):
    """(extent in map units, function from plane coordinates (P, 2) to map units): as wide as the other maps."""
    left, right, near, far = extent
    scale = 8 / max(right - left, far - near)
    centre = np.array([(left + right) / 2, (near + far) / 2])
    half = scale * (right - left) / 2, scale * (far - near) / 2
    return (-half[0], half[0], -half[1], half[1]), lambda points: (points - centre) * scale
