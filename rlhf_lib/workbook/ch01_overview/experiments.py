"""The experiments of chapter 01: a cart that is taught by comparisons, the chain of stages, one side or both."""

from __future__ import annotations

import functools
import math

import torch

from ...exact.cart import Rides, ride
from ...exact.clips import (
    Judge,
    Lessons,
    LessonSettings,
    coin_judge,
    mean_place,
    stand_at,
    wishing_judge,
)
from ...experiments.experiment import Claim, Experiment, above
from ...lm import Policy, encode_answers, load_policy, score_answers
from ...runtime import data_path
from ...training import (
    DirectSettings,
    SFTSettings,
    read_preferences,
    train_direct,
    train_sft,
)
from ...world import Preference
from . import stages as chain
from .stages import measured, rlhf, rlvr

WISH, NEAR = 1.0, 0.4
"""Where the cart is wished to stand (m), and how near to it counts."""
LABELS, ROUNDS, UPDATES = 300, 12, 8
SECOND = 50
"""Steps of the last second of a ride."""
PAIRS, RATE, UNSEEN = 192, 1e-3, 96


# a cart


def at_the_mark(rides: Rides) -> float:
    """The share of the last second, over all rides, that the cart spends within 0.4 m of x = 1, riding."""
    near = (rides.states[:, -SECOND:, 0] - WISH).abs() < NEAR
    return (near * rides.mask[:, -SECOND:]).mean().item()


def lessons_of(judge: Judge, schedule: list[int], seed: int) -> tuple[Lessons, dict[str, list]]:
    """Rounds of comparisons, fit and practice; the pupil, and what 64 rides do after each round.

    schedule: comparisons in each round.
    """
    pupil, curves = (
        Lessons(LessonSettings(seed=seed)),
        {"step": [0], "mark": [], "place": [], "steps": []},
    )
    look(pupil, curves)
    for number, pairs in enumerate(schedule, start=1):
        if pairs:
            first, second = pupil.show(pairs)
            pupil.hear(first, second, judge(first, second))
            pupil.fit()
        pupil.practise(UPDATES)
        curves["step"].append(number)
        look(pupil, curves)
    return pupil, curves


def look(pupil: Lessons, curves: dict[str, list]) -> None:
    """Measure 64 rides, the same dice each time."""
    rides = ride(pupil.policy, 64, pupil.settings.steps, seed=77)
    place = mean_place(rides)
    curves["place"].append(0.0 if math.isnan(place) else place)
    curves["mark"].append(at_the_mark(rides))
    curves["steps"].append(rides.steps.mean().item())


