"""Lab: score shopping. One model, 48 settings, a handful of questions; and what the best of them is worth elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...evaluation import Estimate, proportion
from ...plots import COLOURS, CYCLE
from ..kit.lab import Lab, choice, menu, plot, send, side_plot, slider
from ..kit.words import plain
from .questions import DECODINGS, GENERATED, SCORERS, SHOTS, TEMPLATES, setting

COUNTS = (12, 24, 48, 96)
START = "value anywhere"


@dataclass(frozen=True)
class Shopped:
    """Scores of all settings on the questions drawn, from the lowest; the chosen one, its place and interval; the
    best one, and its score on the other questions; the best so far of settings tried in some order, and the same
    setting on the other questions."""

    ranked: list[str]
    scores: dict[str, float]
    chosen: Estimate
    place: int
    best: str
    elsewhere: float
    reported: list[float]
    worth: list[float]


def shop_for(right: Mapping[str, np.ndarray], name: str, count: int, draw: int) -> Shopped:
    """Score all settings on `count` questions drawn by lot. right: setting -> right or wrong of each question (N,)."""
    dice = np.random.default_rng(draw)
    order = dice.permutation(len(right[name]))
    here, other = order[:count], order[count:]
    scores = {key: float(hits[here].mean()) for key, hits in right.items()}
    others = {key: float(hits[other].mean()) for key, hits in right.items()}
    ranked = sorted(scores, key=lambda key: (scores[key], key))
    tried = [list(scores)[place] for place in dice.permutation(len(scores))]
    leaders = [max(tried[: k + 1], key=scores.__getitem__) for k in range(len(tried))]
    return Shopped(
        ranked,
        scores,
        proportion(float(right[name][here].sum()), count),
        ranked.index(name),
        ranked[-1],
        others[ranked[-1]],
        [scores[key] for key in leaders],
        [others[key] for key in leaders],
    )


def describe(found: Shopped, name: str, count: int) -> str:
    """The chosen score, the best, and the middle, in words."""
    middle = found.scores[found.ranked[len(found.ranked) // 2]]
    return (
        f"'{name}' on {count} questions: {found.chosen!r}. The best of {len(found.scores)} settings, '{found.best}', says "
        f"{plain(found.scores[found.best])} here and {plain(found.elsewhere)} on the other questions; the median setting {plain(middle)}."
    )


def shopping_lab(right: Mapping[str, np.ndarray]) -> Lab:
    """The lab over one model's answers. right: as `questions.shopped` gives it."""
    figure = plot(1, ("one model, all settings",), height=360)
    figure.add_scatter(
        name="a setting", mode="markers", marker={"size": 7, "color": "#9A9A9A"}, showlegend=False
    )
    figure.add_scatter(
        name="yours", mode="markers", marker={"size": 13, "color": CYCLE[1]}, showlegend=False,
        error_y={"type": "data", "array": [], "arrayminus": [], "color": CYCLE[1]},
    )  # fmt: skip
    figure.update_xaxes(title="settings, from the lowest score to the highest")
    figure.update_yaxes(title="share right", range=[-0.05, 1.08])
    figure.update_layout(hovermode=False)
    side = side_plot("settings tried", "best so far")
    for label, colour in (("as reported", CYCLE[1]), ("on other questions", COLOURS["gold"])):
        side.add_scatter(name=label, line={"color": colour, "width": 2.5, "shape": "hv"})
    side.update_yaxes(range=[-0.05, 1.08])
    controls = {
        "template": menu("template", TEMPLATES, "chat", "the chat template, or the bare text of the question"),
        "shots": choice("examples", SHOTS, 0, "solved questions before the real one"),
        "decoding": menu("decoding", tuple(DECODINGS), "greedy", "the likeliest token each time, or drawn at temperature 1"),
        "scorer": menu("scorer", SCORERS, START, "what counts as right; the last four read no answer"),
        "items": choice("questions", COUNTS, 24, "questions in the exam, drawn from 180"),
        "draw": slider("draw", 0, 0, 20, 1, "another draw of questions, and another order of trying"),
    }  # fmt: skip

    def update(template, shots, decoding, scorer, items, draw) -> str:
        for name in ("shots", "decoding"):
            if controls[name].disabled != (scorer not in GENERATED):
                controls[name].disabled = scorer not in GENERATED
        name = setting(template, shots, decoding, scorer)
        found = shop_for(right, name, items, draw)
        with figure.batch_update():
            send(
                figure.data[0],
                list(range(len(found.ranked))),
                [found.scores[key] for key in found.ranked],
            )
            send(figure.data[1], [found.place], [found.chosen.value])
            figure.data[1].error_y.array = [found.chosen.high - found.chosen.value]
            figure.data[1].error_y.arrayminus = [found.chosen.value - found.chosen.low]
        with side.batch_update():
            for trace, curve in zip(side.data, (found.reported, found.worth), strict=True):
                send(trace, list(range(1, len(curve) + 1)), curve)
        return describe(found, name, items)

    tasks = (
        "scorer: which ones put this model at 0, and which at 1? Does the interval warn you?",
        "draw, with 12 questions: how far does one and the same setting jump?",
        "decoding 'sampled': which scorers care?",
        "below: how many settings must be tried before the report says 1? Is that setting honest on other questions?",
    )
    return Lab("Score shopping", controls, figure, update, tasks, side=side)
