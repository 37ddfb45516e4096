"""Advantages: worked by hand, identities, masks."""

import pytest
import torch
from torch.autograd import gradcheck

from rlhf_lib.objectives import gae, group_advantages, reward_to_go, rloo_advantages, whiten

tensor = torch.tensor


def test_rloo_by_hand():
    """[ADV-1]: rewards 1, 0, 5: each minus the mean of the other two."""
    advantages = rloo_advantages(tensor([[1.0, 0.0, 5.0]]))
    assert advantages[0].tolist() == pytest.approx([1 - 2.5, 0 - 3.0, 5 - 0.5])


def test_group_advantages_by_hand():
    """[ADV-2]: rewards 1, 3: mean 2, unbiased standard deviation sqrt 2."""
    rewards = tensor([[1.0, 3.0]])
    scale = 2**0.5 + 1e-4
    assert group_advantages(rewards)[0].tolist() == pytest.approx([-1 / scale, 1 / scale])
    assert group_advantages(rewards, "none")[0].tolist() == pytest.approx([-1.0, 1.0])
    two = tensor([[1.0, 3.0], [0.0, 0.0]])
    # deviations of 1, 3, 0, 0 from their mean 1: 0, 2, -1, -1
    spread = ((0 + 4 + 1 + 1) / 3) ** 0.5 + 1e-4
    assert group_advantages(two, "batch")[0].tolist() == pytest.approx([-1 / spread, 1 / spread])


def test_dr_grpo_is_rloo_up_to_scale():
    """[ADV-1] = G / (G - 1) times [ADV-2] without the standard deviation."""
    rewards = torch.randn(3, 5)
    assert torch.allclose(
        rloo_advantages(rewards), 5 / 4 * group_advantages(rewards, "none"), atol=1e-6
    )


@pytest.mark.parametrize("reward", [1.0, 0.1, 1.7, -1e6])
@pytest.mark.parametrize("group", [2, 3, 7, 8, 12])
def test_equal_rewards_give_exactly_zero(reward, group):
    """[ADV-1], [ADV-2]: the mean of eight times 1.7 is not 1.7; that must not become an advantage."""
    equal = torch.full((2, group), reward)
    mixed = torch.cat((equal, torch.arange(2.0 * group).view(2, group)))
    assert (rloo_advantages(mixed)[:2] == 0).all() and (rloo_advantages(mixed)[2:] != 0).any()
    for scale in ("group", "batch", "none"):
        assert (group_advantages(equal, scale) == 0).all()
        assert (group_advantages(mixed, scale)[:2] == 0).all()
        assert torch.isfinite(group_advantages(mixed, scale)).all()


def test_standard_deviation_shrinks_or_stretches_advantages():
    """[ADV-2]: 1 of 8 right: 0.875 becomes 2.475; from a spread above 1 they shrink."""
    one_right = tensor([[1.0] + [0.0] * 7])
    assert group_advantages(one_right, "none")[0, 0].item() == pytest.approx(0.875)
    assert group_advantages(one_right)[0, 0].item() == pytest.approx(2.474, abs=1e-3)
    far = tensor([[10.0, -10.0]])
    assert group_advantages(far).abs().max() < group_advantages(far, "none").abs().max()


def test_advantages_do_not_depend_on_a_shift_of_the_rewards_or_the_order():
    rewards = torch.randn(3, 5, dtype=torch.float64)
    order = torch.randperm(5)
    for function in (rloo_advantages, group_advantages, lambda r: group_advantages(r, "none")):
        assert torch.allclose(function(rewards), function(rewards + 7))
        assert torch.allclose(function(rewards)[:, order], function(rewards[:, order]))
        assert torch.allclose(function(rewards).sum(1), torch.zeros(3).double())


def test_reward_to_go_by_hand():
    """[ADV-3]: rewards 1, 2 with gamma 0.5; the second row has one token."""
    rewards, mask = tensor([[1.0, 2.0], [3.0, 9.0]]), tensor([[1.0, 1.0], [1.0, 0.0]])
    assert reward_to_go(rewards, mask, 0.5).tolist() == [[1 + 0.5 * 2, 2.0], [3.0, 0.0]]


def test_gae_by_hand():
    """[ADV-4]: two tokens, gamma 0.9, lambda 0.5."""
    rewards, values, mask = tensor([[0.0, 1.0]]), tensor([[0.4, 0.6]]), torch.ones(1, 2)
    last = 1.0 - 0.6
    first = (0.0 + 0.9 * 0.6 - 0.4) + 0.9 * 0.5 * last
    advantages, returns = gae(rewards, values, mask, 0.9, 0.5)
    assert advantages[0].tolist() == pytest.approx([first, last])
    assert returns[0].tolist() == pytest.approx([first + 0.4, 1.0])


