"""The experiments of chapter 08, at a size of seconds: what is measured, and on what."""

import pytest

from rlhf_lib import PocketWorld, load_policy
from rlhf_lib.rewards import GoldReward, RewardModel
from rlhf_lib.workbook.ch08_regularization import experiments


@pytest.fixture
def small(monkeypatch):
    for name, value in dict(UNSEEN=6, EVERY=1).items():
        monkeypatch.setattr(experiments, name, value)
    experiments.start.cache_clear()
    yield
    experiments.start.cache_clear()


def test_a_policy_is_measured_against_its_start(small):
    world, sft = PocketWorld(), load_policy("pocket-sft")
    judges = RewardModel.load("pocket-reward"), GoldReward(world)
    found = experiments.measure(sft, sft, experiments.held_out(world), *judges)
    assert found["kl"] == pytest.approx(0, abs=1e-4) and 0 < found["distinct"] <= 1


def test_held_out_requests_are_asked_for_nowhere_in_training():
    world = PocketWorld()
    trained, unseen = world.prompts(1000, seed=5), experiments.held_out(world)
    assert len(unseen) == 96 and not any(prompt in trained for prompt in unseen)


def test_the_first_part_of_a_run_is_the_stored_run_begun(small):
    """The chapter's cell gives fewer steps; seed and settings are the same, so the beginning is."""
    short = experiments.penalised(0.2, seed=0, steps=1)[1]
    longer = experiments.penalised(0.2, seed=0, steps=2)[1]
    assert longer["step"] == [0, 1, 2]
    for name in ("proxy", "gold", "kl"):
        assert longer[name][:2] == pytest.approx(short[name], abs=1e-5), name
    value = [r - 0.2 * kl for r, kl in zip(longer["proxy"], longer["kl"], strict=True)]
    assert longer["objective"] == pytest.approx(value)
