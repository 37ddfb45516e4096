"""The over-optimization experiment: comparisons -> proxy -> policy, with the gold utility looking on.

One function runs any setting; chapter 18, its lab, the stored grid and the slow tests all call it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from ..evaluation.best_of_n import BestOfN, best_of_n
from ..lm import Policy
from ..rewards import EnsembleReward, GoldReward, RewardModel
from ..training import (
    History,
    OnlineSettings,
    RewardModelSettings,
    preset,
    train_online,
    train_reward_model,
)
from ..world import HUMAN_BIAS, Annotator, PocketWorld, Preference, Prompt


@dataclass(frozen=True)
class Setting:
    """One cell of the experiment.

    pairs: comparisons that the reward model is trained on. noise: temperature of the annotators.
    bias: factor on the annotators' usual biases. members: reward models; more than one are combined
    as mean - std. beta: KL coefficient in the reward. seed: of labels, reward model and policy.
    """

    pairs: int = 4000
    noise: float = 0.3
    bias: float = 1.0
    members: int = 1
    beta: float = 0.0
    seed: int = 0


STEPS = 48
PROMPTS_PER_STEP = 16
LEARNING_RATE = 6e-4
WARMUP = 38
"""A long warm-up: small steps while the curve rises, larger ones once it has."""


def relabel(
    pairs: list[Preference], world: PocketWorld, setting: Setting, member: int = 0
) -> list[Preference]:
    """The first `setting.pairs` comparisons, labelled anew by the setting's annotators.

    Members after the first get labels of their own seed over a bootstrap of the same answers, so that
    the first member of an ensemble is the single reward model of the same setting.
    """
    annotator = world.annotator(HUMAN_BIAS.scaled(setting.bias), max(setting.noise, 1e-6))
    rng = random.Random(f"{setting.seed} {member}")
    chosen = pairs[: setting.pairs]
    if member > 0:
        chosen = rng.choices(chosen, k=len(chosen))
    return [_labelled(annotator, pair, rng) for pair in chosen]


def _labelled(annotator: Annotator, pair: Preference, rng: random.Random) -> Preference:
    """The comparison with a label of this annotator, who knows PocketWorld and nothing else."""
    if not isinstance(pair.prompt, Prompt):
        raise ValueError(f"pairs must be about PocketWorld's prompts; got {pair.prompt!r}")
    return annotator.prefer(pair.prompt, pair.chosen, pair.rejected, rng)


def train_proxy(policy: Policy, world: PocketWorld, pairs: list[Preference], setting: Setting):
    """The proxy reward of a setting: one reward model, or a cautious ensemble."""
    models = []
    for member in range(setting.members):
        model = RewardModel.from_policy(policy, seed=100 * setting.seed + member)
        labels = relabel(pairs, world, setting, member)
        train_reward_model(model, labels, RewardModelSettings(seed=100 * setting.seed + member))
        models.append(model)
    return models[0] if len(models) == 1 else EnsembleReward(models, "mean_minus_std")


def main_settings(
    setting: Setting | None = None, steps: int = STEPS, prompts_per_step: int = PROMPTS_PER_STEP
) -> OnlineSettings:
    """The training settings that all runs of the experiment share: RLOO with a long warm-up."""
    setting = setting or Setting()
    return preset(
        "rloo",
        steps=steps,
        prompts_per_step=prompts_per_step,
        learning_rate=LEARNING_RATE,
        warmup_steps=WARMUP,
        kl_coefficient=setting.beta,
        seed=setting.seed,
    )


def train_against(
    policy: Policy, world: PocketWorld, proxy, settings: OnlineSettings | None = None
) -> History:
    """Train `policy` in place on `proxy`, with gold measured on every answer."""
    prompts = world.prompts(2000, seed=7)
    return train_online(policy, prompts, proxy, settings or main_settings(), GoldReward(world))


@torch.no_grad()
def sample_scores(
    policy: Policy, world: PocketWorld, proxy, prompts: list, n: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Proxy and gold (M, n) of n answers to each of M requests."""
    gold_reward, proxies, golds = GoldReward(world), [], []
    for start in range(0, len(prompts), 8):
        part = prompts[start : start + 8]
        rollout = policy.sample(part, n, 40, seed=seed + start)
        proxies.append(proxy(rollout).view(len(part), n))
        golds.append(gold_reward(rollout).view(len(part), n))
    return torch.cat(proxies), torch.cat(golds)


def best_of_n_curve(
    policy: Policy, world: PocketWorld, proxy, n: int = 64, prompts: int = 48, seed: int = 0
) -> BestOfN:
    """Proxy and gold of best-of-n from the policy, n up to 64, on held-out requests."""
    asked = world.prompts(prompts, seed=31 + seed, split="test")
    proxies, golds = sample_scores(policy, world, proxy, asked, n, seed)
    return best_of_n(proxies, golds)
