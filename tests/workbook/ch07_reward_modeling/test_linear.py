"""Linear reward models: rankings, losses, and a budget of labels, on answers that are made up."""

import pytest
import torch

from rlhf_lib.workbook.ch07_reward_modeling import budget, linear
from rlhf_lib.workbook.ch07_reward_modeling.lab_annotator import AnnotatorData


@pytest.fixture(scope="module")
def answers():
    """Answers whose utility is linear in four features, so that a linear model can learn it all."""
    dice = torch.Generator().manual_seed(0)
    features = torch.randn(linear.TRAINED + linear.HELD_OUT, linear.ANSWERS, 4, generator=dice)
    seen = features @ torch.tensor([1.0, -0.5, 0.2, 0.0])
    return linear.Answers([], [], features, seen, seen)


def test_rankings_are_mostly_in_the_order_of_utility(answers):
    features, seen = linear.ranked(answers, 100, seed=1)
    assert features.shape == (100, 4, 4)
    falls = (seen[:, :-1] > seen[:, 1:]).double().mean()
    assert 0.7 < falls < 1.0, "noisy, and better than chance"


def test_a_pair_of_a_ranking_is_in_its_order(answers):
    features, seen = linear.ranked(answers, 50, seed=2)
    marked = torch.arange(linear.ANSWERS).double()[None, :, None].expand_as(features)
    difference, degree = linear.one_pair(marked, seen, seed=3)
    assert bool((difference < 0).all()), "the first of a pair stands higher in the ranking"
    assert set(degree.tolist()) <= {1.0, 2.0, 3.0}


@pytest.mark.parametrize("way", ["one pair", "one pair, margin", "six pairs", "Plackett-Luce"])
def test_every_loss_learns_what_is_linear(answers, way):
    found = linear.learned(answers, way, seed=0)
    assert found["order"] > 0.9
    assert found["gold"] > 0.5


def test_an_unknown_way_is_refused(answers):
    with pytest.raises(ValueError, match="way must be one of"):
        linear.learned(answers, "guess", seed=0)


def test_a_budget_of_labels_is_spent_as_said():
    dice = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 700, 3, generator=dice)
    gaps = (first - second) @ torch.tensor([1.0, 0.5, 0.0])
    data = AnnotatorData(None, gaps.expand(3, -1), first, second, first[:8])
    assert budget.order_learned(data, 0, pairs=200, labels_each=1, noise=0.1) > 0.9
    with pytest.raises(ValueError, match="labels_each must be odd"):
        budget.order_learned(data, 0, pairs=20, labels_each=2)
    with pytest.raises(ValueError, match="pairs must be at most 300"):
        budget.order_learned(data, 0, pairs=301, labels_each=1)
