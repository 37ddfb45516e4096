"""A run of the over-optimization experiment that is trained now, piece by piece, and looked at on the way."""

from __future__ import annotations

import torch

from ...experiments.build_grid import grid_settings
from ...experiments.over_optimization import Setting, relabel
from ...lm import Policy, load_policy
from ...rewards import EnsembleReward, GoldReward, RewardModel
from ...runtime import data_path
from ...training import (
    OnlineSettings,
    OnlineTrainer,
    RewardModelSettings,
    read_preferences,
    train_reward_model,
)
from ...world import PocketWorld

PAIRS, STEPS, EVERY, REQUESTS = 1000, 48, 4, 48
"""At most so many comparisons; steps; steps from one look to the next; held-out requests of a look."""

FITTING = 0.3
"""Share of the work that is fitting the reward models."""


class LiveRun:
    """Trains one setting at a time; a look is {step, gold, proxy, distance} on held-out requests.

    gold in points, proxy in standard deviations of the SFT model's answers, distance in √nats.
    """

    def __init__(self) -> None:
        self.world, self.policy = PocketWorld(), load_policy("pocket-sft")
        self.pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
        self.requests = self.world.prompts(REQUESTS, seed=77, split="test")

    def follow(self, setting: dict, steps: int = STEPS, **changes):
        """Yield (share done, looks so far) after each reward model and each step of training.

        setting: a cell's. changes: of `OnlineSettings`.
        """
        chosen = live_setting(setting)
        models = []
        for model in self.reward_models(chosen, setting.get("body", "")):
            models.append(model)
            yield FITTING * len(models) / chosen.members, []
        reward = models[0] if len(models) == 1 else EnsembleReward(models, "mean_minus_std")
        yield from self.train(models[0], reward, online_settings(chosen, steps, changes))

    def train(self, proxy, reward, settings: OnlineSettings):
        """The training of the policy."""
        policy, looks = self.policy.copy(), []
        trainer = OnlineTrainer(policy, self.world.prompts(2000, seed=7), reward, settings)
        for step in range(settings.steps + 1):
            if step % EVERY == 0:
                looks = [*looks, {"step": step, **self.look(policy, proxy)}]
            yield FITTING + (1 - FITTING) * step / settings.steps, looks
            if step < settings.steps:
                trainer.step()

    def reward_models(self, setting: Setting, body: str):
        """The proxy's members, one after the other; body: such as '1 layer', the whole model otherwise."""
        layers = int(body.split()[0]) if body else len(self.policy.model.model.layers)
        for member in range(setting.members):
            model = RewardModel.from_policy(shallow(self.policy, layers), seed=member)
            labels = relabel(self.pairs, self.world, setting, member)
            train_reward_model(model, labels, RewardModelSettings(seed=member))
            yield model

    @torch.no_grad()
    def look(self, policy: Policy, proxy) -> dict[str, float]:
        """Means over one answer to each held-out request."""
        rollout = policy.sample(self.requests, 1, 40, seed=1)
        drift = (rollout.logp - self.policy.logprobs(rollout)) * rollout.completion_mask
        return {
            "gold": GoldReward(self.world)(rollout).mean().item(),
            "proxy": proxy(rollout).mean().item(),
            "distance": max(0.0, drift.sum(1).mean().item()) ** 0.5,
        }


def live_setting(setting: dict) -> Setting:
    """A cell's setting as the experiment's, with at most `PAIRS` comparisons."""
    known = {
        name: setting[name] for name in ("noise", "bias", "members", "beta") if name in setting
    }
    return Setting(pairs=min(setting["pairs"], PAIRS), **known)


def online_settings(setting: Setting, steps: int, changes: dict) -> OnlineSettings:
    """Settings of the training: the grid's, with a warm-up that is over when the run is."""
    from dataclasses import replace

    found = grid_settings(setting, steps)
    return replace(found, **changes)


def shallow(policy: Policy, layers: int) -> Policy:
    """A copy of a policy with its first layers only: a smaller body for a reward model."""
    from dataclasses import replace

    small = policy.copy()
    decoder = small.model.model
    if layers < len(decoder.layers):
        decoder.layers = decoder.layers[:layers]
        small.model.config = replace(small.model.config, num_hidden_layers=layers)
    return small