def test_gae_limits():
    """[ADV-4]: lambda 0 is the one-step residual, lambda 1 the reward-to-go minus V."""
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(2, 3, 5, generator=generator)
    mask = (torch.arange(5) < tensor([[5], [3], [1]])).float()
    following = torch.cat((values[:, 1:], torch.zeros(3, 1)), 1)
    following = following * torch.cat((mask[:, 1:], torch.zeros(3, 1)), 1)
    residual = (rewards + 0.9 * following - values) * mask
    assert torch.allclose(gae(rewards, values, mask, 0.9, 0.0)[0], residual, atol=1e-6)
    monte_carlo = reward_to_go(rewards * mask, mask, 0.9) - values * mask
    assert torch.allclose(gae(rewards * mask, values, mask, 0.9, 1.0)[0], monte_carlo, atol=1e-6)


def test_padding_does_not_leak_into_advantages():
    rewards, values, mask = torch.randn(2, 3), torch.randn(2, 3), tensor([[1.0, 1, 1], [1, 1, 0]])
    wide = [torch.cat((x, torch.full((2, 2), 50.0)), 1) for x in (rewards, values)]
    wide_mask = torch.cat((mask, torch.zeros(2, 2)), 1)
    short, long = gae(rewards, values, mask)[0], gae(*wide, wide_mask)[0]
    assert torch.allclose(short, long[:, :3]) and (long[:, 3:] == 0).all()
    assert torch.allclose(whiten(rewards, mask), whiten(wide[0], wide_mask)[:, :3], atol=1e-6)


def test_whiten_by_hand():
    """[ADV-5]: 1 and 3 under the mask have mean 2 and unbiased variance 2."""
    x, mask = tensor([[1.0, 3.0, 100.0]]), tensor([[1.0, 1.0, 0.0]])
    assert whiten(x, mask)[0].tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5, 0.0], abs=1e-6)


@pytest.mark.parametrize("rubbish", [1e6, float("inf"), float("nan")])
def test_entries_outside_the_mask_may_hold_anything(rubbish):
    mask = tensor([[1.0, 1, 0, 0], [1, 1, 1, 0]])
    clean = torch.randn(2, 2, 4) * mask
    dirty = clean.masked_fill(mask == 0, rubbish)
    pairs = [
        (reward_to_go(rows[0], mask, 0.9), *gae(*rows, mask), whiten(rows[0], mask))
        for rows in (clean, dirty)
    ]
    for ours, theirs in zip(*pairs, strict=True):
        assert torch.equal(ours, theirs) and (ours[mask == 0] == 0).all()


def test_a_tool_output_in_between_is_stepped_over():
    """[ADV-3], [ADV-4]: the policy did not write it; credit for what follows goes to what was before."""
    mask = tensor([[1.0, 0.0, 0.0, 1.0, 1.0, 0.0]])
    rewards, values = tensor([[0.1, 9, 9, 0.2, 1.0, 9]]), tensor([[0.3, 9, 9, 0.5, 0.7, 9]])
    real, ones = mask[0].bool(), torch.ones(1, 3)
    assert torch.equal(
        reward_to_go(rewards, mask, 0.9)[:, real], reward_to_go(rewards[:, real], ones, 0.9)
    )
    for ours, short in zip(
        gae(rewards, values, mask, 0.9, 0.5),
        gae(rewards[:, real], values[:, real], ones, 0.9, 0.5),
        strict=True,
    ):
        assert torch.equal(ours[:, real], short) and (ours[:, ~real] == 0).all()


