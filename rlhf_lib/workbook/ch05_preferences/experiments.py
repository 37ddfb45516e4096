"""The chapter's experiments: readers and their policies, a budget, questions, and which data for what."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from ...experiments.experiment import Experiment, above
from ...lm import Policy, load_policy
from ...world import Annotator, PocketWorld
from . import budget as spending
from . import questions as asking
from .crowds import HELD_OUT, order_found, written_answers
from .lab_desk import label_desk
from .readers import READERS, label_all, simulated_reader
from .showings import KINDS, Pair, pairs_to_label
from .taste import (
    decided,
    left_share,
    policy_by_dpo,
    policy_by_rl,
    self_agreement,
    taste_of,
)

CHAPTER = "05_preferences"
HELD_OUT_REQUESTS = 96
PAIRS, REPEATS = 40, 8


# --- a reader, whole


def mine(seed: int, readers: Sequence[str] = tuple(READERS)) -> dict:
    """Each simulated reader labels at the desk; their coefficients, their policies, and who likes those.

    "rl": judge -> how often that judge, without dice, prefers a held-out answer of this reader's policy to one of
    pocket-sft. "dpo": the same for the reader alone. "random": a reward model of labels by coin.
    """
    world, sft = PocketWorld(), load_policy("pocket-sft")
    pairs, judges = pairs_to_label(sft, world, PAIRS, seed), judges_of(world)
    plain, found = answers_of(sft), {}
    for name in readers:
        rows = labels_by(judges[name], name, pairs, seed)
        taste = taste_of(rows, world)
        directly = policy_by_dpo(sft, decided(rows), seed)[0]
        found[name] = {
            "itself": float(np.mean(self_agreement(rows)[0])),
            "left": left_share(rows).value,
            "ties": sum(row["tie"] for row in rows) / len(rows),
            "coefficients": {
                key: [e.low, e.value, e.high]
                for key, e in taste.coefficients().items() if key in SHOWN
            },
            "rl": likings(policy_by_rl(sft, taste, world, seed)[0], plain, judges),
            "dpo": likings(directly, plain, {name: judges[name]})[name],
        }  # fmt: skip
    coin = taste_of(by_coin(labels_by(judges["brief"], "coin", pairs, seed), seed), world)
    found["random"] = {"rl": likings(policy_by_rl(sft, coin, world, seed)[0], plain, judges)}
    return found


def labels_by(judge: Annotator, name: str, pairs: Sequence[Pair], seed: int) -> list[dict]:
    """The rows that a simulated reader leaves at a desk of their own."""
    with tempfile.TemporaryDirectory() as folder:
        desk = label_desk(pairs, reader=name, repeats=REPEATS, seed=seed, folder=Path(folder))
        return label_all(desk, judge, seed).rows()


SHOWN = ("ten words", "praise", "list")


def judges_of(world: PocketWorld) -> dict[str, Annotator]:
    """The three readers."""
    return {name: simulated_reader(world, name) for name in READERS}


def by_coin(rows: Sequence[dict], seed: int) -> list[dict]:
    """The same labels, each the right or the wrong way round by the toss of a coin."""
    dice = random.Random(seed)
    swapped = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    return [one if dice.random() < 0.5 else other for one, other in zip(rows, swapped, strict=True)]


def answers_of(policy: Policy) -> tuple[list, list[str]]:
    """Held-out requests and one answer to each."""
    prompts = PocketWorld().prompts(HELD_OUT_REQUESTS, KINDS, seed=801, split="test")
    return prompts, policy.sample(prompts, 1, max_new_tokens=40, seed=11).texts


def likings(
    policy: Policy, plain: tuple[list, list[str]], judges: dict[str, Annotator]
) -> dict[str, float]:
    """Judge -> share of held-out requests on which it likes the policy's answer better; equal ones count half."""
    prompts, old = plain
    new = answers_of(policy)[1]
    found = {}
    for name, judge in judges.items():
        gaps = [
            judge.perceived(p, a) - judge.perceived(p, b)
            for p, a, b in zip(prompts, new, old, strict=True)
        ]
        found[name] = float(np.mean([0.5 + 0.5 * np.sign(gap) for gap in gaps]))
    return found


# --- one budget, two kinds of labeller


DRAWS = 6


def budget(seed: int) -> dict:
    """Order of gold found by a linear reward after n labels of people, of an AI judge, and of both.

    "both": AI labels of 8 dollars, then n labels of people. "bias": the AI judge after all its labels, with its
    biases times a factor.
    """

    def mean(**labels) -> float:
        return float(
            np.mean([spending.order_bought(seed, draw=draw, **labels) for draw in range(DRAWS)])
        )

    return {
        "step": list(spending.COUNTS),
        "people": [mean(people=n, ai=0) for n in spending.COUNTS],
        "AI judge": [mean(people=0, ai=n) for n in spending.COUNTS],
        "both": [mean(people=n, ai=1600) for n in spending.COUNTS],
        "ceiling": spending.ceiling(seed),
        "bias": {f"{b:g}": mean(people=0, ai=1600, ai_bias=b) for b in (0.0, 0.5, 1.0, 2.0)},
    }


# --- what is asked


STRICT = (0.0, 1.0, 3.0)


