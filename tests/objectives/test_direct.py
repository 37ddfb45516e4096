"""Direct alignment: worked by hand on two pairs, gradients, limits, and what each loss is indifferent to."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from rlhf_lib.objectives import (
    apo_down_loss,
    apo_zero_loss,
    bradley_terry_loss,
    dpo_loss,
    implicit_reward,
    ipo_loss,
    kto_loss,
    orpo_loss,
    rebel_loss,
    simpo_loss,
)

tensor = torch.tensor
# Two pairs, in nats. Log-ratios: chosen 1, -0.5; rejected -1, 0.5. So h = 2 and -1.
PC, PR = tensor([-3.0, -4.5]), tensor([-6.0, -1.5])
RC, RR = tensor([-4.0, -4.0]), tensor([-5.0, -2.0])
PAIR_LOSSES = {
    "dpo": lambda *x: dpo_loss(*x, 0.5),
    "cdpo": lambda *x: dpo_loss(*x, 0.5, label_smoothing=0.1),
    "ipo": lambda *x: ipo_loss(*x, 0.5),
    "apo_zero": lambda *x: apo_zero_loss(*x, 0.5),
    "apo_down": lambda *x: apo_down_loss(*x, 0.5),
    "rebel": lambda pc, pr, rc, rr: rebel_loss(pc, pr, rc, rr, 0.3 * rc, 2.0),
    "simpo": lambda pc, pr, rc, rr: simpo_loss(pc, pr, 2.0, 0.5),
    "orpo": lambda pc, pr, rc, rr: orpo_loss(-pc.abs(), -pr.abs(), pc.abs(), 0.2),
    "kto": lambda pc, pr, rc, rr: kto_loss(
        torch.cat((pc, pr)), torch.cat((rc, rr)), torch.arange(2 * len(pc)) < len(pc), 0.1, 0.5
    ),
}
every_loss = pytest.mark.parametrize("loss", PAIR_LOSSES.values(), ids=PAIR_LOSSES)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def some_pairs(count: int = 4, dtype=torch.float64) -> list[torch.Tensor]:
    """pc, pr, rc, rr (count,): log-probabilities between -6 and 0."""
    generator = torch.Generator().manual_seed(0)
    return list((-6 * torch.rand(4, count, dtype=torch.float64, generator=generator)).to(dtype))


def test_implicit_reward_by_hand():
    """[DA-1]: beta times the log-ratio."""
    assert implicit_reward(PC, RC, 0.5).tolist() == [0.5, -0.25]


def test_implicit_rewards_of_the_optimal_policy_are_the_rewards():
    """[DA-1]: for pi* = pi_ref exp(r / beta) / Z differences of implicit rewards are those of r."""
    ref, rewards, beta = tensor([0.5, 0.3, 0.2]).log(), tensor([1.0, -2.0, 0.5]), 0.7
    optimal = (ref + rewards / beta).log_softmax(0)
    implied = implicit_reward(optimal, ref, beta)
    assert torch.allclose(implied - implied[0], rewards - rewards[0], atol=1e-6)
    shift = beta * (ref.exp() * (rewards / beta).exp()).sum().log()
    assert torch.allclose(implied, rewards - shift, atol=1e-6)  # the constant is beta log Z


def test_dpo_by_hand():
    """[DA-2]: h = 2 and -1, beta 0.5."""
    by_hand = -(math.log(sigmoid(1.0)) + math.log(sigmoid(-0.5))) / 2
    assert dpo_loss(PC, PR, RC, RR, 0.5).item() == pytest.approx(by_hand, abs=1e-6)


def test_dpo_at_the_reference_is_log_two():
    """[DA-2]: a loss that stays at 0.693 has learned nothing."""
    assert dpo_loss(RC, RR, RC, RR, 0.5).item() == pytest.approx(math.log(2))


def test_dpo_is_bradley_terry_on_implicit_rewards():
    """[DA-2] is [RM-1] of [DA-1]."""
    chosen, rejected = implicit_reward(PC, RC, 0.5), implicit_reward(PR, RR, 0.5)
    assert torch.allclose(dpo_loss(PC, PR, RC, RR, 0.5), bradley_terry_loss(chosen, rejected))


def test_gradient_of_dpo_by_hand():
    """[DA-2]: -beta sigmoid(-beta h) / B for the chosen answer, the opposite for the rejected one."""
    pc, pr = PC.clone().requires_grad_(), PR.clone().requires_grad_()
    dpo_loss(pc, pr, RC, RR, 0.5).backward()
    weights = [
        0.5 * sigmoid(-1.0) / 2,
        0.5 * sigmoid(0.5) / 2,
    ]  # the pair that is wrong weighs more
    assert pc.grad.tolist() == pytest.approx([-w for w in weights])
    assert pr.grad.tolist() == pytest.approx(weights)


def test_both_may_fall_and_the_loss_with_them():
    """[DA-2]: displacement: only the difference counts, so the chosen answer may lose 10 nats."""
    assert dpo_loss(PC - 10, PR - 12, RC, RR, 0.5) < dpo_loss(PC, PR, RC, RR, 0.5)


def test_cdpo_by_hand():
    """[DA-3]: nine tenths of the loss and one tenth of the flipped one."""
    flipped = dpo_loss(PR, PC, RR, RC, 0.5).item()
    by_hand = 0.9 * dpo_loss(PC, PR, RC, RR, 0.5).item() + 0.1 * flipped
    assert dpo_loss(PC, PR, RC, RR, 0.5, 0.1).item() == pytest.approx(by_hand, abs=1e-6)
    one_pair = -0.9 * math.log(sigmoid(1.0)) - 0.1 * math.log(sigmoid(-1.0))
    first = dpo_loss(PC[:1], PR[:1], RC[:1], RR[:1], 0.5, 0.1)
    assert first.item() == pytest.approx(one_pair, abs=1e-6)


def test_cdpo_has_an_optimum():
    """[DA-3]: at h = log((1 - e) / e) / beta the gradient is 0; DPO's never is."""
    gap = math.log(0.9 / 0.1) / 0.5
    pc = tensor([gap], requires_grad=True)
    zero = torch.zeros(1)
    dpo_loss(pc, zero, zero, zero, 0.5, label_smoothing=0.1).backward()
    assert pc.grad.item() == pytest.approx(0, abs=1e-7)