def test_the_value_after_the_last_token_is_zero():
    """[ADV-4]: with lambda 0 and no reward the last advantage is -V, padded or not."""
    values, mask = tensor([[0.4, 0.6, 5.0]]), tensor([[1.0, 1.0, 0.0]])
    assert gae(0 * values, values, mask, 1.0, 0.0)[0][0].tolist() == pytest.approx([0.2, -0.6, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_any_float_dtype(dtype):
    rewards, values = torch.randn(2, 3, 4).to(dtype)
    mask = torch.ones(3, 4).to(dtype)
    results = [rloo_advantages(rewards), group_advantages(rewards), whiten(rewards, mask)]
    results += [reward_to_go(rewards, mask, 0.9), *gae(rewards, values, mask)]
    assert all(x.dtype == dtype and torch.isfinite(x).all() for x in results)
    assert torch.isfinite(whiten(0 * rewards + 0.5, mask)).all()
    far = tensor([[300.0, -300.0]]).to(dtype)  # whose squares float16 cannot hold
    assert whiten(far, far.abs() / 300)[0].tolist() == pytest.approx([0.5**0.5, -(0.5**0.5)], 0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_extreme_rewards_stay_finite(dtype):
    rewards = tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype=dtype, requires_grad=True)
    mask, values = torch.ones(2, 3, dtype=dtype), rewards.detach() / 2
    results = [group_advantages(rewards, scale) for scale in ("group", "batch", "none")]
    results += [rloo_advantages(rewards), whiten(rewards, mask), reward_to_go(rewards, mask)]
    for result in (*results, *gae(rewards, values, mask)):
        assert torch.isfinite(result).all()
        (gradient,) = torch.autograd.grad(result.sum(), rewards, retain_graph=True)
        assert torch.isfinite(gradient).all()


def test_the_order_of_the_batch_does_not_matter():
    """Sequences are estimated one by one; whitening looks at all, in whatever order."""
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(2, 3, 4, dtype=torch.float64, generator=generator)
    mask, order = (torch.arange(4) < tensor([[4], [2], [3]])).double(), tensor([2, 0, 1])

    def everything(rows):
        parts = rewards[rows], values[rows], mask[rows]
        whitened, returns = whiten(parts[0], parts[2]), reward_to_go(parts[0], parts[2], 0.9)
        return [*gae(*parts), returns, rloo_advantages(parts[0]), whitened]

    shuffled, whole, alone = (everything(rows) for rows in (order, slice(None), slice(1, 2)))
    for ours, theirs in zip(shuffled, whole, strict=True):
        assert torch.allclose(ours, theirs[order])
    for ours, theirs in zip(alone[:-1], whole[:-1], strict=True):
        assert torch.allclose(ours, theirs[1:2])


def test_gradients_by_finite_differences():
    x = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = tensor([[1.0, 1, 1], [1, 1, 0]]).double()
    values = x.clone() / 2
    x.requires_grad_()
    assert gradcheck(lambda r: gae(r, values, mask)[0], (x,))
    assert gradcheck(lambda r: whiten(r, mask), (x,))
    assert gradcheck(lambda r: reward_to_go(r, mask, 0.9), (x,))
    assert gradcheck(lambda v: gae(x.detach(), v, mask, 0.9, 0.5), (values.requires_grad_(),))
    assert gradcheck(rloo_advantages, (x,))
    for scale in ("group", "batch", "none"):
        assert gradcheck(lambda r, scale=scale: group_advantages(r, scale), (x,))


def test_inputs_are_left_as_they_were():
    rewards, values, mask = torch.randn(2, 3), torch.randn(2, 3), torch.ones(2, 3)
    copies = [x.clone() for x in (rewards, values, mask)]
    gae(rewards, values, mask), whiten(rewards, mask), reward_to_go(rewards, mask)
    rloo_advantages(rewards), group_advantages(rewards)
    assert all(torch.equal(a, b) for a, b in zip(copies, (rewards, values, mask), strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rloo_advantages(torch.ones(3, 1)), "at least 2 completions"),
        (lambda: rloo_advantages(torch.ones(3)), "rewards must have shape"),
        (lambda: rloo_advantages(torch.ones(3, 2).long()), "rewards must hold floating-point"),
        (lambda: group_advantages(torch.ones(3, 1)), "at least 2 completions"),
        (lambda: group_advantages(torch.ones(0, 2)), "rewards is empty"),
        (lambda: group_advantages(torch.ones(3, 2), "std"), "scale must be one of"),
        (lambda: reward_to_go(torch.ones(1, 2), torch.ones(1, 3)), "mask must have the shape"),
        (lambda: reward_to_go(torch.ones(1, 2), torch.ones(1, 2), -0.1), "gamma must lie"),
        (lambda: reward_to_go(torch.ones(1, 2), torch.ones(1, 2), 1.5), "gamma must lie"),
        (lambda: reward_to_go(torch.ones(1, 2), torch.zeros(1, 2)), "mask has a row"),
        (lambda: gae(torch.ones(1, 2), torch.ones(1, 3), torch.ones(1, 2)), "values must have"),
        (lambda: gae(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1, 2), lam=2), "lam must lie"),
        (lambda: gae(torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, 2)), "mask has a row"),
        (lambda: whiten(torch.ones(1, 2), tensor([[1.0, 0.0]])), "at least 2 entries"),
        (lambda: whiten(torch.ones(1, 2), torch.ones(2, 2)), "mask must have the shape of x"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
