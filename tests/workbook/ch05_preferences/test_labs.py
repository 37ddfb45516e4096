"""The budget: what labels of either kind buy, and its lab; what questions carry."""

import math

import pytest
import torch

from rlhf_lib.labs import budget_lab
from rlhf_lib.workbook.ch05_preferences import budget, lab_budget, questions
from rlhf_lib.workbook.ch05_preferences.crowds import order_found, written_answers


def test_the_lab_follows_its_controls_and_says_what_was_bought():
    lab = budget_lab()
    before, words = list(lab.figure.data[1].y), lab.sentence.value
    lab.controls["ai_bias"].value = 2.0
    assert list(lab.figure.data[1].y) != before and lab.sentence.value != words
    lab.controls["people"].value = 0
    assert "0 labels of people and 1600" in lab.sentence.value
    assert list(lab.figure.data[2].x) == [0]


def test_nothing_and_too_much_are_refused():
    for people, ai in ((0, 0), (5000, 0)):
        with pytest.raises(ValueError, match="people and ai"):
            budget.order_bought(0, people, ai)
    with pytest.raises(ValueError, match="nothing is bought"):
        lab_budget.buy(0, 0, 1.0, 0.3)


def test_the_plateau_is_the_bias():
    fair, usual, much = (budget.order_bought(0, 0, 1600, ai_bias=b) for b in (0.0, 1.0, 2.0))
    assert budget.ceiling(0) >= fair - 0.01 > usual > much


def test_people_pass_the_plateau_and_more_labels_help():
    few, many = (budget.order_bought(0, n, 0) for n in (25, 800))
    assert many > few and many > budget.order_bought(0, 0, 1600)


def test_gaps_are_linear_in_the_judges_bias():
    zero, one, two = (budget.pair_gaps(0, b)["AI judge"] for b in (0.0, 1.0, 2.0))
    assert torch.allclose(two - one, one - zero)


def test_an_order_by_hand():
    looks = torch.tensor([[[1.0], [2.0], [3.0]]])
    truth = torch.tensor([[1.0, 3.0, 2.0]])
    assert order_found(torch.ones(1), looks, truth) == pytest.approx(2 / 3)


def test_four_answers_to_each_request_are_scored():
    written = written_answers(20, seed=5)
    assert written.looks.shape[:2] == written.gold.shape == (20, 4)
    assert all(len(set(four)) > 1 for four in written.texts)


def test_bits_of_replies():
    assert questions.entropy(torch.tensor([0.5, 0.5])).item() == pytest.approx(1.0)
    chances = questions.ranking_chances(torch.zeros(1, 4))
    assert torch.allclose(chances, torch.full((1, 24), 1 / 24))
    chances = questions.ranking_chances(
        torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    )
    assert torch.allclose(chances.sum(-1), torch.ones(5))
    for name, count in (("thumb", 2), ("mark 1 to 5", 5)):
        found = questions.reply_chances(name, torch.tensor([0.5, 3.0]))
        assert found.shape == (2, count) and torch.allclose(found.sum(-1), torch.ones(2))
    assert questions.reply_chances("mark 1 to 5", torch.tensor(0.5)).argmax() == 2
    assert 0 < questions.bits("better of two") < 1 < questions.bits("rank four") < math.log2(24)
    with pytest.raises(ValueError, match="question must be one of"):
        questions.bits("a smile")


def test_a_strict_team_says_less_in_marks():
    assert questions.bits("mark 1 to 5", 0, 0.0) > questions.bits("mark 1 to 5", 0, 3.0)
    with pytest.raises(ValueError, match="cost at most"):
        questions.learned("rank four", 3, 0)