def questions(seed: int) -> dict:
    """Question -> order found by dollars, and bits a reply carries, at three spreads of strictness."""
    found: dict = {"step": list(asking.DOLLARS)}
    for question in asking.READ:
        factors = STRICT if asking.READ[question] == 1 else (1.0,)
        found[question] = {
            f"{strict:g}": {
                "order": [
                    float(
                        np.mean(
                            [asking.learned(question, d, seed, draw, strict) for draw in range(4)]
                        )
                    )
                    for d in asking.DOLLARS
                ],
                "bits": asking.bits(question, seed, strict),
            }
            for strict in factors
        }
    return found


# --- which data for which behaviour


GROUPS = {
    "facts": ("fact", "followup"),
    "stories": ("story",),
    "sums": ("sum", "steps"),
    "opinions": ("opinion",),
    "safety": ("unsafe", "lookalike"),
}


def capabilities(seed: int, labels: int = 200) -> dict:
    """Trained on one kind of request -> order of gold found on each kind."""
    human, found = PocketWorld().annotator(), {}
    sets = {name: written_answers(HELD_OUT, 50 + seed, kinds) for name, kinds in GROUPS.items()}
    counts = {name: written.looks * written.scale for name, written in sets.items()}
    for name, written in sets.items():
        dice = torch.Generator().manual_seed(seed)
        seen = written.seen_by(human)[:labels]
        wins = spending.labels_of(seen[:, 0] - seen[:, 1], human.temperature, dice)
        weights = spending.fitted(counts[name][:labels, 0] - counts[name][:labels, 1], wins)
        found[name] = {
            other: order_found(weights, counts[other][labels:], one.gold[labels:])
            for other, one in sets.items()
        }
    return found


def gain(run: dict, reader: str, judge: str) -> float:
    """How often a judge likes a reader's policy better than pocket-sft, above a half."""
    return run[reader]["rl"][judge] - 0.5


MINE_CLAIMS = {
    f"the reader {name} likes their own policy better than pocket-sft": above(
        lambda r, name=name: gain(r, name, name), 0.05
    )
    for name in READERS
}
MINE_CLAIMS |= {
    f"and better than a policy from labels by coin ({name})": above(
        lambda r, name=name: gain(r, name, name) - gain(r, "random", name)
    )
    for name in READERS
}
MINE_CLAIMS |= {
    "the interval of the coefficient for praise lies above 0 for the reader who likes praise": above(
        lambda r: r["warm"]["coefficients"]["praise"][0]
    ),
    "the reader who likes it short dislikes the flatterer's policy": above(
        lambda r: -gain(r, "warm", "brief")
    ),
}
BUDGET_CLAIMS = {
    "people's labels are ahead of the AI's plateau by 100 labels": above(
        lambda r: r["people"][2] - max(r["AI judge"])
    ),
    "with the AI's labels first, 25 labels of people do better than alone": above(
        lambda r: r["both"][0] - r["people"][0]
    ),
    "the AI's curve rises by less than 0.02 after 400 labels": above(
        lambda r: 0.02 - (r["AI judge"][-1] - r["AI judge"][4])
    ),
    "without its biases, the judge would be at the ceiling": above(
        lambda r: 0.01 - abs(r["bias"]["0"] - r["ceiling"])
    ),
}


def per_dollar(run: dict, question: str, strict: str) -> float:
    """Bits a dollar buys."""
    return run[question][strict]["bits"] / asking.READ[question]


QUESTIONS_CLAIMS = {
    "a mark carries more bits a dollar than a choice of two, if all are about equally strict": above(
        lambda r: per_dollar(r, "mark 1 to 5", "1") - per_dollar(r, "better of two", "1")
    ),
    "a mark loses half of its bits and more, if strictness differs three times as much": above(
        lambda r: r["mark 1 to 5"]["0"]["bits"] - 2 * r["mark 1 to 5"]["3"]["bits"]
    ),
    "and finds less of the order at 240 dollars": above(
        lambda r: r["mark 1 to 5"]["0"]["order"][2] - r["mark 1 to 5"]["3"]["order"][2]
    ),
    "a ranking of four carries most bits a dollar of the comparisons": above(
        lambda r: (
            per_dollar(r, "rank four", "1")
            - max(per_dollar(r, q, "1") for q in ("better of two", "best of four"))
        )
    ),
}


CAPABILITIES_CLAIMS = {
    f"labels on {name} order {name} better than labels on any other kind do": above(
        lambda r, name=name: (
            r[name][name] - max(r[other][name] for other in GROUPS if other != name)
        )
    )
    for name in ("safety",)
}


def experiment(run: Callable[[int], dict], claims: dict, **settings) -> Experiment:
    """One of the chapter's experiments, named as its function."""
    return Experiment(run.__name__, run, claims=claims, settings=settings)


EXPERIMENTS = {
    one.name: one
    for one in (
        experiment(mine, MINE_CLAIMS, pairs=PAIRS, repeats=REPEATS),
        experiment(budget, BUDGET_CLAIMS, requests=spending.REQUESTS, draws=DRAWS),
        experiment(questions, QUESTIONS_CLAIMS, requests=asking.REQUESTS, team=asking.TEAM),
        experiment(capabilities, CAPABILITIES_CLAIMS, labels=200),
    )
}
