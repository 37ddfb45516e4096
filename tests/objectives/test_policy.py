"""Policy losses: worked by hand, the six cases of PPO, invariances, finite differences."""

import math

import pytest
import torch
from torch.autograd import gradcheck

import rlhf_lib.objectives
from rlhf_lib.objectives import (
    balanced_comparison_loss,
    bradley_terry_loss,
    exact_kl,
    gae,
    group_advantages,
    importance_weights,
    kl_estimate,
    masked_aggregate,
    plackett_luce_loss,
    policy_loss,
    reward_to_go,
    rloo_advantages,
    value_loss,
)

tensor = torch.tensor
ONES = torch.ones(1, 2)


def loss_of(ratios, advantages, algorithm="ppo", mask=None, **settings):
    """The loss for one sequence with these ratios; the old policy gave each token log-probability -1."""
    old = torch.full((1, len(ratios)), -1.0)
    logp = old + tensor([ratios]).log()
    mask = torch.ones_like(old) if mask is None else mask
    return policy_loss(logp, old, tensor(advantages), mask, algorithm, **settings)[0].item()


def test_reinforce_by_hand():
    """[PG-1]: -mean(A * logp) = -(2 * -1 + 2 * -0.5) / 2."""
    logp = tensor([[-1.0, -0.5]])
    loss, _ = policy_loss(logp, logp, tensor([2.0]), ONES, "reinforce")
    assert loss.item() == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "objective", "gradient"),
    [
        (0.5, 2.0, 0.5 * 2, True),
        (1.0, 2.0, 1.0 * 2, True),
        (1.5, 2.0, 1.2 * 2, False),
        (0.5, -2.0, 0.8 * -2, False),
        (1.0, -2.0, 1.0 * -2, True),
        (1.5, -2.0, 1.5 * -2, True),
    ],
)
def test_the_six_cases_of_ppo(ratio, advantage, objective, gradient):
    """[PG-2]: sign of the advantage x ratio below, within, above the clip range of 0.2."""
    old = torch.zeros(1, 1)
    logp = tensor([[math.log(ratio)]], requires_grad=True)
    loss, metrics = policy_loss(logp, old, tensor([advantage]), torch.ones(1, 1), "ppo")
    loss.backward()
    assert loss.item() == pytest.approx(-objective, abs=1e-6)
    assert bool(logp.grad.abs().sum() > 0) == gradient
    assert metrics["clip_fraction"] == float(not gradient)


def test_gspo_by_hand():
    """[PG-3]: one ratio a sequence, the geometric mean of 1.1 and 1.21 / 1.1."""
    ratio = (1.1 * 1.3) ** 0.5
    assert loss_of([1.1, 1.3], [1.0], "gspo") == pytest.approx(-ratio, abs=1e-6)
    assert loss_of([1.1, 1.7], [1.0], "gspo") == pytest.approx(-1.2, abs=1e-6)


def test_cispo_by_hand():
    """[PG-4]: the clipped ratio weighs A * logp and has no gradient of its own."""
    logp = tensor([[math.log(1.5)]], requires_grad=True)
    loss, _ = policy_loss(logp, torch.zeros(1, 1), tensor([2.0]), torch.ones(1, 1), "cispo")
    loss.backward()
    assert loss.item() == pytest.approx(-1.2 * 2 * math.log(1.5), abs=1e-6)
    assert logp.grad.item() == pytest.approx(-1.2 * 2, abs=1e-6)  # PPO's is 0 here


def test_aggregation_by_hand():
    """[PG-5]: the toy losses of the book, lengths 5 and 10: 2.8 and 1.9 a sequence."""
    values = torch.zeros(2, 10)
    values[0, :5] = tensor([1.0, 1, 1, 1, 10])
    values[1] = tensor([1.0] * 9 + [10])
    mask = (torch.arange(10) < tensor([[5], [10]])).float()
    assert masked_aggregate(values, mask, "sequence").item() == pytest.approx(
        (14 / 5 + 19 / 10) / 2
    )
    assert masked_aggregate(values, mask, "token").item() == pytest.approx(33 / 15)
    assert masked_aggregate(values, mask, "fixed").item() == pytest.approx((1.4 + 1.9) / 2)
    assert masked_aggregate(values, mask, "fixed", 20).item() == pytest.approx((0.7 + 0.95) / 2)


