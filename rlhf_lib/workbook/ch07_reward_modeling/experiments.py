"""The chapter's experiments: epochs, and outcomes against steps."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch

from ...experiments import Setting, relabel
from ...experiments.experiment import Experiment, above
from ...lm import load_policy
from ...rewards import OutcomeModel, ProcessModel, RewardModel
from ...runtime import data_path
from ...training import (
    RewardModelSettings,
    read_preferences,
)
from ...training.reward_model import step_ends
from ...world import PocketWorld, Preference
from .measures import (
    gold_of_best,
    on_faults,
    on_held_out,
    train_and_look,
)

PAIRS = 1200
EPOCHS = 4
STEPS_AN_EPOCH = math.ceil(PAIRS / 32)
LOOKS = (0, 4, 8, 14, 24, 38, 57, 76, 95, 114, 133, 152)
"""Steps after which held-out comparisons and faults are measured."""


def labelled(count: int, seed: int) -> list[Preference]:
    """The first `count` comparisons of the training file, labelled anew by annotators of this seed."""
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    return relabel(pairs, PocketWorld(), Setting(pairs=count, seed=seed))


def epochs(seed: int, steps: int | None = None) -> dict:
    """Four passes over 1,200 comparisons; held-out loss, accuracy, confidence and faults on the way.

    steps: to stop early, on the same schedule. "averaged": the mean of the weights after each pass.
    """
    model = RewardModel.from_policy(load_policy("pocket-sft"), seed=seed)
    seen: dict[str, list] = {}
    picked, kept = [], []

    def look(done: int) -> None:
        if done in LOOKS:
            for name, value in {**on_held_out(model), **on_faults(model)}.items():
                seen.setdefault(name, []).append(value)
        if done and done % STEPS_AN_EPOCH == 0:
            picked.append(gold_of_best(model))
            kept.append(copy.deepcopy(model.state_dict()))

    losses = train_and_look(
        model, labelled(PAIRS, seed), RewardModelSettings(epochs=EPOCHS, seed=seed), look, steps
    )
    found = {"step": [s for s in LOOKS if s <= len(losses)], **seen}
    result = {"training": losses, "held_out": found, "gold_of_best": picked}
    if len(kept) == EPOCHS:
        model.load_state_dict(mean_of(kept))
        result["averaged"] = on_held_out(model) | {"gold_of_best": gold_of_best(model)}
    return result


def mean_of(states: Sequence[dict]) -> dict:
    """The mean of several models' weights."""
    return {name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]}


SUMS = 1500
WAYS = ("process, minimum", "process, product", "process, mean", "process, last step")
WAYS += ("outcome, mean", "outcome, last token")


def steps(seed: int, sums: int = SUMS) -> dict:
    """How well outcome and process models part right from wrong answers, on known and on new number pairs."""
    return {
        "known number pairs": judged_sums(seed, sums, "train"),
        "new number pairs": judged_sums(seed, sums // 3, "test"),
    }


def judged_sums(seed: int, count: int, split: str) -> dict:
    """AUC of each way of scoring an answer, the gap of the best two kinds with its interval, and by step."""
    answers = PocketWorld().worked_sums(count, seed=100 + seed, split=split)
    right = np.array([one.right for one in answers])
    totals, marks = scored_sums(answers)
    gap = [
        auc(totals["process, minimum"][rows], right[rows])
        - auc(totals["outcome, mean"][rows], right[rows])
        for rows in resamples(len(answers), 200)
    ]
    low, high = np.percentile(gap, [2.5, 97.5])
    found = {name: auc(totals[name], right) for name in WAYS}
    labels = np.concatenate([one.labels for one in answers])
    flagged = {f"{name} steps": float((marks[labels == k] < 0).mean())
               for k, name in enumerate(("bad", "neutral", "good"))}  # fmt: skip
    return {"auc": found, "gap": {"low": low, "high": high}, "called bad": flagged}


def resamples(n: int, times: int):
    """Bootstrap samples of n row numbers."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, n, n) for _ in range(times))


@torch.no_grad()
def scored_sums(answers: Sequence) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(way -> a score of each answer, P(good) - P(bad) of every step in a row)."""
    outcome, process = OutcomeModel.load("pocket-outcome"), ProcessModel.load("pocket-process")
    totals: dict[str, list] = {name: [] for name in WAYS}
    marks = []
    for start in range(0, len(answers), 100):
        part = answers[start : start + 100]
        rollout = outcome.encode([a.prompt for a in part], [a.answer for a in part])
        logits = outcome.token_scores(rollout).cpu()
        classes = process.token_scores(rollout).softmax(-1).cpu()
        for row, answer in enumerate(part):
            each = classes[row][step_ends(process, answer.steps)]
            good = each[:, 2]
            z = logits[row][rollout.completion_mask[row].cpu() > 0]
            marks.append((each[:, 2] - each[:, 0]).numpy())
            scores = (good.min(), good.prod(), good.mean(), good[-1], z.mean(), z[-1])
            for name, score in zip(WAYS, scores, strict=True):
                totals[name].append(float(score))
    return {name: np.array(values) for name, values in totals.items()}, np.concatenate(marks)


def auc(scores: np.ndarray, right: np.ndarray) -> float:
    """The share of (right, wrong) pairs of answers that the scores put in order; ties count half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]  # equal scores share their mean rank
    wins = ranks[right].sum() - right.sum() * (right.sum() + 1) / 2
    return float(wins / (right.sum() * (~right).sum()))


ONE_PASS = LOOKS.index(STEPS_AN_EPOCH)
"""Where the measurement after the first pass stands."""


def rise(result: dict, name: str) -> float:
    """Change of a held-out number from after one pass to after four."""
    series = result["held_out"][name]
    return series[-1] - series[ONE_PASS]


EPOCHS_CLAIMS = {
    "held-out loss: lower after one pass than before": above(
        lambda r: r["held_out"]["loss"][0] - r["held_out"]["loss"][ONE_PASS]
    ),
    "and higher again after four, by 0.1 nats": above(lambda r: rise(r, "loss"), 0.1),
    "while accuracy moves by less than 0.08": above(lambda r: 0.08 - abs(rise(r, "accuracy"))),
    "confidence ends 0.1 above accuracy": above(
        lambda r: r["held_out"]["confidence"][-1] - r["held_out"]["accuracy"][-1], 0.1
    ),
    "wandering off is seen by 9 in 10 after one pass": above(
        lambda r: r["held_out"]["wander off"][ONE_PASS], 0.9
    ),
    "a wrong fact by less than two thirds": above(
        lambda r: 2 / 3 - r["held_out"]["make it wrong"][ONE_PASS]
    ),
    "the mean of the weights has a lower loss than the end": above(
        lambda r: r["held_out"]["loss"][-1] - r["averaged"]["loss"]
    ),
}
STEPS_CLAIMS = {
    "known number pairs: the interval of process minus outcome lies above 0": above(
        lambda r: r["known number pairs"]["gap"]["low"]
    ),
    "new number pairs: neither is better than a coin by 0.1": above(
        lambda r: 0.6 - max(r["new number pairs"]["auc"].values())
    ),
    "new number pairs: half of the good steps and more are called bad": above(
        lambda r: r["new number pairs"]["called bad"]["good steps"], 0.5
    ),
}
EXPERIMENTS = {
    one.name: one
    for one in (
        Experiment(
            "epochs",
            epochs,
            claims=EPOCHS_CLAIMS,
            settings={"pairs": PAIRS, "epochs": EPOCHS},
        ),
        Experiment("steps", steps, claims=STEPS_CLAIMS, settings={"sums": SUMS}),
    )
}
