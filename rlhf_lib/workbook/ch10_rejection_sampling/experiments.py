"""The experiments of chapter 10: four selections, the temperature of sampling, and four judges."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from ...evaluation import best_of_n
from ...experiments.experiment import Claim, Experiment, above
from ...experiments.over_optimization import Setting, relabel
from ...lm import Policy, Rollout, load_policy
from ...rewards import GoldReward, RewardModel, score_by_length
from ...runtime import data_path
from ...training import (
    History,
    RejectionSettings,
    RewardModelSettings,
    read_preferences,
    train_rejection,
    train_reward_model,
)
from ...training.rejection import SELECTIONS
from ...world import PocketWorld

ROUNDS, PROMPTS, ANSWERS = 3, 32, 8
UNSEEN = 96
JUDGES = ("pocket-reward", "gold", "poor reward model", "length")
TEMPERATURES, CHOICES = (0.4, 1.0, 1.4), 16
"""Of sampling; and answers to each request to choose from."""


def fine_tuned(selection: str, seed: int = 0) -> tuple[Policy, History]:
    """Three rounds of rejection sampling from pocket-sft by pocket-reward, gold looking on."""
    world, policy = PocketWorld(), load_policy("pocket-sft").copy()
    settings = RejectionSettings(ROUNDS, PROMPTS, ANSWERS, selection, seed=seed)
    proxy, requests = RewardModel.load("pocket-reward"), world.prompts(1000, seed=5)
    return policy, train_rejection(policy, requests, proxy, settings, GoldReward(world))


@functools.cache
def before() -> dict[str, float]:
    """`on_unseen` of pocket-sft, where all runs start."""
    return on_unseen(load_policy("pocket-sft"))


@torch.no_grad()
def on_unseen(policy: Policy) -> dict[str, float]:
    """Reward and gold of two answers to each of 96 unseen requests, and their length in tokens."""
    world = PocketWorld()
    rollout = policy.sample(world.prompts(UNSEEN, seed=99, split="test"), 2, 40, seed=1)
    judges = {"proxy": RewardModel.load("pocket-reward"), "gold": GoldReward(world)}
    found = {name: score_by_length(judge, rollout).mean().item() for name, judge in judges.items()}
    return {**found, "length": rollout.lengths.float().mean().item()}


def selections(seed: int) -> dict:
    """Selection -> curves over the rounds, and the end on unseen requests; 'before' is pocket-sft."""
    found: dict = {"before": before()}
    for selection in SELECTIONS:
        policy, history = fine_tuned(selection, seed)
        curves = {
            name: history.series(name)
            for name in ("proxy", "proxy_kept", "gold", "gold_kept", "distinct")
        }
        found[selection] = {**curves, "end": on_unseen(policy)}
    return found


def answers(count: int, seed: int, temperature: float = 1.0) -> tuple[Rollout, Tensor, Tensor]:
    """`count` answers of pocket-sft to each of 96 unseen requests: (rollout, rewards, gold), each (96, count)."""
    world = PocketWorld()
    asked = world.prompts(UNSEEN, seed=21 + seed, split="test")
    rollout = load_policy("pocket-sft").sample(asked, count, 40, temperature, seed=2 + seed)
    judges = RewardModel.load("pocket-reward"), GoldReward(world)
    return rollout, *(score_by_length(judge, rollout).view(UNSEEN, count).cpu() for judge in judges)


def poor_reward_model(seed: int = 0) -> RewardModel:
    """A reward model that has seen 100 very noisy comparisons."""
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    model = RewardModel.from_policy(load_policy("pocket-sft"), seed=seed)
    noisy = relabel(pairs, PocketWorld(), Setting(pairs=100, noise=1.0, seed=seed))
    train_reward_model(model, noisy, RewardModelSettings(epochs=4, seed=seed))
    return model


def judged(seed: int, temperature: float = 1.0, names: tuple[str, ...] = JUDGES) -> dict:
    """Judge -> proxy and gold of the best of n (1 to 16, under 'step') that it chooses from the same answers;
    and the share of different texts."""
    rollout, proxy, gold = answers(CHOICES, seed, temperature)
    scores = {"pocket-reward": proxy, "gold": gold, "length": rollout.lengths.view(proxy.shape)}
    if "poor reward model" in names:
        poor = score_by_length(poor_reward_model(seed), rollout)
        scores["poor reward model"] = poor.view(proxy.shape).cpu()
    found: dict = {"distinct": len(set(rollout.texts)) / len(rollout.texts)}
    for name in names:
        best = best_of_n(scores[name], gold)
        found[name] = {"step": best.n, "own": best.proxy, "gold": best.gold}
    return found


def choices(seed: int) -> dict:
    """Best of n by pocket-reward at each temperature; at temperature 1 by all judges."""
    return {
        f"{temperature}": judged(seed, temperature, JUDGES if temperature == 1 else JUDGES[:1])
        for temperature in TEMPERATURES
    }


def _end(first: str, second: str, metric: str, bound: float = 0.0) -> Claim:
    """That on unseen requests the first selection ends above the second by more than `bound`."""
    return above(lambda run: _unseen(run, first)[metric] - _unseen(run, second)[metric], bound)


def _unseen(run: dict, name: str) -> dict:
    return run[name].get("end", run[name])


def _gold(judge: str, n: int, temperature: str = "1.0") -> Callable[[dict], float]:
    """Gold of the best of n by this judge."""
    return lambda run: _at(run[temperature][judge], n)


def _at(curves: dict, n: int) -> float:
    return curves["gold"][curves["step"].index(n)]


EXPERIMENTS = {
    "selections": Experiment(
        "selections",
        selections,
        settings={"rounds": ROUNDS, "prompts": PROMPTS, "answers": ANSWERS, "unseen": UNSEEN},
        claims={
            f"{best} ends above {control} in {metric}": _end(best, control, metric)
            for best, control in zip(SELECTIONS[:2], SELECTIONS[2:], strict=True)
            for metric in ("proxy", "gold")
        }
        | {
            f"{best} ends above pocket-sft in gold": _end(best, "before", "gold")
            for best in SELECTIONS[:2]
        },
    ),
    "choices": Experiment(
        "choices",
        choices,
        settings={"temperatures": TEMPERATURES, "answers": CHOICES, "unseen": UNSEEN},
        claims={
            "warmer sampling gives more different texts": above(
                lambda run: run["1.4"]["distinct"] - run["0.4"]["distinct"]
            ),
            "by gold, the best of 16 is better at temperature 0.4 than at 1": above(
                lambda run: _gold("pocket-reward", 16, "0.4")(run) - _gold("pocket-reward", 16)(run)
            ),
            "from 8 to 16 answers gold gains less than from 1 to 2": above(
                lambda run: (
                    _gold("pocket-reward", 2)(run)
                    - _gold("pocket-reward", 1)(run)
                    - _gold("pocket-reward", 16)(run)
                    + _gold("pocket-reward", 8)(run)
                )
            ),
            "pocket-reward chooses better than a model of 100 noisy comparisons, n = 8": above(
                lambda run: _gold("pocket-reward", 8)(run) - _gold("poor reward model", 8)(run)
            ),
            "by length, the best of 8 is worse than any answer": above(
                lambda run: _gold("length", 1)(run) - _gold("length", 8)(run)
            ),
        },
    ),
}
