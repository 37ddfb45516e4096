"""Every field of every settings class changes the run, or says where it is out of play.

A setting that does nothing is worse than one that is missing. Each field is changed alone, in one or
more contexts of its class. It must act in at least one of them: other weights, or other numbers in the
history. Where it does not act, its text must say with what it does ('only').
"""

from __future__ import annotations

import ast
import functools
import inspect
from dataclasses import fields

import pytest
import torch

from rlhf_lib.rewards import RewardModel
from rlhf_lib.training import (
    DirectSettings,
    OnlineDirectSettings,
    OnlineSettings,
    PretrainSettings,
    RejectionSettings,
    RewardModelSettings,
    SFTSettings,
    reward_judge,
    train_direct,
    train_language_model,
    train_online_direct,
    train_rejection,
    train_reward_model,
    train_sft,
)
from rlhf_lib.world import Preference

from .pins_online import a_trainer, by_length
from .rooms import Room, near, tiny, weights

PROMPTS = ["hi", "who?", "what is here?", "no!", "yes?"]
TEXTS = ["yes.", "an owl is here.", "no. no.", "here.", "is an owl here?"]
WORSE = [*TEXTS[2:], *TEXTS[:2]]
PAIRS = [
    Preference(p, a, b, likert=1 + i)
    for i, (p, a, b) in enumerate(zip(PROMPTS, TEXTS, WORSE, strict=True))
] * 2


def online(settings: dict):
    """Rounds whose answers have all lengths; half of the groups have equal rewards."""
    trainer = a_trainer(Room(), lambda r: by_length(r).fmod(2).round(), **settings)
    for _ in range(trainer.settings.steps):
        trainer.step()
    return trainer.policy, trainer.history


def trained(train, cls, settings: dict):
    policy = tiny()
    return policy, train(policy, cls(**settings))


def reward_model(settings: dict):
    model = RewardModel(tiny())
    return model, train_reward_model(model, PAIRS, RewardModelSettings(**settings))


def pretrained(settings: dict, dropout: float = 0.0):
    policy = tiny()
    policy.model.model.norm = torch.nn.Sequential(
        policy.model.model.norm, torch.nn.Dropout(dropout)
    )
    return policy, train_language_model(policy, documents(), PretrainSettings(**settings))


def documents():
    return [" ".join(TEXTS)] * 40


def judge():
    return reward_judge(RewardModel(tiny()))


HIGH = {"learning_rate": 0.05, "max_grad_norm": 1e9}
ROUNDS = {"steps": 3, "prompts_per_step": 4, "samples_per_prompt": 2, "max_new_tokens": 4, **HIGH}
FEW = {"rounds": 2, "prompts_per_round": 3, "max_new_tokens": 4, "learning_rate": 0.05}
BATCHES = {"batch_size": 4, "warmup_steps": 1, **HIGH}
sft = functools.partial(
    trained, lambda p, s: train_sft(p, list(zip(PROMPTS, TEXTS, strict=True)), s)
)
direct = functools.partial(
    trained, lambda p, s: train_direct(p, PAIRS, s, reference=near(tiny(), 0.1)), DirectSettings
)
rejection = functools.partial(
    trained, lambda p, s: train_rejection(p, PROMPTS, by_length, s), RejectionSettings
)
online_direct = functools.partial(
    trained, lambda p, s: train_online_direct(p, PROMPTS, judge(), s), OnlineDirectSettings
)

CONTEXTS = {
    OnlineSettings: (
        (online, {**ROUNDS, "advantage": "group", "minibatches": 2, "kl_coefficient": 0.2, "kl_in": "loss"}),
        (online, {**ROUNDS, "advantage": "gae", "minibatches": 2, "kl_coefficient": 0.2, "staleness": 1,
                  "kl_target": 0.1, "value_warmup": 0, "aggregate": "token"}),
    ),
    SFTSettings: ((functools.partial(sft, SFTSettings), BATCHES),),
    DirectSettings: tuple(
        (direct, {**BATCHES, "loss": loss})
        for loss in ("dpo", "cdpo", "kto", "simpo", "orpo", "rebel")
    ),
    RewardModelSettings: ((reward_model, BATCHES),),
    PretrainSettings: tuple(
        (functools.partial(pretrained, dropout=rate), {**BATCHES, "steps": 3, "row_length": 8})
        for rate in (0.0, 0.3)
    ),
    RejectionSettings: (
        (rejection, {**FEW, "samples_per_prompt": 3, "batch_size": 2}),
        (rejection, {**FEW, "samples_per_prompt": 3, "batch_size": 2, "selection": "top_overall"}),
    ),
    OnlineDirectSettings: tuple(
        (online_direct, {**FEW, **HIGH, "batch_size": 2, "warmup_steps": 1, "loss": loss})
        for loss in ("dpo", "cdpo", "kto", "simpo", "orpo")
    ),
}  # fmt: skip

