"""Pictures of chapter 01: the loop, carts and clips, what a cart has learned, stages, pushes on tokens, a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ...exact.cart import EDGE, HALF_LENGTH, LEAN, SECONDS, Rides
from ...exact.clips import Lessons, Wish
from ...plots import COLOURS, CYCLE, figure
from .history import PARTS, WORKS

BOXES = {"policy": (0.12, 0.5), "clips": (0.42, 0.82), "judge": (0.86, 0.82), "reward": (0.72, 0.2)}
"""Places of the four boxes of the loop."""


def plot_loop(words: Mapping[str, str], arrows: Sequence[str]) -> None:
    """The loop as four boxes with arrows: policy, what it does, who compares, reward model, policy again.

    words: box -> its text. arrows: the texts of the four arrows, in that order.
    """
    _, axis = figure(height=2.7)
    axis.set(xlim=(-0.06, 1.06), ylim=(0, 1))
    axis.axis("off")
    for name, (x, y) in BOXES.items():
        box = {"boxstyle": "round,pad=0.5", "fc": "#EEF4FA", "ec": CYCLE[0]}
        axis.text(x, y, words[name], ha="center", va="center", bbox=box, fontsize=9, zorder=4)
    order = [*BOXES, "policy"]
    for start, end, text in zip(order, order[1:], arrows, strict=False):
        join(axis, BOXES[start], BOXES[end], text)


def join(axis, start: tuple, end: tuple, text: str) -> None:
    """An arrow between two boxes, with its text."""
    style = {"arrowstyle": "-|>", "color": COLOURS["proxy"], "lw": 1.8}
    axis.annotate("", end, start, arrowprops=style | {"shrinkA": 30, "shrinkB": 40})
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    ground = {"fc": "white", "ec": "none", "pad": 1.5}
    axis.text(
        x, y, text, ha="center", va="center", fontsize=8.5, color=COLOURS["proxy"], bbox=ground
    )


def plot_clips(first: Tensor, second: Tensor, titles: Sequence[str]) -> None:
    """Two clips (L, 4) as carts that fade in: the darkest is the last."""
    _, axes = figure(1, 2, height=1.9)
    for axis, clip, title in zip(axes, (first, second), titles, strict=True):
        for state, alpha in zip(clip[::6], np.linspace(0.15, 1, len(clip[::6])), strict=True):
            draw_cart(axis, state, alpha)
        axis.axhline(-0.2, color="0.6", lw=1)
        axis.set(
            title=title,
            xlim=(-EDGE, EDGE),
            ylim=(-0.4, 1.2),
            xlabel="x (m)",
            yticks=[],
            aspect="equal",
        )
        axis.grid(False)


def draw_cart(axis, state: Tensor, alpha: float = 1.0) -> None:
    """A cart with its pole, in metres."""
    from matplotlib.patches import Rectangle

    x, _, angle, _ = state.tolist()
    axis.add_patch(Rectangle((x - 0.25, -0.2), 0.5, 0.2, color=CYCLE[0], alpha=alpha, lw=0))
    tip = x + 2 * HALF_LENGTH * np.sin(angle), 2 * HALF_LENGTH * np.cos(angle)
    axis.plot([x, tip[0]], [0, tip[1]], color=CYCLE[1], lw=3, alpha=alpha)


def plot_places(shown: Mapping[str, Rides], wish: float, most: int = 16) -> None:
    """Place over time of some rides of each pupil; a cross where a ride ends early."""
    _, axes = figure(1, len(shown), height=2.4, sharey=True)
    for axis, (title, rides) in zip(np.atleast_1d(axes), shown.items(), strict=True):
        for states, steps in zip(
            rides.states[:most], rides.steps[:most].int().tolist(), strict=True
        ):
            places = states[:steps, 0]
            axis.plot(np.arange(steps) * SECONDS, places, color=CYCLE[0], lw=0.9, alpha=0.7)
            if steps < rides.mask.shape[1]:
                axis.plot((steps - 1) * SECONDS, places[-1], "x", color=COLOURS["bad"], ms=5)
        axis.axhline(wish, color=COLOURS["gold"], ls="--", lw=1.2)
        axis.set(
            title=title,
            xlabel="seconds",
            ylim=(-EDGE, EDGE),
            xlim=(0, rides.mask.shape[1] * SECONDS),
        )
    np.atleast_1d(axes)[0].set_ylabel("place x (m)")


def plot_lessons(stored: Mapping, live: Mapping, titles: Mapping[str, str]) -> None:
    """Rounds against the share of the last second at the mark: bands of five runs, and the reader's own."""
    _, axes = figure(1, len(titles), height=2.3, sharey=True)
    for axis, (arm, title) in zip(axes, titles.items(), strict=True):
        band = stored[arm]["mark"]
        axis.fill_between(stored[arm]["step"], band["low"], band["high"], color="0.85")
        axis.plot(stored[arm]["step"], band["median"], color="0.45", lw=1.2)
        if arm in live:
            axis.plot(live[arm]["step"], live[arm]["mark"], "o-", color=COLOURS["gold"], lw=2, ms=3)
        axis.set(title=title, xlabel="round", ylim=(-0.03, 1.03))
    axes[0].set_ylabel("share of the last\nsecond at the mark")


