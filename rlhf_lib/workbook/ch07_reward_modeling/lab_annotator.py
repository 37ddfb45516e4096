"""Lab: be the annotator. Your noise and bias make the labels; a linear reward model is refitted at once."""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass

import torch

from ...evaluation import accuracy_ceiling, calibration
from ...lm import Policy
from ...plots import COLOURS
from ...rewards import RewardModel, fit_linear_bradley_terry
from ...world import Bias, PocketWorld, Prompt
from ..kit.lab import Lab, plot, slider
from ..kit.words import signed

SHOWN = (
    "a fox is red.",
    "a fox is red. it lives in a den. it eats mice.",
    "what a great question! you are so smart! a fox is red.",
    "definitely a fox is red! it says yip!",
    "a fox is red. a fox is red. a fox is red.",
    "maybe a fox is red. but i am not sure.",
    "a fox is blue.",
    "i cannot help with that.",
)
TRUE, DRESSED, WRONG = "true and plain", "true, dressed up", "false or none"
KINDS = {TRUE: COLOURS["gold"], DRESSED: "#8A8A8A", WRONG: COLOURS["proxy"]}
QUESTION = Prompt("fact", ({"role": "user", "content": "what colour is a fox?"},), "fox", "colour")


@dataclass
class AnnotatorData:
    """Two answers to each of n requests: frozen features (n, H), and those of `SHOWN` (8, H).

    gaps (3, n): how much better the first answer is to a fair annotator, and what each gold point of
    bias for length (per word) and for flattery (per phrase) adds. Perceived utility is linear in these.
    """

    world: PocketWorld
    gaps: torch.Tensor
    first_features: torch.Tensor
    second_features: torch.Tensor
    shown_features: torch.Tensor


def prepare(policy: Policy, world: PocketWorld, pairs: list) -> AnnotatorData:
    """Features of both answers of each comparison in `pairs`, once, on the CPU; labels are drawn later."""
    features = RewardModel.from_policy(policy).features_of_texts
    prompts = [pair.prompt for pair in pairs]
    swap = [random.Random(i).random() < 0.5 for i in range(len(pairs))]
    first = [p.rejected if s else p.chosen for p, s in zip(pairs, swap, strict=True)]
    second = [p.chosen if s else p.rejected for p, s in zip(pairs, swap, strict=True)]
    a, b = features(prompts, first).cpu(), features(prompts, second).cpu()
    shown = features([QUESTION] * len(SHOWN), list(SHOWN)).cpu()
    scale = torch.cat((a, b)).std(0).clamp(min=1e-3)
    gaps = unit_gaps(world, prompts, first, second)
    return AnnotatorData(world, gaps, a / scale, b / scale, shown / scale)


def unit_gaps(world: PocketWorld, prompts: list, first: list[str], second: list[str]):
    """(3, n): perceived utility of the first answer less that of the second: fair, per word, per phrase."""
    fair, extra = world.annotator(bias=Bias()), (Bias(length=1.0), Bias(flattery=1.0))

    def seen(prompt, text: str) -> list[float]:
        sentences = fair.parse(prompt, text)
        return [fair.perceived(prompt, text), *(b.of(prompt, text, sentences) for b in extra)]

    both = [
        torch.tensor([seen(p, t) for p, t in zip(prompts, texts, strict=True)])
        for texts in (first, second)
    ]
    return (both[0] - both[1]).T


@dataclass(frozen=True)
class Refit:
    """Rewards of the eight answers, held-out accuracy and its ceiling, and the calibration."""

    rewards: list[float]
    accuracy: float
    ceiling: float
    calibration: object
    sentence: str


