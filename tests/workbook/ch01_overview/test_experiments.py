"""The experiments of chapter 01, at a size of seconds."""

import pytest
import torch

from rlhf_lib.exact.cart import Rides
from rlhf_lib.lm import load_policy
from rlhf_lib.workbook.ch01_overview import experiments, stages


def test_the_mark_counts_the_last_second_of_riding():
    """Four rides: at the mark all the time; away; at the mark but fallen; at the mark for half of it."""
    states, mask = torch.zeros(4, 100, 4), torch.ones(4, 100)
    states[[0, 2, 3], :, 0] = 1.1
    states[3, 75:, 0] = -1.0
    mask[2, 40:] = 0
    rides = Rides(states, torch.zeros(4, 100), mask)
    assert experiments.at_the_mark(rides) == pytest.approx((1 + 0 + 0 + 0.5) / 4)


def test_every_arm_hears_as_many_comparisons(monkeypatch):
    for name, value in dict(LABELS=6, ROUNDS=2, UPDATES=1).items():
        monkeypatch.setattr(experiments, name, value)
    heard = {}
    for arm in experiments.ARMS:
        pupil, curves = experiments.taught(arm, seed=0)
        heard[arm] = len(pupil.better)
        assert curves["step"] == [0, 1, 2] and len(curves["mark"]) == len(curves["steps"]) == 3
    assert set(heard.values()) == {6}


def test_pairs_are_scored_side_by_side():
    pairs = experiments.comparisons("test", 3)
    chosen, rejected = experiments.pair_logp(load_policy("pocket-sft"), pairs)
    assert chosen.shape == rejected.shape == (3,) and (chosen < 0).all() and (rejected < 0).all()
    assert experiments.comparisons("test", 3, seed=1) != pairs


def test_a_stage_is_measured_against_the_one_before_it(monkeypatch):
    monkeypatch.setattr(stages, "UNSEEN", 4)
    monkeypatch.setattr(stages, "ATTRIBUTES", ("size",))
    sft = load_policy("pocket-sft")
    found = stages.measured(sft, sft)
    assert found["moved"] == pytest.approx(0, abs=1e-3)
    assert all(0 <= found[name] <= 1 for name in ("knows", "ends", "sums"))