def test_ipo_by_hand():
    """[DA-4]: (2 - 1)^2 and (-1 - 1)^2 for beta 0.5."""
    assert ipo_loss(PC, PR, RC, RR, 0.5).item() == pytest.approx((1 + 4) / 2)


def test_ipo_stops_where_dpo_goes_on():
    """[DA-4]: beyond the gap 1 / (2 beta) IPO pulls back; DPO pushes on."""
    gradients = []
    for loss in (ipo_loss, dpo_loss):
        pc, zero = tensor([7.0], requires_grad=True), torch.zeros(1)
        loss(pc, zero, zero, zero, 0.1).backward()
        gradients.append(pc.grad.item())
    assert gradients[0] == pytest.approx(2 * (7 - 5)) and gradients[1] < 0


def test_simpo_by_hand():
    """[DA-5]: beta (pc - pr) - gamma = 2 * 3 - 0.5 and 2 * -3 - 0.5."""
    by_hand = -(math.log(sigmoid(5.5)) + math.log(sigmoid(-6.5))) / 2
    assert simpo_loss(PC, PR, 2.0, 0.5).item() == pytest.approx(by_hand, abs=1e-6)


def test_orpo_by_hand():
    """[DA-6]: p = 0.5 and 0.2: odds 1 and 0.25, odds ratio 4, sigmoid(log 4) = 0.8."""
    chosen, rejected = tensor([0.5]).log(), tensor([0.2]).log()
    by_hand = math.log(2) - 0.3 * math.log(0.8)
    assert orpo_loss(chosen, rejected, -chosen, 0.3).item() == pytest.approx(by_hand, abs=1e-6)
    both = orpo_loss(torch.cat((chosen, rejected)), torch.cat((rejected, chosen)), tensor(1.5), 0.3)
    by_hand = 1.5 - 0.3 * (math.log(0.8) + math.log(0.2)) / 2
    assert both.item() == pytest.approx(by_hand, abs=1e-6)