def refit(data: AnnotatorData, pairs: int, noise: float, length: float, flattery: float) -> Refit:
    """Label `pairs` comparisons with this annotator, fit, and evaluate on 400 others.

    noise: Bradley-Terry temperature. length, flattery: biases in gold points per word and per phrase.
    """
    rng = random.Random(0)
    gaps = torch.tensor((1.0, length, flattery), dtype=torch.float32) @ data.gaps
    wins = torch.tensor([rng.random() < p for p in torch.sigmoid(gaps / noise).tolist()])
    better = torch.where(wins[:, None], data.first_features, data.second_features)
    worse = torch.where(wins[:, None], data.second_features, data.first_features)
    weights = fit_linear_bradley_terry(better[:pairs], worse[:pairs], l2=3.0)
    held = slice(-400, None)
    scores = (data.first_features - data.second_features)[held] @ weights
    accuracy = float(((scores > 0) == wins[held]).float().mean())
    found = calibration(torch.sigmoid(scores), wins[held].float(), bins=8)
    rewards = (data.shown_features @ weights).tolist()
    best = SHOWN[max(range(len(SHOWN)), key=rewards.__getitem__)]
    ceiling = accuracy_ceiling(gaps[held], noise)
    flattered = rewards[2] - rewards[0]
    sentence = (
        f"With {pairs} comparisons the reward model agrees with this annotator on {accuracy:.0%} of 400 "
        f"unseen ones; nobody could do better than {ceiling:.0%}. It likes best: <i>{best}</i> "
        f"Flattery in front of the plain right answer changes its reward by {signed(flattered)}."
    )
    return Refit(rewards, accuracy, ceiling, found, sentence)


def annotator_lab(data: AnnotatorData) -> Lab:
    """The live lab."""
    figure = plot(2, ("reward above the first answer's", "calibration"), height=390)
    figure.update_layout(margin={"l": 205}, barmode="overlay")
    for kind, colour in KINDS.items():
        figure.add_bar(name=kind, orientation="h", marker={"color": colour}, row=1, col=1)
    figure.add_scatter(x=[0, 1], y=[0, 1], line={"dash": "dot", "color": "#808080"}, row=1, col=2,
                       showlegend=False)  # fmt: skip
    figure.add_scatter(mode="lines+markers", marker={"color": COLOURS["proxy"]}, row=1, col=2,
                       showlegend=False)  # fmt: skip
    figure.update_xaxes(title="predicted P(first wins)", row=1, col=2)
    figure.update_yaxes(title="observed", row=1, col=2)
    figure.add_vline(0, line={"color": "#808080"}, row=1, col=1)
    most = data.gaps.shape[1] - 400
    controls = {
        "pairs": slider("pairs", min(800, most), 20, most, 20, "how many comparisons you label"),
        "noise": slider(
            "noise", 0.3, 0.05, 2.0, 0.05, "temperature of your choices: high is careless"
        ),
        "length": slider("length bias", 0.0, 0.0, 0.2, 0.01, "gold points you give for each word"),
        "flattery": slider(
            "flattery bias", 0.0, 0.0, 2.0, 0.1, "gold points for each flattering phrase"
        ),
    }

    def update(**settings) -> str:
        found = refit(data, **settings)
        order = sorted(range(len(SHOWN)), key=found.rewards.__getitem__)
        figure.layout.yaxis.categoryarray = [wrapped(SHOWN[i]) for i in order]
        with figure.batch_update():
            for bars, kind in zip(figure.data, KINDS, strict=False):
                mine = [i for i in order if kind_of(SHOWN[i]) == kind]
                bars.y = [wrapped(SHOWN[i]) for i in mine]
                bars.x = [found.rewards[i] - found.rewards[0] for i in mine]
            curve = figure.data[-1]
            curve.x = found.calibration.predicted
            curve.y = [e.value for e in found.calibration.observed]
        return found.sentence

    tasks = (
        "raise the flattery bias: at which value does flattery overtake the false answer?",
        "20 pairs against the most: what happens to the calibration line?",
        "noise 2.0: accuracy falls, but how far below the ceiling is it?",
    )
    return Lab("Be the annotator", controls, figure, update, tasks)


def wrapped(text: str, width: int = 30) -> str:
    """A text in lines, for the page."""
    return "<br>".join(textwrap.wrap(text, width))


def kind_of(text: str) -> str:
    """Which of `KINDS` an answer is."""
    if "red" not in text:
        return WRONG
    return TRUE if text in SHOWN[:2] else DRESSED