def test_truncated_importance_sampling_by_hand():
    """[PG-6]: weights exp(0.5) and exp(3), the second cut to 2."""
    old, sampler = tensor([[-1.0, -1.0]]), tensor([[-1.5, -4.0]])
    assert importance_weights(old, sampler)[0].tolist() == pytest.approx([math.exp(0.5), 2.0])
    loss, _ = policy_loss(old, old, tensor([1.0]), ONES, "reinforce", sampler_logp=sampler)
    assert loss.item() == pytest.approx((math.exp(0.5) + 2.0) / 2, abs=1e-6)


def test_value_loss_by_hand():
    """[PG-7]: errors 1 and 2; with the clip the second is held at old + 0.5, error 2.5."""
    values, returns, old = tensor([[1.0, 3.0]]), tensor([[2.0, 1.0]]), tensor([[1.0, 4.0]])
    assert value_loss(values, old, returns, ONES).item() == pytest.approx(0.5 * (1 + 4) / 2)
    clipped = value_loss(values, old, returns, ONES, clip=0.5)
    assert clipped.item() == pytest.approx(0.5 * (1 + 2.5**2) / 2)


def test_at_ratio_one_all_algorithms_have_the_gradient_of_reinforce():
    """Why a first GRPO loss may print as 0 and still teach: the value is 0, the gradient is not."""
    logp, advantages = torch.randn(2, 3), tensor([1.0, -1.0])
    gradients = []
    for algorithm in ("reinforce", "ppo", "gspo", "cispo"):
        x = logp.clone().requires_grad_()
        loss, _ = policy_loss(x, logp, advantages, torch.ones(2, 3), algorithm)
        loss.backward()
        gradients.append(x.grad)
    for gradient in gradients[1:]:
        assert torch.allclose(gradient, gradients[0], atol=1e-6)


@pytest.mark.parametrize("algorithm", ["reinforce", "ppo", "gspo", "cispo"])
@pytest.mark.parametrize("aggregate", ["sequence", "token", "fixed"])
def test_padding_and_order_do_not_matter(algorithm, aggregate):
    generator = torch.Generator().manual_seed(0)
    logp, old = torch.randn(2, 3, 4, generator=generator)
    mask = (torch.arange(4) < tensor([[4], [2], [3]])).float()
    advantages = tensor([1.0, -2.0, 0.5])
    settings = dict(algorithm=algorithm, aggregate=aggregate, max_length=8)
    plain = policy_loss(logp, old, advantages, mask, **settings)[0]
    wide = [torch.cat((x, torch.full((3, 3), -1e4)), 1) for x in (logp, old)]
    wide_mask = torch.cat((mask, torch.zeros(3, 3)), 1)
    assert torch.allclose(
        plain, policy_loss(*wide, advantages, wide_mask, **settings)[0], atol=1e-6
    )
    order = tensor([2, 0, 1])
    shuffled = policy_loss(logp[order], old[order], advantages[order], mask[order], **settings)[0]
    assert torch.allclose(plain, shuffled, atol=1e-6)


def test_micro_batches_add_up_where_they_should():
    """'fixed' and 'sequence' means of halves average to the whole; 'token' needs token weights."""
    values, mask = torch.randn(4, 3), (torch.arange(3) < tensor([[3], [1], [2], [2]])).float()
    for aggregate in ("sequence", "fixed"):
        halves = [masked_aggregate(values[i : i + 2], mask[i : i + 2], aggregate) for i in (0, 2)]
        assert torch.allclose(sum(halves) / 2, masked_aggregate(values, mask, aggregate), atol=1e-6)
    halves = [masked_aggregate(values[i : i + 2], mask[i : i + 2], "token") for i in (0, 2)]
    weighted = (halves[0] * mask[:2].sum() + halves[1] * mask[2:].sum()) / mask.sum()
    assert torch.allclose(weighted, masked_aggregate(values, mask, "token"), atol=1e-6)