CHANGES = {
    "steps": 2, "rounds": 1, "prompts_per_step": 3, "prompts_per_round": 2, "samples_per_prompt": 4,
    "max_new_tokens": 3, "temperature": 0.6, "learning_rate": 0.01, "warmup_steps": 3,
    "weight_decay": 0.3, "max_grad_norm": 1e-3, "micro_batch": 1, "seed": 5, "row_length": 6,
    "advantage": "batch", "algorithm": "cispo", "clip_low": 0.001, "clip_high": 0.001,
    "aggregate": "fixed", "epochs": 3, "minibatches": 1, "batch_size": 3, "whiten_advantages": True,
    "entropy_bonus": 0.5, "kl_coefficient": 0.7, "kl_in": None, "kl_kind": "k3_weighted",
    "kl_target": 0.5, "kl_horizon": 50.0, "pretraining_coefficient": 0.5, "gamma": 0.5, "lam": 0.3,
    "value_learning_rate": 0.1, "value_clip": 1e-3, "value_warmup": 1,
    "drop_zero_variance_groups": True, "overlong_penalty": 1.0, "missing_end_penalty": 0.5,
    "drop_truncated": True, "staleness": 2, "tis_cap": 0.5, "loss": "ipo", "beta": 0.7,
    "label_smoothing": 0.3, "nll_weight": 0.5, "gamma_simpo": 1.5, "orpo_weight": 0.7,
    "desirable_weight": 2.0, "undesirable_weight": 2.0, "length_average": None, "margin_weight": 0.5,
    "center_coefficient": 0.3, "selection": "random_per_prompt", "keep": 2,
}  # fmt: skip
"""A value that is nobody's default or base; None: see `changed`."""

SAME_TO_ROUNDING = ("micro_batch",)


def changed(name: str, base: dict):
    """Another value than the context's for one field."""
    if name == "kl_in":
        return "loss" if base.get("kl_in", "reward") == "reward" else "reward"
    if name == "length_average":
        return base["loss"] not in ("simpo", "orpo", "ipo")
    if name == "gamma" and "loss" in base:
        return CHANGES["gamma_simpo"]
    return CHANGES[name]


@functools.cache
def texts_of(cls) -> dict[str, str]:
    """{field: the text below it}, of the class and those it inherits from; of a group, the last one's."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        body = ast.parse(inspect.getsource(base)).body[0].body
        for line, below in zip(body, [*body[1:], None], strict=True):
            if isinstance(line, ast.AnnAssign):
                text = getattr(getattr(below, "value", None), "value", None)
                found[line.target.id] = text if isinstance(text, str) else ""
    return found


@functools.cache
def base_run(cls, place: int):
    return measure(cls, place, {})


def measure(cls, place: int, change: dict):
    """(weights, numbers) of a run in one context with a change; seconds do not count."""
    run, base = CONTEXTS[cls][place]
    model, history = run({**base, **change})
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]
    return weights(model), rows


CASES = [(cls, field.name) for cls in CONTEXTS for field in fields(cls)]


@pytest.mark.parametrize(("cls", "name"), CASES, ids=[f"{c.__name__}.{n}" for c, n in CASES])
def test_a_setting_acts_or_says_with_what(cls, name):
    acts = []
    for place, (_, base) in enumerate(CONTEXTS[cls]):
        value = changed(name, base)
        assert base.get(name, cls.__dataclass_fields__[name].default) != value
        before, rows = base_run(cls, place)
        after, new_rows = measure(cls, place, {name: value})
        if name in SAME_TO_ROUNDING:  # dropout, in a later context, draws others for other parts
            off = (
                after - before
            ).abs() > 2e-3  # where a gradient is all but 0, its sign is rounding
            assert off.float().mean() < 0.02 and "memory" in texts_of(cls)[name]
            return
        acts.append(not torch.equal(before, after) or rows != new_rows)
        out_of_play = any(word in texts_of(cls)[name].lower() for word in ("only", "has none"))
        assert acts[-1] or out_of_play, f"{name} does nothing with {base}, and does not say so"
    assert any(acts), f"{name} does nothing at all"


def test_every_settings_class_is_swept():
    from rlhf_lib import training

    classes = {getattr(training, name) for name in training.__all__ if name.endswith("Settings")}
    assert classes == set(CONTEXTS)