def test_orpo_of_an_answer_that_is_certain():
    """[DA-6]: p = 1 has infinite odds; loss and gradient stay numbers."""
    sure, other = torch.zeros(1, requires_grad=True), tensor([-1.0], requires_grad=True)
    for pair in ((sure, other), (other, sure)):
        loss = orpo_loss(*pair, tensor(0.0), 1.0)
        gradients = torch.autograd.grad(loss, (sure, other))
        assert torch.isfinite(loss) and all(torch.isfinite(g).all() for g in gradients)


def test_kto_by_hand():
    """[DA-7]: log-ratios 1 (desirable) and 0.5 (undesirable), reference point 0.2, weights 1 and 2."""
    policy, ref = tensor([-3.0, -1.5]), tensor([-4.0, -2.0])
    loss = kto_loss(policy, ref, tensor([True, False]), 0.2, 0.5, 1.0, 2.0)
    by_hand = (1 - sigmoid(0.5 * (1 - 0.2))) + 2 * (1 - sigmoid(0.5 * (0.2 - 0.5)))
    assert loss.item() == pytest.approx(by_hand / 2, abs=1e-6)


def test_reference_point_of_kto():
    """[DA-7]: log-ratios are averaged; below 0 it is 0; it is a constant."""
    policy, ref, labels = tensor([-3.0, -1.5]), tensor([-4.0, -2.0]), tensor([True, False])
    plain = kto_loss(policy, ref, labels, 0.2, 0.5)
    strangers = tensor([0.6, -0.2], requires_grad=True)
    policy.requires_grad_()
    loss = kto_loss(policy, ref, labels, strangers, 0.5)
    loss.backward()
    assert torch.allclose(loss, plain) and strangers.grad is None
    at_zero = kto_loss(policy, ref, labels, 0.0, 0.5)
    for below in (-3.0, tensor(-3.0), tensor([1.0, -2.0])):
        assert torch.allclose(kto_loss(policy, ref, labels, below, 0.5), at_zero)


def test_kto_needs_no_pairs():
    """[DA-7]: a batch of desirable answers alone is a batch."""
    loss = kto_loss(PC, RC, tensor([True, True]), 0.0, 0.5)
    assert loss.item() == pytest.approx((2 - sigmoid(0.5) - sigmoid(-0.25)) / 2, abs=1e-6)


def test_rebel_by_hand():
    """[DA-8]: h / eta - gap = 2 / 2 - 0.5 and -1 / 2 - 1."""
    loss = rebel_loss(PC, PR, RC, RR, tensor([0.5, 1.0]), eta=2.0)
    assert loss.item() == pytest.approx((0.5**2 + 1.5**2) / 2)


def test_rebel_is_zero_at_the_optimal_policy():
    """[DA-8]: for pi* = pi_old exp(eta r) / Z, whatever the two answers."""
    old, rewards, eta = tensor([0.5, 0.3, 0.2]).log(), tensor([1.0, -2.0, 0.5]), 0.7
    best = (old + eta * rewards).log_softmax(0)
    first, second = tensor([0, 1, 2]), tensor([1, 2, 0])
    gap = rewards[first] - rewards[second]
    loss = rebel_loss(best[first], best[second], old[first], old[second], gap, eta)
    assert loss.item() == pytest.approx(0, abs=1e-10)


def test_apo_zero_by_hand():
    """[DA-9]: implicit rewards 0.5, -0.25 of the chosen, -0.5, 0.25 of the rejected."""
    by_hand = (1 - sigmoid(0.5) + sigmoid(-0.5)) + (1 - sigmoid(-0.25) + sigmoid(0.25))
    assert apo_zero_loss(PC, PR, RC, RR, 0.5).item() == pytest.approx(by_hand / 2, abs=1e-6)


def test_apo_down_by_hand():
    """[DA-10]: the chosen reward falls; beta h is 1 and -0.5."""
    by_hand = (sigmoid(0.5) + 1 - sigmoid(1.0)) + (sigmoid(-0.25) + 1 - sigmoid(-0.5))
    assert apo_down_loss(PC, PR, RC, RR, 0.5).item() == pytest.approx(by_hand / 2, abs=1e-6)