@pytest.mark.parametrize("algorithm", ["reinforce", "ppo", "gspo"])
def test_gradients_by_finite_differences(algorithm):
    generator = torch.Generator().manual_seed(1)
    logp = torch.randn(2, 3, dtype=torch.float64, generator=generator)
    old = logp + 0.05 * torch.randn(2, 3, dtype=torch.float64, generator=generator)
    mask = tensor([[1.0, 1, 1], [1, 1, 0]]).double()
    advantages = tensor([1.0, -1.0]).double()
    logp.requires_grad_()
    assert gradcheck(lambda x: policy_loss(x, old, advantages, mask, algorithm)[0], (logp,))
    values = torch.randn(2, 3, dtype=torch.float64, generator=generator).requires_grad_()
    assert gradcheck(lambda v: value_loss(v, logp.detach(), old, mask), (values,))


def test_no_gradient_flows_into_advantages_or_old_policy():
    logp, old = torch.randn(1, 2, requires_grad=True), torch.randn(1, 2, requires_grad=True)
    advantages = torch.ones(1, requires_grad=True)
    policy_loss(logp, old, advantages, ONES)[0].backward()
    assert old.grad is None and advantages.grad is None


@pytest.mark.parametrize("algorithm", ["ppo", "gspo", "cispo"])
@pytest.mark.parametrize("gap", [1e4, -1e4])
def test_extreme_log_ratios_stay_finite(algorithm, gap):
    logp = torch.full((1, 2), gap, requires_grad=True)
    loss, metrics = policy_loss(logp, torch.zeros(1, 2), tensor([-1.0]), ONES, algorithm)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logp.grad).all()
    assert math.isfinite(metrics["ratio_max"]) and math.isfinite(metrics["approx_kl"])


def test_metrics_are_of_the_masked_tokens_alone():
    logp, mask = tensor([[0.1, 5.0]]), tensor([[1.0, 0.0]])
    entropy = tensor([[0.7, 99.0]])
    _, metrics = policy_loss(logp, torch.zeros(1, 2), tensor([1.0]), mask, entropy=entropy)
    assert metrics["ratio_max"] == pytest.approx(math.exp(0.1))
    assert metrics["entropy"] == pytest.approx(0.7)
    assert metrics["approx_kl"] == pytest.approx(math.exp(0.1) - 1 - 0.1, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_float_dtype(dtype):
    x = torch.randn(2, 3).to(dtype)
    loss, _ = policy_loss(x, x, torch.ones(2).to(dtype), torch.ones(2, 3).to(dtype))
    assert loss.dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: policy_loss(ONES, torch.ones(1, 3), torch.ones(1), ONES), "old_logp must have"),
        (lambda: policy_loss(ONES, ONES, torch.ones(2), ONES), "advantages must have shape"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), 0 * ONES), "mask has a row"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, "trpo"), "algorithm must be one of"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, clip_low=-0.1), "clip_low"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, tis_cap=0.0), "tis_cap"),
        (lambda: masked_aggregate(ONES, ONES, "mean"), "aggregate must be one of"),
        (lambda: masked_aggregate(ONES, ONES, "fixed", 0), "max_length"),
        (lambda: value_loss(ONES, ONES, ONES, ONES, clip=-1.0), "clip must be positive"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.fixture
def no_reading_of_values(monkeypatch):
    """On the meta device tensors have no values, so the one check that reads them is left out."""
    for module in (rlhf_lib.objectives.advantage, rlhf_lib.objectives.policy):
        monkeypatch.setattr(module, "mask_covers_rows", lambda mask: None)


def test_no_function_makes_a_tensor_on_another_device(no_reading_of_values):
    """On 'meta' a stray CPU tensor raises, as it would on a GPU."""
    x = torch.randn(4, 6, device="meta")
    results = [
        bradley_terry_loss(x[:, 0], x[:, 1]),
        plackett_luce_loss(x),
        balanced_comparison_loss(x),
        exact_kl(x, x),
        kl_estimate(x, x),
        rloo_advantages(x),
        group_advantages(x),
        reward_to_go(x, x),
        gae(x, x, x)[0],
        masked_aggregate(x, x, "token"),
        value_loss(x, x, x, x, clip=0.2),
        importance_weights(x, x),
    ]
    assert all(result.device.type == "meta" for result in results)
