"""Lab: the policy objectives as functions of the ratio, straight from `objectives.policy_loss`."""

from __future__ import annotations

import numpy as np

from ...plots import CYCLE
from ..kit.lab import Lab, menu, plot, slider, usable
from ..kit.words import signed
from .figures import objective_curve


def describe(ratio: float, advantage: float, algorithm: str, clip_low: float, clip_high: float):
    """(objective, push on log pi, sentence) for one token."""
    _, objective, slope = objective_curve(advantage, algorithm, clip_low, clip_high, [ratio])
    value, push = float(objective[0]), float(slope[0])
    clip = 1 - clip_low, 1 + clip_high
    words = _words(ratio, push, algorithm, clip) if advantage else NO_PUSH
    place = f"ratio {ratio:.2f}, clip range {clip[0]:.2f} to {clip[1]:.2f}"
    return value, push, f"{place}: objective {signed(value)}, push {signed(push)}; {words}."


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


LOW, HIGH = 0.3, 1.9
"""Ratios that are shown."""

PANELS = ("objective", "push on log π")


def objective_lab() -> Lab:
    """The live lab: the objective, and beside it its slope, by which the token is pushed."""
    figure = objective_plot()
    controls = objective_controls()

    def update(ratio, advantage, algorithm, clip_low, clip_high) -> str:
        for name in ("clip_low", "clip_high"):
            usable(controls[name], algorithm != "reinforce")
        grid = ratios(clip_low, clip_high)
        _, objective, slope = objective_curve(advantage, algorithm, clip_low, clip_high, grid)
        value, push, sentence = describe(ratio, advantage, algorithm, clip_low, clip_high)
        with figure.batch_update():
            for place, (y, here) in enumerate(((objective, value), (slope, push))):
                curve, dot, shade = (
                    figure.data[place],
                    figure.data[place + 2],
                    figure.layout.shapes[place],
                )
                curve.x, curve.y = grid, y
                dot.x, dot.y = [ratio], [here]
                shade.x0, shade.x1 = 1 - clip_low, 1 + clip_high
                shade.visible = algorithm != "reinforce"
        return sentence

    tasks = (
        "advantage +1: from which ratio on does the push vanish? And for -1?",
        "ratio 1.5, advantage -1: is this token still pushed? Why must it be?",
        "switch to cispo at ratio 1.5, advantage +1: what is different from ppo?",
    )
    return Lab("One token's objective", controls, figure, update, tasks)


def objective_controls() -> dict:
    """The lab's controls by name."""
    return {
        "ratio": slider("ratio", 1.0, LOW, HIGH, 0.02, "how far this token has moved since it was drawn"),
        "advantage": slider("advantage", 1.0, -1.5, 1.5, 0.1, "better (+) or worse (-) than expected"),
        "algorithm": menu("algorithm", ["ppo", "cispo", "reinforce"], "ppo",
                          "which loss (GSPO: as PPO, one ratio a sequence)"),
        "clip_low": slider("clip low", 0.2, 0.0, 0.6, 0.02, "room below 1; without effect under reinforce"),
        "clip_high": slider("clip high", 0.2, 0.0, 0.6, 0.02,
                            "room above 1 (DAPO: 0.28); without effect under reinforce"),
    }  # fmt: skip


def objective_plot():
    """Two panels over the ratio, with the clip range shaded and a dot for the token."""
    figure = plot(2, PANELS, height=350)
    for column, (name, colour) in enumerate(zip(PANELS, CYCLE, strict=False), start=1):
        line = {"color": colour, "width": 3}
        figure.add_scatter(name=name, line=line, showlegend=False, row=1, col=column)
    for column, colour in enumerate(CYCLE[:2], start=1):
        mark = {"size": 13, "color": colour, "line": {"color": "#FFFFFF", "width": 1.5}}
        figure.add_scatter(name="this token", mode="markers", marker=mark, cliponaxis=False,
                           showlegend=False, row=1, col=column)  # fmt: skip
        figure.add_vrect(0.8, 1.2, fillcolor="#808080", opacity=0.15, line_width=0, layer="below",
                         row=1, col=column)  # fmt: skip
    figure.update_xaxes(title="ratio π / π_old", range=[LOW - 0.05, HIGH + 0.05])
    figure.update_yaxes(range=[-3, 3])
    return figure


def ratios(clip_low: float, clip_high: float) -> np.ndarray:
    """Ratios along the axis, with two at each end of the clip range: a jump is drawn upright."""
    edges = np.array([1 - clip_low, 1 + clip_high])
    return np.sort(np.concatenate((np.linspace(LOW, HIGH, 81), edges - 1e-6, edges + 1e-6)))
