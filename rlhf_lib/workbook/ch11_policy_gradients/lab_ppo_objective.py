"""Lab: the policy objectives as functions of the ratio, straight from `objectives.policy_loss`."""

from __future__ import annotations

import numpy as np

from ...plots import CYCLE
from ..kit.lab import Lab, menu, plot, slider
from .figures import objective_curve


def describe(ratio: float, advantage: float, algorithm: str, clip_low: float, clip_high: float):
    """(objective, push on log pi, sentence) for one token."""
    _, objective, slope = objective_curve(advantage, algorithm, clip_low, clip_high, [ratio])
    value, push = float(objective[0]), float(slope[0])
    clip = 1 - clip_low, 1 + clip_high
    words = _words(ratio, push, algorithm, clip) if advantage else NO_PUSH
    place = f"ratio {ratio:.2f}, clip range {clip[0]:.2f} to {clip[1]:.2f}"
    return value, push, f"{place}: objective {value:+.2f}, push {push:+.2f}; {words}."


NO_PUSH = "an advantage of 0 gives no push"


def _words(ratio: float, push: float, algorithm: str, clip: tuple[float, float]) -> str:
    """What the algorithm does with this token."""
    pushed = f"pushed {'up' if push > 0 else 'down'}"
    outside = not clip[0] <= ratio <= clip[1]
    if algorithm == "reinforce":
        return f"it is {pushed} by the advantage alone, however far it has moved"
    if abs(push) < 1e-12:
        return "the clip is active: gradient 0, this token has moved far enough"
    if not outside:
        return f"within the clip range it is {pushed}"
    if algorithm == "cispo":
        return f"its weight is held at {min(max(ratio, clip[0]), clip[1]):.2f}, and it is {pushed}"
    return f"it has moved the wrong way, so the clip lets it be {pushed} again"


def objective_lab() -> Lab:
    """The live lab."""
    figure = plot(height=360)
    figure.add_scatter(name="objective", line={"color": CYCLE[0], "width": 3})
    figure.add_scatter(name="push on log π", line={"color": CYCLE[1], "width": 2, "dash": "dash"})
    figure.add_scatter(name="this token", mode="markers", marker={"size": 12, "color": CYCLE[:2]})
    figure.update_xaxes(title="ratio π / π_old", range=[0.3, 1.9])
    figure.update_yaxes(range=[-4, 4])
    figure.add_vrect(0.8, 1.2, fillcolor="#808080", opacity=0.15, line_width=0, layer="below")
    controls = {
        "ratio": slider(
            "ratio", 1.0, 0.3, 1.9, 0.02, "how far this token has moved since it was drawn"
        ),
        "advantage": slider(
            "advantage", 1.0, -2.0, 2.0, 0.1, "better (+) or worse (-) than expected"
        ),
        "algorithm": menu(
            "algorithm",
            ["ppo", "cispo", "reinforce"],
            "ppo",
            "which loss (GSPO: as PPO, one ratio a sequence)",
        ),
        "clip_low": slider("clip low", 0.2, 0.0, 0.6, 0.02, "room below 1"),
        "clip_high": slider("clip high", 0.2, 0.0, 0.6, 0.02, "room above 1 (DAPO: 0.28)"),
    }

    def update(ratio, advantage, algorithm, clip_low, clip_high) -> str:
        grid = np.linspace(0.3, 1.9, 81)
        _, objective, slope = objective_curve(advantage, algorithm, clip_low, clip_high, grid)
        value, push, sentence = describe(ratio, advantage, algorithm, clip_low, clip_high)
        with figure.batch_update():
            for trace, y in zip(figure.data[:2], (objective, slope), strict=True):
                trace.x, trace.y = grid, y
            figure.data[2].x, figure.data[2].y = [ratio, ratio], [value, push]
            figure.layout.shapes[0].x0, figure.layout.shapes[0].x1 = 1 - clip_low, 1 + clip_high
        return sentence

    tasks = (
        "advantage +1: from which ratio on does the push vanish? And for -1?",
        "ratio 1.5, advantage -1: is this token still pushed? Why must it be?",
        "switch to cispo at ratio 1.5, advantage +1: what is different from ppo?",
    )
    return Lab("One token's objective", controls, figure, update, tasks)
