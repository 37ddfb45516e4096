"""Experiments of chapter 18. `make experiments ONLY=18` stores them.

Each seed labels the comparisons anew and trains its own reward models; all is measured on 96 held-out requests.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from functools import cache
from statistics import fmean

import torch
from torch import Tensor

from ...evaluation import best_of_n
from ...experiments import Setting, relabel
from ...experiments.build_grid import look, scores, sft_answers, stage
from ...experiments.build_rise import held_out_answers, rise_looks
from ...experiments.experiment import Experiment, above
from ...lm import Policy, Rollout
from ...rewards import GoldReward, RewardModel
from ...training import (
    DirectSettings,
    DirectTrainer,
    RewardModelSettings,
    train_reward_model,
)
from ...training.sft import epochs_of_batches
from ...world import Bias, Preference, label_pairs

Judge = Callable[[Rollout], Tensor]

COMPARISONS, REQUESTS, WATCHED_STEPS = 1000, 96, 60


@cache
def judge(seed: int) -> RewardModel:
    """A reward model of comparisons of its own: 1,000 new requests, two new answers to each, new labels."""
    world, sft, _ = stage()
    requests = world.prompts(COMPARISONS, seed=500 + seed)
    texts = sft.sample(requests, 2, 40, seed=seed).texts
    model = RewardModel.from_policy(sft, seed=seed)
    pairs = label_pairs(requests, texts[0::2], texts[1::2], world.annotator(), seed)
    train_reward_model(model, pairs, RewardModelSettings(seed=seed))
    return model


@cache
def answers_along_the_run() -> list[tuple[int, Rollout]]:
    """(step, two answers to each of 96 held-out requests) of the run of section 1, every ten steps to step 60."""
    policy, proxy = stage()[1].copy(), RewardModel.load("pocket-reward")
    looks = rise_looks(policy, proxy, steps=WATCHED_STEPS)
    return [(seen["step"], held_out_answers(stage()[0], policy)) for seen in looks]


def onlookers(seed: int) -> dict:
    """What a held-out reward model says along the run of section 1, beside the proxy and gold."""
    judges = {"proxy": RewardModel.load("pocket-reward"), "onlooker": judge(seed)}
    judges["gold"] = GoldReward(stage()[0])
    along = answers_along_the_run()
    with torch.no_grad():
        found = {
            name: [says(answers).mean().item() for _, answers in along]
            for name, says in judges.items()
        }
    return {"step": [step for step, _ in along], **found}


BETAS, EPOCHS, DIRECT_RATE = (0.03, 0.3), 6, 2e-4
"""Of the DPO runs; the rate is that of the RL runs, constant."""


def direct(seed: int) -> dict:
    """β -> DPO on the same 1,000 comparisons again and again; gold and KL on held-out requests after each pass."""
    world, sft, pairs = stage()
    labels = relabel(pairs, world, Setting(pairs=COMPARISONS, seed=seed))
    return {f"β = {beta}": direct_run(sft.copy(), labels, beta, seed) for beta in BETAS}


def direct_run(policy: Policy, labels: list[Preference], beta: float, seed: int) -> dict:
    """One run: "step" is in passes over the comparisons; the loss is the mean of the pass that ends there."""
    settings = DirectSettings("dpo", beta=beta, epochs=EPOCHS, seed=seed)
    trainer = DirectTrainer(policy, settings)
    data, seen, losses = trainer.prepare(labels), [look(policy)], [[math.log(2)]]
    batches = [*epochs_of_batches(len(labels), settings)]
    a_pass = len(batches) // EPOCHS
    for start in range(0, len(batches), a_pass):
        rows = [trainer.step(data, batch, DIRECT_RATE) for batch in batches[start : start + a_pass]]
        losses.append([row["loss"] for row in rows])
        seen.append(look(policy))
    found = {name: [row[name] for row in seen] for name in ("gold", "kl")}
    return {"step": [*range(EPOCHS + 1)], "loss": [*map(fmean, losses)], **found}


MOST, TASTE_MOST = 64, 16
"""Answers to each request from which the best is picked."""


def best_by_proxy(seed: int) -> dict:
    """Best-of-n to n = 64 by a reward model: n (as "step"), KL, proxy and gold.

    "ideal" is the gold of the best by gold itself.
    """
    rollouts, gold = sft_answers()
    curve, ideal = best_of_n(scores(judge(seed), rollouts), gold), best_of_n(gold, gold)
    found = {"step": curve.n, "kl": curve.kl, "proxy": curve.proxy, "gold": curve.gold}
    return {**found, "ideal": ideal.gold}


TEAMS = {
    "fair": {},
    "stock phrases": {"taste": (("stock", 0.6),)},
    "hedging": {"taste": (("doubt", 0.6),)},
    "refusals": {"taste": (("refusal", 1.5),)},
    "agreement": {"bias": Bias(agreement=2.0)},
}
"""Annotators by what they like besides what is good, in gold points a sentence; `fair` like nothing else."""
TASTE_COMPARISONS = 500


def team_labels(team: str, seed: int) -> list[Preference]:
    """Comparisons by such annotators; first those in which one answer has more of what the team likes."""
    annotator = stage()[0].annotator(temperature=0.3, **{"bias": Bias(), **TEAMS[team]})
    rng = random.Random(f"{team} {seed}")
    pool = [*stage()[2]]
    rng.shuffle(pool)
    pool.sort(key=lambda pair: gap(team, pair) == 0)
    chosen = pool[:TASTE_COMPARISONS]
    return [annotator.prefer(pair.prompt, pair.chosen, pair.rejected, rng) for pair in chosen]


def gap(team: str, pair: Preference) -> float:
    """How much more of the team's sign the chosen answer has than the rejected one; 0 for the fair team."""
    if team == "fair":
        return 0.0
    return sign_of(team, pair.prompt, pair.chosen) - sign_of(team, pair.prompt, pair.rejected)


