"""Stages and profiles, at a size of seconds."""

import pytest
import torch

from rlhf_lib.workbook.ch04_training_overview import experiments, pipeline
from rlhf_lib.workbook.ch04_training_overview.pipeline import (
    Product,
    Stage,
    bill,
    by_kind,
    run_stage,
)
from rlhf_lib.workbook.ch04_training_overview.profile import CAPABILITIES, KINDS, held_out, profile
from rlhf_lib.world.prompts import split_of


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(pipeline, "LENGTH", 6)
    monkeypatch.setattr(pipeline, "BATCH", 8)


def weights(policy):
    return torch.cat([p.detach().flatten() for p in policy.model.parameters()])


@pytest.mark.parametrize("name", ["SFT", "cold start", "DPO", "rejection", "RLHF", "mixed RL"])
def test_a_stage_changes_its_copy_and_is_the_same_again(small, tiny, name):
    before = weights(tiny)
    first, again = (run_stage(Product(tiny), Stage(name, 16), seed=0) for _ in range(2))
    assert torch.equal(weights(tiny), before)
    assert not torch.equal(weights(first.policy), before)
    assert torch.equal(weights(first.policy), weights(again.policy))
    assert (first.reward is not None) == (name in ("RLHF", "mixed RL"))


def test_an_unknown_stage_is_answered_with_those_there_are(tiny):
    with pytest.raises(ValueError, match="RLVR"):
        run_stage(Product(tiny), Stage("PPO"), seed=0)


def test_all_recipes_have_one_budget_and_the_bill_counts_it():
    for stages in experiments.RECIPES.values():
        assert sum(stage.answers for stage in stages) == 2560
        found = bill(stages)
        assert found["demonstrations"] + found["sampled answers"] == 2560


def test_beginnings_are_each_trained_once_after_what_they_need():
    found = experiments.beginnings(experiments.RECIPES.values())
    assert len(set(found)) == len(found)
    for place, stages in enumerate(found):
        assert len(stages) == 1 or stages[:-1] in found[:place]


def test_sums_are_verified_and_all_else_is_scored(world, pocket):
    asked = world.prompts(4, ("sum",), seed=1) + world.prompts(4, ("open",), seed=1)
    rollout = pocket.sample(asked, max_new_tokens=8, seed=0)
    reward = by_kind(lambda r: torch.ones(r.batch_size), lambda r: torch.full((r.batch_size,), 7.0))
    assert reward(rollout).tolist() == [1.0] * 4 + [7.0] * 4


def test_a_profile_asks_what_no_training_asks(pocket):
    assert all(split_of(prompt) == "test" for prompt in held_out(2))
    assert {prompt.kind for prompt in held_out(1)} == set(KINDS)
    found = profile(pocket, each=2)
    assert set(found) == {*CAPABILITIES, "gold", "manners", "ended", "length"}
    assert all(0 <= found[name] <= 1 for name in CAPABILITIES)