def test_which_way_apo_pushes():
    """[DA-9] pushes the chosen answer up, [DA-10] down; both the rejected one down."""
    for loss, sign in ((apo_zero_loss, -1), (apo_down_loss, 1)):
        pc, pr = (tensor([-2.0], requires_grad=True) for _ in range(2))
        zero = tensor([-2.0])
        # with the rejected answer far behind, what is left is the pull on the chosen one
        loss(pc, pr - 20, zero, zero, 0.5).backward()
        assert math.copysign(1, pc.grad.item()) == sign and pr.grad.item() > 0


@every_loss
def test_gradients_by_finite_differences(loss):
    pairs = [x.requires_grad_() for x in some_pairs()]
    assert gradcheck(lambda pc, pr: loss(pc, pr, *pairs[2:]), pairs[:2])


@every_loss
def test_the_order_of_the_batch_does_not_matter(loss):
    order, pairs = tensor([2, 0, 3, 1]), some_pairs()
    assert torch.allclose(loss(*pairs), loss(*(x[order] for x in pairs)))


@every_loss
def test_micro_batches_of_equal_size_average_to_the_whole(loss):
    pairs = some_pairs()
    halves = [loss(*(x[rows] for x in pairs)) for rows in (slice(0, 2), slice(2, 4))]
    assert torch.allclose(sum(halves) / 2, loss(*pairs))


@pytest.mark.parametrize("name", ["dpo", "cdpo", "ipo", "rebel"])
def test_what_adds_to_both_answers_cancels(name):
    """A constant of the prompt, such as beta log Z, changes nothing."""
    pc, pr, rc, rr = some_pairs()
    loss = PAIR_LOSSES[name]
    assert torch.allclose(loss(pc + 3, pr + 3, rc, rr), loss(pc, pr, rc, rr))


@pytest.mark.parametrize("name", ["simpo", "orpo"])
def test_losses_without_a_reference_do_not_look_at_it(name):
    pc, pr, rc, rr = some_pairs()
    assert torch.equal(PAIR_LOSSES[name](pc, pr, rc, rr), PAIR_LOSSES[name](pc, pr, 0 * rc, rr))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("gap", [1e4, -1e4])
@every_loss
def test_extreme_log_ratios_stay_finite(loss, gap, dtype):
    far, zero = torch.full((2,), gap, dtype=dtype), torch.zeros(2, dtype=dtype)
    for values in ((far, -far), (far, far), (-far, zero)):
        pc, pr = (x.clone().requires_grad_() for x in values)
        value = loss(pc, pr, zero, zero)
        gradients = torch.autograd.grad(value, (pc, pr), allow_unused=True)
        assert torch.isfinite(value)
        assert all(torch.isfinite(g).all() for g in gradients)