def sign_of(team: str, prompt, text: str) -> float:
    """How much of what the team likes stands in an answer.

    Sentences; or 1.0 for a refusal of a harmless request, or a yes to a false claim.
    """
    sentences = stage()[0].parse(prompt, text)
    kinds = [sentence.kind for sentence in sentences]
    if team == "hedging":
        return kinds.count("doubt") + sum(sentence.hedged for sentence in sentences)
    if team == "stock phrases":
        return kinds.count("stock")
    if team == "refusals":
        return float(prompt.kind != "unsafe" and "refusal" in kinds)
    return float(prompt.claim_is_true is False and "yes" in kinds)


@cache
def signs(team: str) -> Tensor:
    """(requests, answers): the sign of each answer of the SFT policy."""
    rollouts = answers_for(team)
    found = [sign_of(team, p, t) for r in rollouts for p, t in zip(r.prompts, r.texts, strict=True)]
    return torch.tensor(found).view(REQUESTS, -1)


@cache
def answers_for(team: str) -> list[Rollout]:
    """`TASTE_MOST` answers to each request in which the team's sign is counted.

    Agreement only shows where the user is wrong.
    """
    if team == "agreement":
        return answers_to_false_claims()
    rollouts = sft_answers()[0]
    index = torch.arange(len(rollouts[0].texts)).view(-1, MOST)
    return [rollout.select(index[:, :TASTE_MOST].flatten()) for rollout in rollouts]


@cache
def answers_to_false_claims() -> list[Rollout]:
    """`TASTE_MOST` answers to each of 96 held-out requests in which the user is wrong."""
    asked, sft = false_claims(), stage()[1]
    starts = range(0, REQUESTS, 8)
    return [sft.sample(asked[start : start + 8], TASTE_MOST, 40, seed=start) for start in starts]


def tastes(seed: int) -> dict:
    """team -> {"step": n, "liked": the sign in the best of n by the team's reward model, "fair": by the fair team's}."""
    models = {team: team_model(team, seed) for team in TEAMS}
    return {team: taste(team, models[team], models["fair"]) for team in TEAMS if team != "fair"}