@torch.no_grad()
def plot_reward_map(pupil: Lessons, wish: Wish, compared: Tensor | None = None) -> None:
    """The wish and the learned reward over place and angle, at rest; dots where clips were compared."""
    fig, axes = figure(1, 2, height=2.7, sharey=True)
    x, angle = torch.linspace(-EDGE, EDGE, 60), torch.linspace(-1.2 * LEAN, 1.2 * LEAN, 50)
    states = torch.zeros(50, 60, 4)
    states[..., 0], states[..., 2] = x, angle[:, None]
    degrees = angle * 180 / torch.pi
    for axis, title, values in zip(
        axes,
        ("what is wished", "what was learned"),
        (wish(states), pupil.rewards(states)),
        strict=True,
    ):
        scaled = (values - values.min()) / (values.max() - values.min())
        drawn = axis.contourf(x, degrees, scaled, levels=12, cmap="viridis")
        axis.set(title=title, xlabel="place x (m)")
        axis.grid(False)
    if compared is not None:
        dots = compared.reshape(-1, 4)[::25]
        axes[1].plot(dots[:, 0], dots[:, 2] * 180 / torch.pi, ".", color="white", ms=1.5, alpha=0.7)
        axes[1].set(xlim=(-EDGE, EDGE), ylim=(degrees[0], degrees[-1]))
    axes[0].set_ylabel("angle (degrees)")
    fig.colorbar(drawn, ax=axes, label="lowest to highest")


STAGE_PANELS = {
    "knows": "facts it knows (share)",
    "ends": "answers that end (share)",
    "gold": "gold (points)",
    "sums": "sums right (share)",
}


def plot_stages(results: Sequence[Mapping]) -> None:
    """One panel a measure, one column a stage; a dot for each seed."""
    _, axes = figure(1, len(STAGE_PANELS), height=2.3)
    stages = list(results[0])
    for axis, (measure, title) in zip(axes, STAGE_PANELS.items(), strict=True):
        table = np.array([[run[stage][measure] for stage in stages] for run in results])
        axis.plot(np.median(table, 0), color="0.7", lw=1.2)
        for place in range(len(stages)):
            axis.plot(
                [place] * len(table), table[:, place], "o", color=CYCLE[place], ms=5, alpha=0.7
            )
        axis.set(xticks=range(len(stages)), xlim=(-0.5, len(stages) - 0.5))
        axis.set_xticklabels(stages, fontsize=8)
        axis.set_title(title, fontsize=9)
        if measure != "gold":
            axis.set_ylim(-0.05, 1.05)


def plot_pushes(
    answers: Mapping[str, Sequence[str]], pushes: Mapping[str, Sequence[float]]
) -> None:
    """How hard each token of some answers is pushed up or down; one row an answer."""
    _, axes = figure(len(answers), 1, height=1.15, sharey=True)
    for axis, (title, tokens) in zip(np.atleast_1d(axes), answers.items(), strict=True):
        values = np.asarray(pushes[title])
        colours = [COLOURS["good"] if value > 0 else COLOURS["bad"] for value in values]
        axis.bar(range(len(values)), values, color=colours, width=0.7)
        axis.axhline(0, color="0.3", lw=0.8)
        axis.set_xticks(range(len(values)), tokens, fontsize=7.5, rotation=0)
        axis.set_title(title, fontsize=8.5, loc="left")
        axis.grid(axis="x")
    np.atleast_1d(axes)[-1].set_xlabel("token")


def plot_sides(results: Sequence[Mapping]) -> None:
    """By how much the log-probabilities of unseen chosen and rejected answers change; a dot for each seed."""
    _, axes = figure(1, len(results[0]), height=2.3, sharey=True)
    for axis, loss in zip(np.atleast_1d(axes), results[0], strict=True):
        for place, side in enumerate(("chosen", "rejected")):
            values = [run[loss][side] for run in results]
            colour = COLOURS["good"] if side == "chosen" else COLOURS["bad"]
            axis.bar(place, np.median(values), color=colour, alpha=0.35, width=0.6)
            axis.plot([place] * len(values), values, "o", color=colour, ms=5)
        axis.axhline(0, color="0.3", lw=0.8)
        axis.margins(y=0.12)
        axis.set(title=f"trained on {loss}", xticks=(0, 1), xticklabels=("chosen", "rejected"))
    np.atleast_1d(axes)[0].set_ylabel("change of log p\n(nats an answer)")


def plot_timeline() -> None:
    """Works from left to right, the parts of the loop from above to below; a dot where a work changed a part."""
    _, axis = figure(height=2.8)
    parts = list(PARTS)
    for place, work in enumerate(WORKS):
        for part in work.changed:
            axis.plot(place, -parts.index(part), "o", color=CYCLE[1], ms=9)
    axis.set(xlim=(-0.5, len(WORKS) - 0.5), ylim=(0.5 - len(parts), 0.5))
    axis.set_yticks([-row for row in range(len(parts))], [PARTS[part] for part in parts])
    names = [f"{lined(work.name)}\n{work.year}" for work in WORKS]
    axis.set_xticks(range(len(WORKS)), names, fontsize=7.5)


def lined(name: str) -> str:
    """A name of several words on two lines."""
    return name.replace(" ", "\n", 1)