def test_a_hopeless_pair_still_has_its_full_gradient():
    """[DA-2]: at h = -1e4 the loss is beta |h| and the slope -beta: no saturation on the wrong side."""
    pc, zero = tensor([-1e4], requires_grad=True), torch.zeros(1)
    loss = dpo_loss(pc, zero, zero, zero, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(5e3) and pc.grad.item() == pytest.approx(-0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@every_loss
def test_any_float_dtype(loss, dtype):
    narrow = some_pairs(dtype=dtype)
    value, exact = loss(*narrow), loss(*(x.double() for x in narrow))
    assert value.dtype == dtype
    assert value.item() == pytest.approx(exact.item(), rel=4 * torch.finfo(dtype).eps, abs=1e-6)


def test_half_precision_keeps_the_digits_of_small_differences():
    """bfloat16 holds -100.5 and -100; that they differ is seen before anything is rounded."""
    sums = [tensor([x], dtype=torch.bfloat16) for x in (-100.0, -100.5, -100.0, -100.0)]
    assert dpo_loss(*sums, 1.0).item() == pytest.approx(-math.log(sigmoid(0.5)), rel=0.005)


@every_loss
def test_inputs_are_left_as_they_were(loss):
    pairs = some_pairs()
    copies = [x.clone() for x in pairs]
    loss(*pairs)
    assert all(torch.equal(a, b) for a, b in zip(pairs, copies, strict=True))


TWO, THREE, YES = -torch.ones(2), -torch.ones(3), tensor([True, True])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: implicit_reward(TWO, THREE, 0.1), "ref must have the shape of policy"),
        (lambda: implicit_reward(TWO, TWO, 0.0), "beta must be positive"),
        (lambda: dpo_loss(TWO, THREE, TWO, TWO, 0.1), "pr must have the shape of pc"),
        (lambda: dpo_loss(TWO, TWO, THREE, TWO, 0.1), "rc must have the shape of pc"),
        (lambda: dpo_loss(TWO, TWO, TWO, THREE, 0.1), "rr must have the shape of pc"),
        (lambda: dpo_loss(TWO[:, None], TWO, TWO, TWO, 0.1), r"pc must have shape \(B,\)"),
        (lambda: dpo_loss(TWO[:0], TWO[:0], TWO[:0], TWO[:0], 0.1), "pc is empty"),
        (lambda: dpo_loss(TWO.long(), TWO, TWO, TWO, 0.1), "pc must hold floating-point"),
        (lambda: dpo_loss(TWO, TWO, TWO, TWO, -0.1), "beta must be positive"),
        (lambda: dpo_loss(TWO, TWO, TWO, TWO, math.nan), "beta must be positive"),
        (lambda: dpo_loss(TWO, TWO, TWO, TWO, 0.1, 0.6), "label_smoothing must lie"),
        (lambda: dpo_loss(TWO, TWO, TWO, TWO, 0.1, -0.1), "label_smoothing must lie"),
        (lambda: ipo_loss(TWO, TWO, TWO, TWO, 0.0), "beta must be positive"),
        (lambda: ipo_loss(TWO, TWO, TWO, THREE, 0.1), "rr must have the shape of pc"),
        (lambda: simpo_loss(TWO, THREE, 2.0, 0.5), "pr_mean must have the shape of pc_mean"),
        (lambda: simpo_loss(TWO, TWO, 0.0, 0.5), "beta must be positive"),
        (lambda: simpo_loss(TWO, TWO, 2.0, -0.5), "gamma must be 0 or more"),
        (lambda: orpo_loss(TWO, THREE, -TWO, 0.1), "pr_mean must have the shape of pc_mean"),
        (lambda: orpo_loss(TWO, TWO, -THREE, 0.1), "nll must have the shape of pc_mean"),
        (lambda: orpo_loss(TWO, TWO, -TWO, -0.1), "lam must be 0 or more"),
        (lambda: orpo_loss(-TWO, TWO, -TWO, 0.1), "pc_mean must hold log-probabilities"),
        (lambda: orpo_loss(TWO, -TWO, -TWO, 0.1), "pr_mean must hold log-probabilities"),
        (lambda: orpo_loss(TWO * math.nan, TWO, -TWO, 0.1), "pc_mean must hold log-probabilities"),
        (lambda: kto_loss(TWO, THREE, YES, 0.0, 0.1), "ref must have the shape of policy"),
        (lambda: kto_loss(TWO, TWO, YES[:1], 0.0, 0.1), "desirable must have the shape of policy"),
        (lambda: kto_loss(TWO, TWO, TWO, 0.0, 0.1), "desirable must hold booleans"),
        (lambda: kto_loss(TWO, TWO, YES, 0.0, -0.1), "beta must be positive"),
        (lambda: kto_loss(TWO, TWO, YES, 0.0, 0.1, -1.0), "desirable_weight must be 0 or more"),
        (lambda: kto_loss(TWO, TWO, YES, 0.0, 0.1, 1.0, -1.0), "undesirable_weight must be 0"),
        (lambda: rebel_loss(TWO, TWO, TWO, THREE, TWO, 1.0), "old2 must have the shape of p1"),
        (lambda: rebel_loss(TWO, TWO, TWO, TWO, THREE, 1.0), "reward_gap must have the shape"),
        (lambda: rebel_loss(TWO, TWO, TWO, TWO, TWO, 0.0), "eta must be positive"),
        (lambda: apo_zero_loss(TWO, TWO, TWO, TWO, 0.0), "beta must be positive"),
        (lambda: apo_zero_loss(TWO, THREE, TWO, TWO, 0.1), "pr must have the shape of pc"),
        (lambda: apo_down_loss(TWO, TWO, TWO, TWO, 0.0), "beta must be positive"),
        (lambda: apo_down_loss(TWO, TWO, THREE, TWO, 0.1), "rc must have the shape of pc"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