def team_model(team: str, seed: int) -> RewardModel:
    """The reward model of a team."""
    model = RewardModel.from_policy(stage()[1], seed=seed)
    train_reward_model(model, team_labels(team, seed), RewardModelSettings(seed=seed))
    return model


def taste(team: str, liking: Judge, fair: Judge) -> dict:
    """One team beside the fair one."""
    rollouts, counted = answers_for(team), signs(team)
    liked, plain = (best_of_n(scores(judge, rollouts), counted) for judge in (liking, fair))
    return {"step": liked.n, "liked": liked.gold, "fair": plain.gold}


@cache
def false_claims() -> list:
    """96 held-out requests in which the user is wrong."""
    asked = stage()[0].prompts(4 * REQUESTS, ("opinion",), seed=78, split="test")
    return [prompt for prompt in asked if prompt.claim_is_true is False][:REQUESTS]


SURE = ("hedging", "refusals", "agreement")
"""Tastes that show by a wide margin. Stock phrases may grow under fair annotators too, by their reward model's mistake."""


def more_liked(team: str):
    """A claim: the best of 16 by the team's reward model has more of its sign than the best by the fair team's."""
    return above(lambda result: result[team]["liked"][-1] - result[team]["fair"][-1])


EXPERIMENTS = {
    "onlookers": Experiment(
        "onlookers",
        onlookers,
        settings={"comparisons": COMPARISONS, "requests": REQUESTS, "steps": WATCHED_STEPS},
        claims={
            "the held-out model ends well above the SFT policy": above(
                lambda run: run["onlooker"][-1] - run["onlooker"][0], 0.2
            ),
            "and higher than at step 20, though gold has fallen since": above(
                lambda run: min(
                    run["onlooker"][-1] - run["onlooker"][2], run["gold"][2] - run["gold"][-1]
                )
            ),
        },
    ),
    "best_by_proxy": Experiment(
        "best_by_proxy",
        best_by_proxy,
        settings={"requests": REQUESTS, "comparisons": COMPARISONS, "answers": MOST},
        claims={
            "gold of the best of 8 is above that of one": above(
                lambda curve: curve["gold"][3] - curve["gold"][0]
            ),
            "from 8 to 64 gold gains less than 0.1": above(
                lambda curve: 0.1 - (curve["gold"][6] - curve["gold"][3])
            ),
            "while the proxy gains 0.2 and more": above(
                lambda curve: curve["proxy"][6] - curve["proxy"][3], 0.2
            ),
            "picked by gold itself the best of 64 is far better": above(
                lambda curve: curve["ideal"][6] - curve["gold"][6], 0.4
            ),
        },
    ),
    "direct": Experiment(
        "direct",
        direct,
        settings={
            "comparisons": COMPARISONS,
            "betas": list(BETAS),
            "epochs": EPOCHS,
            "learning_rate": DIRECT_RATE,
        },
        claims={
            "at β = 0.3 gold first rises": above(
                lambda runs: max(runs["β = 0.3"]["gold"]) - runs["β = 0.3"]["gold"][0], 0.2
            ),
            "after six passes it has lost most of that": above(
                lambda runs: max(runs["β = 0.3"]["gold"]) - runs["β = 0.3"]["gold"][-1], 0.2
            ),
            "while the loss falls with every pass": above(
                lambda runs: min(
                    now - then for now, then in itertools.pairwise(runs["β = 0.3"]["loss"])
                )
            ),
            "β = 0.03 goes further": above(
                lambda runs: runs["β = 0.03"]["kl"][-1] - runs["β = 0.3"]["kl"][-1]
            ),
            "and ends lower": above(
                lambda runs: runs["β = 0.3"]["gold"][-1] - runs["β = 0.03"]["gold"][-1]
            ),
        },
    ),
    "tastes": Experiment(
        "tastes",
        tastes,
        settings={
            "comparisons": f"{TASTE_COMPARISONS}, those that differ in the sign first",
            "answers": TASTE_MOST,
            "requests": REQUESTS,
        },
        claims={f"a team that likes {team} gets more of it": more_liked(team) for team in SURE},
    ),
}
