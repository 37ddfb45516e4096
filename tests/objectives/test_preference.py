"""Preference losses: worked by hand, against finite differences, and at the edges."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from rlhf_lib.objectives import (
    balanced_comparison_loss,
    bradley_terry_loss,
    bradley_terry_probability,
    outcome_loss,
    plackett_luce_loss,
    process_loss,
)

tensor = torch.tensor


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_bradley_terry_by_hand():
    """[RM-1]: two pairs with gaps 1 and -0.5."""
    loss = bradley_terry_loss(tensor([2.0, 0.5]), tensor([1.0, 1.0]))
    by_hand = -(math.log(sigmoid(1.0)) + math.log(sigmoid(-0.5))) / 2
    assert loss.item() == pytest.approx(by_hand, abs=1e-6)
    other_form = (math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(0.5))) / 2
    assert loss.item() == pytest.approx(other_form, abs=1e-6)
    assert bradley_terry_probability(tensor([2.0]), tensor([1.0])).item() == pytest.approx(
        sigmoid(1.0)
    )


def test_equal_rewards_cost_log_two():
    """[RM-1]: 0.693 means that the model knows nothing."""
    same = torch.ones(3)
    assert bradley_terry_loss(same, same).item() == pytest.approx(math.log(2))


def test_margin_by_hand():
    """[RM-2]: the margin is taken off the gap."""
    loss = bradley_terry_loss(tensor([2.0]), tensor([1.0]), margin=tensor([3.0]))
    assert loss.item() == pytest.approx(-math.log(sigmoid(1.0 - 3.0)), abs=1e-6)


def test_plackett_luce_by_hand():
    """[RM-3]: the best of three, then the better of the two that are left."""
    a, b, c = 1.0, 0.2, -0.3
    first = math.exp(a) / (math.exp(a) + math.exp(b) + math.exp(c))
    second = math.exp(b) / (math.exp(b) + math.exp(c))
    loss = plackett_luce_loss(tensor([[a, b, c]]))
    assert loss.item() == pytest.approx(-math.log(first * second), abs=1e-6)


def test_plackett_luce_of_two_is_bradley_terry():
    """[RM-3] with K = 2 equals [RM-1]."""
    rewards = torch.randn(5, 2)
    two = bradley_terry_loss(rewards[:, 0], rewards[:, 1])
    assert plackett_luce_loss(rewards).item() == pytest.approx(two.item(), abs=1e-6)


def test_balanced_comparisons_by_hand():
    """[RM-4]: three pairs of three answers, each 1/3."""
    a, b, c = 1.0, 0.2, -0.3
    by_hand = -sum(math.log(sigmoid(gap)) for gap in (a - b, a - c, b - c)) / 3
    assert balanced_comparison_loss(tensor([[a, b, c]])).item() == pytest.approx(by_hand, abs=1e-6)


def test_outcome_loss_by_hand():
    """[RM-5]: two tokens, of which the second sequence has one only."""
    logits = tensor([[0.5, -1.0], [2.0, 99.0]])
    mask = tensor([[1.0, 1.0], [1.0, 0.0]])
    right = -(math.log(sigmoid(0.5)) + math.log(sigmoid(-1.0))) / 2
    wrong = -math.log(1 - sigmoid(2.0))
    loss = outcome_loss(logits, tensor([1.0, 0.0]), mask)
    assert loss.item() == pytest.approx((right + wrong) / 2, abs=1e-6)
    sequence = outcome_loss(logits, tensor([1.0, 0.0]), mask, level="sequence")
    by_hand = (-math.log(sigmoid(-0.25)) + wrong) / 2
    assert sequence.item() == pytest.approx(by_hand, abs=1e-6)


def test_process_loss_by_hand():
    """[RM-6]: two labelled tokens, one ignored."""
    logits = tensor([[[0.0, 0.0, 1.0], [9.0, 9.0, 9.0], [1.0, 0.0, 0.0]]])
    labels = tensor([[2, -100, 2]])
    total = math.e + 2
    by_hand = -(math.log(math.e / total) + math.log(1 / total)) / 2
    assert process_loss(logits, labels).item() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: bradley_terry_probability(x[:, 0], x[:, 1]),
        lambda x: bradley_terry_loss(x[:, 0], x[:, 1], margin=torch.full((4,), 0.3).double()),
        plackett_luce_loss,
        balanced_comparison_loss,
        lambda x: outcome_loss(
            x, tensor([1.0, 0, 1, 0]), (torch.arange(3) < 2).double().expand(4, 3)
        ),
        lambda x: process_loss(x[:, None, :], tensor([[0], [2], [1], [-100]])),
    ],
)
def test_gradients_by_finite_differences(loss):
    x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert gradcheck(loss, (x.requires_grad_(),))


def test_scores_at_two_micro_batches_average_to_the_whole():
    rewards = torch.randn(4, 3, dtype=torch.float64)
    mask = (torch.arange(3) < tensor([[3], [1], [2], [2]])).double()
    correct = tensor([1.0, 0, 1, 0])
    for loss in (
        lambda rows: bradley_terry_loss(rewards[rows, 0], rewards[rows, 1]),
        lambda rows: plackett_luce_loss(rewards[rows]),
        lambda rows: balanced_comparison_loss(rewards[rows]),
        lambda rows: outcome_loss(rewards[rows], correct[rows], mask[rows]),
        lambda rows: outcome_loss(rewards[rows], correct[rows], mask[rows], "sequence"),
    ):
        halves = (loss(slice(0, 2)) + loss(slice(2, 4))) / 2
        assert torch.allclose(halves, loss(slice(0, 4)))


def test_process_loss_weighs_labelled_tokens_alike():
    """[RM-6]: halves with 3 and 1 labelled tokens weigh 3/4 and 1/4."""
    logits = torch.randn(2, 4, 3, dtype=torch.float64)
    labels = tensor([[0, 1, -100, 2], [-100, 2, -100, -100]])
    halves = [process_loss(logits[i : i + 1], labels[i : i + 1]) for i in (0, 1)]
    assert torch.allclose(0.75 * halves[0] + 0.25 * halves[1], process_loss(logits, labels))


def test_the_order_of_the_batch_does_not_matter():
    rewards, order = torch.randn(4, 3, dtype=torch.float64), tensor([2, 0, 3, 1])
    mask = (torch.arange(3) < tensor([[3], [1], [2], [2]])).double()
    correct, labels = tensor([1.0, 0, 1, 0]), tensor([[0], [2], [1], [-100]])
    for loss in (
        lambda rows: bradley_terry_loss(rewards[rows, 0], rewards[rows, 1], rewards[rows, 2]),
        lambda rows: plackett_luce_loss(rewards[rows]),
        lambda rows: balanced_comparison_loss(rewards[rows]),
        lambda rows: outcome_loss(rewards[rows], correct[rows], mask[rows]),
        lambda rows: outcome_loss(rewards[rows], correct[rows], mask[rows], "sequence"),
        lambda rows: process_loss(rewards[rows][:, None], labels[rows]),
    ):
        assert torch.allclose(loss(order), loss(torch.arange(4)))


@pytest.mark.parametrize("rubbish", [77.0, float("inf"), float("nan")])
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_padding_does_not_change_the_outcome_loss(level, rubbish):
    logits, mask = torch.randn(2, 3), tensor([[1.0, 1, 1], [1, 1, 0]])
    padded = torch.cat((logits.masked_fill(mask == 0, rubbish), torch.full((2, 4), rubbish)), 1)
    padded_mask = torch.cat((mask, torch.zeros(2, 4)), 1)
    correct = tensor([1.0, 0.0])
    assert torch.allclose(
        outcome_loss(logits, correct, mask, level),
        outcome_loss(padded, correct, padded_mask, level),
    )


def test_inputs_are_left_as_they_were():
    rewards, correct, mask = torch.randn(4, 3), torch.ones(4), torch.ones(4, 3)
    labels = tensor([[2, -100, 0]] * 4)
    inputs = (rewards, correct, mask, labels)
    copies = [x.clone() for x in inputs]
    bradley_terry_loss(rewards[:, 0], rewards[:, 1], margin=correct), plackett_luce_loss(rewards)
    balanced_comparison_loss(rewards), process_loss(rewards[..., None].expand(4, 3, 3), labels)
    outcome_loss(rewards, correct, mask), outcome_loss(rewards, correct, mask, "sequence")
    assert all(torch.equal(a, b) for a, b in zip(inputs, copies, strict=True))


def test_extreme_rewards_stay_finite():
    far = tensor([1e4])
    assert bradley_terry_loss(far, -far).item() == 0
    assert bradley_terry_loss(-far, far).item() == pytest.approx(2e4)
    gap = tensor([1e4, -1e4], requires_grad=True)
    for value in (
        bradley_terry_loss(gap, torch.zeros(2)),
        bradley_terry_probability(gap, torch.zeros(2)).sum(),
    ):
        assert torch.isfinite(torch.autograd.grad(value, gap)[0]).all()
    assert bradley_terry_probability(gap, torch.zeros(2)).tolist() == [1.0, 0.0]
    extreme = tensor([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]], requires_grad=True)
    ones = torch.ones(2, 3)
    for loss in (
        plackett_luce_loss(extreme),
        balanced_comparison_loss(extreme),
        outcome_loss(extreme, tensor([0.0, 1.0]), ones),
        process_loss(extreme[:, None], tensor([[1], [0]])),
    ):
        assert torch.isfinite(loss)
        assert torch.isfinite(torch.autograd.grad(loss, extreme)[0]).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_any_float_dtype(dtype):
    x = torch.randn(4, 3).to(dtype)
    assert bradley_terry_probability(x[:, 0], x[:, 1]).dtype == dtype
    assert bradley_terry_loss(x[:, 0], x[:, 1]).dtype == dtype
    assert plackett_luce_loss(x).dtype == dtype
    assert balanced_comparison_loss(x).dtype == dtype
    assert outcome_loss(x, torch.ones(4), torch.ones(4, 3)).dtype == dtype
    assert outcome_loss(x, torch.ones(4), torch.ones(4, 3), "sequence").dtype == dtype
    assert process_loss(x[:, None], tensor([[0], [2], [1], [-100]])).dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bradley_terry_loss(torch.ones(2), torch.ones(3)), "rejected must have the shape"),
        (
            lambda: bradley_terry_loss(torch.ones(2, 1), torch.ones(2, 1)),
            r"chosen must have shape \(B,\)",
        ),
        (lambda: bradley_terry_loss(torch.ones(0), torch.ones(0)), "chosen is empty"),
        (lambda: plackett_luce_loss(torch.ones(2, 1)), "at least 2"),
        (lambda: balanced_comparison_loss(torch.ones(2)), "rewards must have shape"),
        (
            lambda: outcome_loss(torch.ones(1, 2), torch.ones(1), torch.zeros(1, 2)),
            "mask has a row",
        ),
        (lambda: outcome_loss(torch.ones(1, 2), torch.ones(1), torch.ones(1, 2), "word"), "level"),
        (
            lambda: outcome_loss(torch.ones(2, 3), torch.ones(3), torch.ones(2, 3)),
            "correct must have the shape of a column of logits",
        ),
        (
            lambda: outcome_loss(torch.ones(1, 2), 2 * torch.ones(1), torch.ones(1, 2)),
            "correct must lie between",
        ),
        (
            lambda: outcome_loss(torch.ones(1, 2), torch.ones(1), torch.ones(1, 3)),
            "mask must have the shape of logits",
        ),
        (
            lambda: bradley_terry_loss(torch.ones(2), torch.ones(2), margin=torch.ones(1)),
            "margin must have the shape of chosen",
        ),
        (lambda: bradley_terry_loss(tensor([1]), tensor([0])), "chosen must hold floating"),
        (lambda: bradley_terry_probability(torch.ones(2), torch.ones(3)), "second must have"),
        (
            lambda: process_loss(torch.ones(1, 2, 3), torch.zeros(1, 3).long()),
            "labels must have the shape",
        ),
        (lambda: process_loss(torch.ones(1, 2, 3), torch.full((1, 2), -100)), "mark no step"),
        (
            lambda: process_loss(torch.ones(1, 2, 3), torch.full((1, 2), 3)),
            "labels must be 0, 1, 2",
        ),
        (
            lambda: process_loss(torch.ones(1, 2, 2), torch.zeros(1, 2).long()),
            "logits must have shape",
        ),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
