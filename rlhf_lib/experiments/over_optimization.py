"""The over-optimization experiment: comparisons -> proxy -> policy, with the gold utility looking on.

One function runs any setting; chapter 18, its lab, the stored grid and the slow tests all call it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from ..lm import Policy
from ..rewards import EnsembleReward, Reward, RewardModel
from ..training import (
    OnlineSettings,
    OnlineTrainer,
    RewardModelSettings,
    preset,
    train_reward_model,
)
from ..world import HUMAN_BIAS, Annotator, PocketWorld, Preference, Prompt


@dataclass(frozen=True)
class Setting:
    """One cell of the experiment.

    pairs: comparisons that the reward model is trained on. noise: temperature of the annotators.
    bias: factor on the annotators' usual biases. members: reward models; more than one are combined
    as mean - std. layers: of the reward model, the first ones of the SFT model. beta: KL coefficient in
    the reward. seed: of labels, reward model and policy.
    """

    pairs: int = 4000
    noise: float = 0.3
    bias: float = 1.0
    members: int = 1
    layers: int = 4
    beta: float = 0.0
    seed: int = 0


LEARNING_RATE = 2e-4
"""Constant, without a warm-up."""


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


def reward_models(
    policy: Policy, world: PocketWorld, pairs: list[Preference], setting: Setting
) -> Iterator[RewardModel]:
    """The setting's reward models, one after the other; the first is that of the same setting with one member."""
    body = first_layers(policy, setting.layers)
    for member in range(setting.members):
        model = RewardModel.from_policy(body, seed=100 * setting.seed + member)
        labels = relabel(pairs, world, setting, member)
        train_reward_model(model, labels, RewardModelSettings(seed=100 * setting.seed + member))
        yield model


def first_layers(policy: Policy, layers: int) -> Policy:
    """A policy with the first `layers` layers of this one: a smaller body for a reward model.

    Raises:
        ValueError: it has fewer layers, or `layers` is below 1.
    """
    there = len([*policy.model.get_submodule("model.layers").children()])
    if not 1 <= layers <= there:
        raise ValueError(f"layers must lie between 1 and {there}; got {layers}")
    if layers == there:
        return policy
    small = policy.copy()
    body = small.model.get_submodule("model")
    body.layers = torch.nn.ModuleList([*body.get_submodule("layers").children()][:layers])
    small.model.config = replace(small.model.config, num_hidden_layers=layers)
    return small


def combined(models: list[RewardModel]) -> Reward:
    """One reward model as it is; several as a cautious ensemble: mean minus standard deviation."""
    return models[0] if len(models) == 1 else EnsembleReward(models, "mean_minus_std")


def train_proxy(
    policy: Policy, world: PocketWorld, pairs: list[Preference], setting: Setting
) -> Reward:
    """The proxy reward of a setting."""
    return combined([*reward_models(policy, world, pairs, setting)])


def calm_settings(steps: int, beta: float = 0.0, seed: int = 0) -> OnlineSettings:
    """The training settings that all runs of the experiment share: RLOO at a constant rate, 64 answers a step."""
    return preset("rloo", steps=steps, learning_rate=LEARNING_RATE, kl_coefficient=beta, seed=seed)


def steps_of(
    policy: Policy, proxy: Reward, settings: OnlineSettings
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train `policy` in place; yield (steps done, measures of the last step), with none before the first."""
    trainer = OnlineTrainer(policy, PocketWorld().prompts(2000, seed=7), proxy, settings)
    row: dict[str, float] = {}
    for step in range(settings.steps + 1):
        yield step, row
        if step < settings.steps:
            row = trainer.step()
