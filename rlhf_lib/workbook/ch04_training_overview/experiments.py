"""The experiments of chapter 04: pipelines of post-training that share their beginnings, and a cart."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from statistics import fmean

from ...exact.cart import cart_policy, train_cart
from ...experiments.experiment import Claim, Experiment, above
from ...lm import load_policy
from .pipeline import Product, Stage, run_stage
from .profile import EACH, profile

SFT, RLHF, DPO = Stage("SFT", 1536), Stage("RLHF", 1024), Stage("DPO", 512)
RLVR, COLD = Stage("RLVR", 512), Stage("cold start", 1024)
REJECTION, MIXED = Stage("rejection", 512), Stage("mixed RL", 512)

RECIPES = {
    "InstructGPT": (SFT, RLHF),
    "Tülu 3": (SFT, DPO, RLVR),
    "DeepSeek R1": (COLD, RLVR, REJECTION, MIXED),
}
"""Three recipes, scaled to one budget of 2,560 answers."""

UPDATES = 40


def named(stages: tuple[Stage, ...]) -> str:
    """(SFT, RLHF) -> 'SFT > RLHF'; no stage at all is the base model."""
    return " > ".join(stage.name for stage in stages) or "base"


def beginnings(whole: Iterable[tuple[Stage, ...]]) -> list[tuple[Stage, ...]]:
    """Every beginning of every pipeline, each once, the shorter ones first."""
    found = dict.fromkeys(stages[:end] for stages in whole for end in range(1, len(stages) + 1))
    return sorted(found, key=len)


def base() -> Product:
    """Where all pipelines begin."""
    return Product(load_policy("pocket-base"))


@functools.cache
def tuned(stage: Stage) -> Product:
    """The base model after SFT or the cold start, which all runs share."""
    return run_stage(base(), stage, seed=0)


def profiles(whole: Iterable[tuple[Stage, ...]], seed: int) -> dict[str, dict[str, float]]:
    """'SFT > DPO' -> the profile of what stands there, for each beginning. No stage is trained twice.

    The fine-tuned models are the same for all seeds: a seed is that of all stages behind them.
    """
    made = {(): base()}
    found = {named(()): profile(base().policy)}
    for stages in beginnings(whole):
        alike = stages in ((SFT,), (COLD,))
        made[stages] = tuned(stages[0]) if alike else run_stage(made[stages[:-1]], stages[-1], seed)
        found[named(stages)] = profile(made[stages].policy)
    return found


def recipes(seed: int) -> dict[str, dict[str, float]]:
    """The profiles of the three recipes, after each of their stages."""
    return profiles(RECIPES.values(), seed)


def balance(seed: int) -> dict[str, list]:
    """How long the cart balances its pole, before each update."""
    lengths = train_cart(cart_policy(seed=seed), updates=UPDATES, seed=seed)
    return {"step": list(range(UPDATES)), "length": lengths}


def _settings(whole: Iterable[tuple[Stage, ...]]) -> dict:
    written = [[f"{stage.name} {stage.answers}" for stage in stages] for stages in whole]
    return {"pipelines": written, "requests of each kind": EACH}


def gain(measure: str, before: tuple[Stage, ...], after: tuple[Stage, ...]) -> Claim:
    """That a measure is higher after some stages than after others."""
    return above(lambda run: run[named(after)][measure] - run[named(before)][measure])


TULU, R1 = RECIPES["Tülu 3"], RECIPES["DeepSeek R1"]

EXPERIMENTS = {
    "recipes": Experiment(
        "recipes",
        recipes,
        settings=_settings(RECIPES.values()),
        claims={
            "DPO raises gold above SFT": gain("gold", (SFT,), (SFT, DPO)),
            "from as many comparisons DPO ends above RLHF in gold": gain(
                "gold", (SFT, RLHF), (SFT, DPO)
            ),
            "Tülu 3's recipe ends above InstructGPT's in gold": gain(
                "gold", RECIPES["InstructGPT"], TULU
            ),
            "RLVR after DPO raises sums": gain("sums", TULU[:2], TULU),
            "rejection sampling with demonstrations brings facts back": gain(
                "facts", R1[:2], R1[:3]
            ),
            "R1's recipe ends best at sums of the three": above(
                lambda run: (
                    run[named(R1)]["sums"]
                    - max(run[named(RECIPES[title])]["sums"] for title in ("InstructGPT", "Tülu 3"))
                )
            ),
        },
    ),
    "balance": Experiment(
        "balance",
        balance,
        settings={"updates": UPDATES},
        claims={
            "forty updates more than triple the balance": above(
                lambda run: fmean(run["length"][-5:]) - 3 * run["length"][0]
            )
        },
    ),
}