def taught(arm: str, seed: int) -> tuple[Lessons, dict[str, list]]:
    """One of `ARMS`: who compares, and when."""
    judge = coin_judge(seed) if arm == "coin" else wishing_judge(stand_at(WISH), seed)
    spread, once = [LABELS // ROUNDS] * ROUNDS, [LABELS] + [0] * (ROUNDS - 1)
    return lessons_of(judge, once if arm == "once" else spread, seed)


def end_of(curves: dict, name: str) -> float:
    """A curve's mean over the last three rounds: single rounds are noisy."""
    return sum(curves[name][-3:]) / 3


ARMS = {
    "wish": "300 comparisons, 25 in each round",
    "coin": "300 tosses of a coin",
    "once": "300 comparisons, all in the first round",
}


def lessons(seed: int) -> dict:
    """Arm -> curves over the rounds."""
    return {arm: taught(arm, seed)[1] for arm in ARMS}


# stages


@functools.cache
def shipped() -> dict:
    """What `measured` finds of the two models that are the same for every seed."""
    base, sft = load_policy("pocket-base"), load_policy("pocket-sft")
    return {"base": measured(base, base), "SFT": measured(sft, base)}


def stages(seed: int) -> dict:
    """Stage -> what `measured` finds; RLHF and RLVR are trained anew."""
    sft = load_policy("pocket-sft")
    pleased = rlhf(sft, seed=seed)
    checked = rlvr(pleased, seed=seed)
    return shipped() | {"RLHF": measured(pleased, sft), "RLVR": measured(checked, pleased)}


# one side or both


def comparisons(name: str, count: int, seed: int = 0) -> list[Preference]:
    """Some of the stored comparisons, 'train' or 'test'."""
    pairs = read_preferences(data_path("preferences", f"pocket-{name}.jsonl"))
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    return [pairs[place] for place in order[:count]]


def pair_logp(policy: Policy, pairs: list[Preference]) -> tuple[torch.Tensor, torch.Tensor]:
    """log-probabilities (B,) in nats of the chosen answers, and of the rejected ones."""
    prompts = [pair.prompt for pair in pairs]
    return tuple(
        score_answers(policy, encode_answers(policy, prompts, texts)).cpu()
        for texts in ([pair.chosen for pair in pairs], [pair.rejected for pair in pairs])
    )


def on_chosen(policy: Policy, pairs: list[Preference], seed: int) -> None:
    """Fine-tune on the chosen answers alone."""
    examples = [(pair.prompt, pair.chosen) for pair in pairs]
    train_sft(
        policy,
        examples,
        SFTSettings(batch_size=32, learning_rate=RATE, warmup_steps=2, seed=seed),
    )


def on_both(policy: Policy, pairs: list[Preference], seed: int) -> None:
    """Fine-tune on the contrast of chosen and rejected (DPO)."""
    train_direct(policy, pairs, DirectSettings(learning_rate=RATE, warmup_steps=2, seed=seed))


SIDES = {"chosen alone": on_chosen, "chosen against rejected": on_both}


def contrast(seed: int) -> dict:
    """Loss -> by how many nats the log-probabilities of unseen chosen and rejected answers change."""
    pairs, unseen = comparisons("train", PAIRS, seed), comparisons("test", UNSEEN)
    sft, found = load_policy("pocket-sft"), {}
    before = pair_logp(sft, unseen)
    for name, train in SIDES.items():
        policy = sft.copy()
        train(policy, pairs, seed)
        after = pair_logp(policy, unseen)
        change = [(new - old).mean().item() for new, old in zip(after, before, strict=True)]
        found[name] = dict(zip(("chosen", "rejected"), change, strict=True))
    return found


def _gain(stage: str, before: str, measure: str, bound: float = 0.0) -> Claim:
    """That a stage raises a measure, above the stage before it, by more than `bound`."""
    return above(lambda run: run[stage][measure] - run[before][measure], bound)


def _apart(change: dict[str, float]) -> float:
    """By how much more chosen answers gain than rejected ones (nats)."""
    return change["chosen"] - change["rejected"]


def _missed(run: dict, arm: str) -> float:
    """How far from the wished place the carts of an arm end (m)."""
    return abs(end_of(run[arm], "place") - WISH)


EXPERIMENTS = {
    "lessons": Experiment(
        "lessons",
        lessons,
        settings={"wish": WISH, "labels": LABELS, "rounds": ROUNDS, "updates": UPDATES},
        claims={
            "taught by comparisons, carts end within 0.4 m of x = 1": above(
                lambda run: -_missed(run, "wish"), -0.4
            ),
            "taught by a coin, they end farther from it": above(
                lambda run: _missed(run, "coin"), 0.4
            ),
            "comparisons bring more of the last second at the mark than a coin": above(
                lambda run: end_of(run["wish"], "mark") - end_of(run["coin"], "mark")
            ),
            "a coin's rides too become five times as long": above(
                lambda run: end_of(run["coin"], "steps") / run["coin"]["steps"][0], 5.0
            ),
            "compared at the start only, carts run past x = 1.3": above(
                lambda run: end_of(run["once"], "place"), 1.3
            ),
        },
    ),
    "stages": Experiment(
        "stages",
        stages,
        settings={"updates": chain.UPDATES, "unseen": chain.UNSEEN},
        claims={
            "the base model knows 95% of the facts": above(lambda run: run["base"]["knows"], 0.95),
            "and fewer than 5% of its answers end": above(lambda run: -run["base"]["ends"], -0.05),
            "no stage changes what it knows by more than 5%": above(
                lambda run: min(stage["knows"] for stage in run.values()), 0.95
            ),
            "SFT makes answers end": _gain("SFT", "base", "ends", 0.8),
            "RLHF raises gold by more than 0.2 points": _gain("RLHF", "SFT", "gold", 0.2),
            "RLVR makes more sums come out right, by 5% and more": _gain(
                "RLVR", "RLHF", "sums", 0.05
            ),
            "SFT moves the model farther than RLHF and RLVR together": above(
                lambda run: run["SFT"]["moved"] - run["RLHF"]["moved"] - run["RLVR"]["moved"]
            ),
        },
    ),
    "contrast": Experiment(
        "contrast",
        contrast,
        settings={"pairs": PAIRS, "learning_rate": RATE, "unseen": UNSEEN},
        claims={
            "the contrast moves the two sides farther apart than the chosen side alone": above(
                lambda run: _apart(run["chosen against rejected"]) - _apart(run["chosen alone"])
            ),
            "under the contrast rejected answers fall further than chosen ones": above(
                lambda run: _apart(run["chosen against rejected"])
            ),
        },
    ),
}
