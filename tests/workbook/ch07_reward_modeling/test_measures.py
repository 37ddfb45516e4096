"""What chapter 07 measures with: its loop against the library's, AUC, smaller trunks, faults."""

import itertools

import numpy as np
import pytest
import torch

from rlhf_lib import PocketWorld, data_path, load_policy
from rlhf_lib.rewards import RewardModel
from rlhf_lib.training import RewardModelSettings, read_preferences, train_reward_model
from rlhf_lib.workbook.ch07_reward_modeling import measures
from rlhf_lib.workbook.ch07_reward_modeling.experiments import auc, mean_of
from rlhf_lib.workbook.ch07_reward_modeling.faults import FAULTS, changes, plain_answers


@pytest.fixture(scope="module")
def sft():
    return load_policy("pocket-sft")


@pytest.fixture(scope="module")
def pairs():
    return read_preferences(data_path("preferences", "pocket-train.jsonl"))[:24]


def test_the_chapters_loop_takes_the_steps_of_the_librarys(sft, pairs):
    settings = RewardModelSettings(batch_size=8, warmup_steps=2, seed=3)
    mine, theirs = (RewardModel.from_policy(sft, seed=1) for _ in range(2))
    seen = []
    losses = measures.train_and_look(mine, pairs, settings, seen.append)
    history = train_reward_model(theirs, pairs, settings)
    assert losses == pytest.approx(history.series("loss"), rel=1e-4)
    assert seen == [0, 1, 2, 3]


def test_a_run_that_stops_early_is_the_beginning_of_the_whole_one(sft, pairs):
    settings = RewardModelSettings(batch_size=8, warmup_steps=2)
    runs = [
        measures.train_and_look(
            RewardModel.from_policy(sft), pairs, settings, lambda step: None, stop
        )
        for stop in (None, 2)
    ]
    assert runs[1] == pytest.approx(runs[0][:2], rel=1e-5) and len(runs[0]) == 3


def test_auc_counts_pairs_in_order_and_ties_half():
    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    pairs = list(itertools.product(scores[right], scores[~right]))
    by_hand = np.mean([(good > bad) + 0.5 * (good == bad) for good, bad in pairs])
    assert auc(scores, right) == pytest.approx(by_hand)


def test_every_fault_makes_answers_worse_for_the_annotators_too():
    world = PocketWorld()
    prompts = world.prompts(40, ("fact", "open"), seed=8, split="test")
    plain, annotator = plain_answers(world, prompts), world.annotator()
    for name in FAULTS:
        gaps = [
            annotator.perceived(p, t) - annotator.perceived(p, changes(world)[name](p, t))
            for p, t in zip(prompts, plain, strict=True)
        ]
        assert np.mean(gaps) > 0, name


def test_the_mean_of_weights_is_entry_by_entry():
    first, second = {"w": torch.tensor([1.0, 3.0])}, {"w": torch.tensor([3.0, 5.0])}
    assert torch.equal(mean_of([first, second])["w"], torch.tensor([2.0, 4.0]))
