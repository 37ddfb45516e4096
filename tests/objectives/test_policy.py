"""Policy losses: worked by hand, the six cases of PPO, invariances, finite differences."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from rlhf_lib.objectives import importance_weights, masked_aggregate, policy_loss, value_loss

tensor = torch.tensor
ALGORITHMS, AGGREGATES = ("reinforce", "ppo", "gspo", "cispo"), ("sequence", "token", "fixed")
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
    """[PG-3]: one ratio a sequence, the geometric mean of those of its tokens."""
    ratio = (1.1 * 1.3) ** 0.5
    assert loss_of([1.1, 1.3], [1.0], "gspo") == pytest.approx(-ratio, abs=1e-6)
    assert loss_of([1.1, 1.7], [1.0], "gspo") == pytest.approx(-1.2, abs=1e-6)


def test_gspo_gradient_by_hand():
    """[PG-3]: d(ratio)/d(logp_t) = ratio / length for every token; ratio (1.1 * 1.3)^(1/2)."""
    logp = tensor([[math.log(1.1), math.log(1.3)]], requires_grad=True)
    loss, _ = policy_loss(logp, torch.zeros(1, 2), tensor([3.0]), ONES, "gspo")
    loss.backward()
    assert logp.grad[0].tolist() == pytest.approx([-3 * (1.1 * 1.3) ** 0.5 / 2] * 2, abs=1e-6)


def test_gspo_with_an_advantage_per_token():
    """[PG-3], GSPO-token: the sequence's ratio, but each token is pushed by its own advantage."""
    logp = tensor([[math.log(1.1), math.log(1.3)]], requires_grad=True)
    loss, _ = policy_loss(logp, torch.zeros(1, 2), tensor([[3.0, -1.0]]), ONES, "gspo")
    loss.backward()
    ratio = (1.1 * 1.3) ** 0.5
    assert loss.item() == pytest.approx(-(3 * ratio - 1 * ratio) / 2, abs=1e-6)
    assert logp.grad[0].tolist() == pytest.approx([-3 * ratio / 2, ratio / 2], abs=1e-6)


def test_cispo_by_hand():
    """[PG-4]: the clipped ratio weighs A * logp and has no gradient of its own."""
    logp = tensor([[math.log(1.5)]], requires_grad=True)
    loss, _ = policy_loss(logp, torch.zeros(1, 1), tensor([2.0]), torch.ones(1, 1), "cispo")
    loss.backward()
    assert loss.item() == pytest.approx(-1.2 * 2 * math.log(1.5), abs=1e-6)
    assert logp.grad.item() == pytest.approx(-1.2 * 2, abs=1e-6)  # PPO's is 0 here


def test_cispo_without_a_lower_bound():
    """[PG-4]: clip_low = 1 lets small ratios through; only the weight is bounded, from above."""
    assert loss_of([0.5], [2.0], "cispo") == pytest.approx(-0.8 * 2 * (-1 + math.log(0.5)))
    assert loss_of([0.5], [2.0], "cispo", clip_low=1.0) == pytest.approx(
        -0.5 * 2 * (-1 + math.log(0.5))
    )


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


def test_truncated_importance_weights_have_no_gradient():
    """[PG-6]: they weigh the gradient of each token, and are constants themselves."""
    old, sampler = tensor([[-1.0, -1.0]], requires_grad=True), tensor([[-1.5, -4.0]])
    sampler.requires_grad_()
    logp = tensor([[-1.0, -1.0]], requires_grad=True)
    policy_loss(logp, old, tensor([1.0]), ONES, sampler_logp=sampler)[0].backward()
    assert logp.grad[0].tolist() == pytest.approx([-math.exp(0.5) / 2, -2.0 / 2])
    assert old.grad is None and sampler.grad is None


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
    for algorithm in ALGORITHMS:
        x = logp.clone().requires_grad_()
        loss, _ = policy_loss(x, logp, advantages, torch.ones(2, 3), algorithm)
        loss.backward()
        gradients.append(x.grad)
    for gradient in gradients[1:]:
        assert torch.allclose(gradient, gradients[0], atol=1e-6)


def ragged(seed: int = 0):
    """logp, old_logp (3, 4), advantages (3,), and a mask of lengths 4, 2, 3. float64."""
    generator = torch.Generator().manual_seed(seed)
    old = -torch.rand(3, 4, dtype=torch.float64, generator=generator) - 0.1
    logp = old + 0.3 * torch.randn(3, 4, dtype=torch.float64, generator=generator)
    mask = (torch.arange(4) < tensor([[4], [2], [3]])).double()
    return logp, old, tensor([1.0, -2.0, 0.5]).double(), mask


def loss_and_gradient(logp, *rest, **settings):
    logp = logp.clone().requires_grad_()
    loss, _ = policy_loss(logp, *rest, **settings)
    return loss.detach(), torch.autograd.grad(loss, logp)[0]


@pytest.mark.parametrize("rubbish", [-1e4, float("-inf"), float("nan")])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_padding_does_not_matter_whatever_it_holds(algorithm, aggregate, rubbish):
    logp, old, advantages, mask = ragged()
    settings = dict(algorithm=algorithm, aggregate=aggregate, max_length=8)
    loss, gradient = loss_and_gradient(logp, old, advantages, mask, sampler_logp=old, **settings)
    logp, old = (x.masked_fill(mask == 0, rubbish) for x in (logp, old))
    logp, old = (torch.cat((x, torch.full((3, 3), rubbish).double()), 1) for x in (logp, old))
    mask = torch.cat((mask, torch.zeros(3, 3).double()), 1)
    wide, wide_gradient = loss_and_gradient(
        logp, old, advantages, mask, sampler_logp=old, **settings
    )
    assert torch.allclose(loss, wide) and torch.allclose(gradient, wide_gradient[:, :4])
    assert (wide_gradient[mask == 0] == 0).all()
    by_token = advantages[:, None].expand_as(mask).masked_fill(mask == 0, rubbish)
    _, token_gradient = loss_and_gradient(logp, old, by_token, mask, sampler_logp=old, **settings)
    assert torch.allclose(token_gradient, wide_gradient)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_order_of_the_batch_does_not_matter(algorithm, aggregate):
    logp, old, advantages, mask = ragged()
    settings, order = dict(algorithm=algorithm, aggregate=aggregate), tensor([2, 0, 1])
    loss, gradient = loss_and_gradient(logp, old, advantages, mask, **settings)
    shuffled, shuffled_gradient = loss_and_gradient(
        logp[order], old[order], advantages[order], mask[order], **settings
    )
    assert torch.allclose(loss, shuffled) and torch.allclose(gradient[order], shuffled_gradient)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_micro_batches_add_up_with_the_right_weights(algorithm, aggregate):
    """[PG-5]: a micro-batch weighs its share of the sequences, or of the tokens for 'token'."""
    parts = ragged()
    mask, settings = parts[3], dict(algorithm=algorithm, aggregate=aggregate, max_length=8)
    loss, gradient = loss_and_gradient(*parts, **settings)
    whole, pieces = 0.0, []
    for rows in (slice(0, 1), slice(1, 3)):
        count = mask[rows].sum() / mask.sum() if aggregate == "token" else len(mask[rows]) / 3
        piece, piece_gradient = loss_and_gradient(*(x[rows] for x in parts), **settings)
        whole, pieces = whole + count * piece, [*pieces, count * piece_gradient]
    assert torch.allclose(loss, whole) and torch.allclose(gradient, torch.cat(pieces))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_same_advantage_on_every_token_is_one_per_sequence(algorithm, aggregate):
    logp, old, advantages, mask = ragged()
    settings = dict(algorithm=algorithm, aggregate=aggregate)
    loss, gradient = loss_and_gradient(logp, old, advantages, mask, **settings)
    spread = advantages[:, None].expand_as(logp)
    by_token, token_gradient = loss_and_gradient(logp, old, spread, mask, **settings)
    assert torch.allclose(loss, by_token) and torch.allclose(gradient, token_gradient)


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("algorithm", ["reinforce", "ppo", "gspo"])
def test_gradients_by_finite_differences(algorithm, aggregate):
    logp, old, advantages, mask = ragged()
    settings = dict(algorithm=algorithm, aggregate=aggregate, sampler_logp=old + 0.1)
    logp.requires_grad_()
    assert gradcheck(lambda x: policy_loss(x, old, advantages, mask, **settings)[0], (logp,))


def test_gradient_of_cispo_by_finite_differences():
    """Where all ratios are clipped the weight is a constant, for finite differences as well."""
    logp, old, advantages, mask = ragged()
    old = logp - tensor([0.5, -0.5, 0.7, -0.9])
    logp.requires_grad_()
    assert gradcheck(lambda x: policy_loss(x, old, advantages, mask, "cispo")[0], (logp,))


@pytest.mark.parametrize("clip", [None, 0.2])
def test_gradient_of_the_value_loss_by_finite_differences(clip):
    values, old, _, mask = ragged()
    returns = old + 1
    values.requires_grad_()
    assert gradcheck(lambda v: value_loss(v, old, returns, mask, clip), (values,))


def test_value_loss_takes_returns_as_constants():
    """Returns are advantages + values; a gradient through them would cancel that of the values."""
    values = torch.randn(1, 2, requires_grad=True)
    value_loss(values, values, values + 1, ONES).backward()
    assert torch.allclose(values.grad, -ONES / 2)


def test_value_loss_ignores_padding():
    values, mask = tensor([[1.0, float("nan")]], requires_grad=True), tensor([[1.0, 0.0]])
    loss = value_loss(values, values, tensor([[3.0, float("inf")]]), mask, clip=0.2)
    loss.backward()
    assert loss.item() == pytest.approx(2.0) and values.grad[0].tolist() == [-2.0, 0.0]


def test_no_gradient_flows_into_advantages_or_old_policy():
    logp, old = torch.randn(1, 2, requires_grad=True), torch.randn(1, 2, requires_grad=True)
    advantages = torch.ones(1, requires_grad=True)
    policy_loss(logp, old, advantages, ONES)[0].backward()
    assert old.grad is None and advantages.grad is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("gap", [1e4, -1e4])
def test_extreme_log_ratios_stay_finite(algorithm, gap):
    logp = torch.full((1, 2), gap, requires_grad=True)
    loss, metrics = policy_loss(logp, torch.zeros(1, 2), tensor([-1.0]), ONES, algorithm)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logp.grad).all()
    assert math.isfinite(metrics["ratio_max"]) and math.isfinite(metrics["approx_kl"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_extreme_weights_and_values_stay_finite(dtype):
    far = tensor([[1e4, -1e4]], dtype=dtype)
    ones = torch.ones(1, 2, dtype=dtype)
    assert importance_weights(far, 0 * far)[0].tolist() == pytest.approx([2.0, 0.0], abs=1e-8)
    for clip in (None, 0.2):
        values = far.clone().requires_grad_()
        loss = value_loss(values, 0 * far, -far, ones, clip)
        (gradient,) = torch.autograd.grad(loss, values)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()
    for aggregate in AGGREGATES:
        assert torch.isfinite(masked_aggregate(far, ones, aggregate))


@pytest.mark.parametrize("clip", [None, 0.2])
def test_value_loss_does_not_look_at_the_order_and_adds_up_by_tokens(clip):
    """[PG-7]."""
    values, old, _, mask = ragged()
    order, parts = tensor([2, 0, 1]), (values, old, old + 1, mask)
    whole = value_loss(*parts, clip)
    assert torch.allclose(whole, value_loss(*(x[order] for x in parts), clip))
    pieces = [
        value_loss(*(x[rows] for x in parts), clip) * mask[rows].sum() / mask.sum()
        for rows in (slice(0, 1), slice(1, 3))
    ]
    assert torch.allclose(sum(pieces), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_weights_and_values_of_any_float_dtype(dtype):
    values, old, _, mask = (x.to(dtype) for x in ragged())
    for function in (
        lambda *x: value_loss(*x, clip=0.2),
        lambda v, o, r, m: masked_aggregate(v, m),
    ):
        loss = function(values, old, old + 1, mask)
        exact = function(*(x.double() for x in (values, old, old + 1, mask)))
        assert loss.dtype == dtype
        assert loss.item() == pytest.approx(exact.item(), rel=2 * torch.finfo(dtype).eps)
    weights, exact = (
        importance_weights(values, old),
        importance_weights(values.double(), old.double()),
    )
    assert torch.allclose(weights.double(), exact, rtol=8 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_gradient_of_the_aggregation_by_finite_differences(aggregate):
    """[PG-5]."""
    values, _, _, mask = ragged()
    assert gradcheck(lambda v: masked_aggregate(v, mask, aggregate), (values.requires_grad_(),))


def test_inputs_are_left_as_they_were():
    logp, old, advantages, mask = ragged()
    inputs = [logp, old, advantages, mask, old + 0.1, logp.abs()]
    copies = [x.clone() for x in inputs]
    for algorithm in ALGORITHMS:
        policy_loss(*inputs[:4], algorithm, sampler_logp=inputs[4], entropy=inputs[5])
    value_loss(*inputs[:2], inputs[4], mask, clip=0.2), masked_aggregate(logp, mask)
    assert all(torch.equal(a, b) for a, b in zip(inputs, copies, strict=True))


def test_range_of_ratios_below_one():
    logp, mask = tensor([[-0.1, -0.3, 0.0]]), tensor([[1.0, 1.0, 0.0]])
    _, metrics = policy_loss(logp, torch.zeros(1, 3), tensor([1.0]), mask)
    assert metrics["ratio_min"] == pytest.approx(math.exp(-0.3))
    assert metrics["ratio_max"] == pytest.approx(math.exp(-0.1))


@pytest.mark.parametrize(
    ("algorithm", "fraction"), [("reinforce", 0), ("ppo", 1 / 3), ("gspo", 0), ("cispo", 2 / 3)]
)
def test_clip_fraction_by_hand(algorithm, fraction):
    """Ratios 0.5, 1, 1.5, advantage 1: PPO cuts the last, CISPO clips two weights; their mean is 0.91."""
    logp = tensor([[0.5, 1.0, 1.5]]).log()
    _, metrics = policy_loss(logp, torch.zeros(1, 3), tensor([1.0]), torch.ones(1, 3), algorithm)
    assert metrics["clip_fraction"] == pytest.approx(fraction)


def test_approximate_kl_of_gspo_is_that_of_the_tokens():
    logp, ratios = tensor([[math.log(1.1), math.log(1.3)]]), (1.1, 1.3)
    _, metrics = policy_loss(logp, torch.zeros(1, 2), tensor([1.0]), ONES, "gspo")
    by_hand = sum(r - 1 - math.log(r) for r in ratios) / 2
    assert metrics["approx_kl"] == pytest.approx(by_hand, abs=1e-6)
    assert metrics["ratio_max"] == pytest.approx((1.1 * 1.3) ** 0.5)


def test_metrics_are_of_the_masked_tokens_alone():
    logp, mask = tensor([[0.1, 5.0]]), tensor([[1.0, 0.0]])
    entropy = tensor([[0.7, 99.0]])
    _, metrics = policy_loss(logp, torch.zeros(1, 2), tensor([1.0]), mask, entropy=entropy)
    assert metrics["ratio_max"] == metrics["ratio_min"] == pytest.approx(math.exp(0.1))
    assert metrics["entropy"] == pytest.approx(0.7)
    assert metrics["approx_kl"] == pytest.approx(math.exp(0.1) - 1 - 0.1, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_float_dtype(dtype, algorithm):
    logp, old, advantages, mask = ragged()
    narrow = [x.to(dtype) for x in (logp, old, advantages, mask)]
    loss, _ = policy_loss(*narrow, algorithm, sampler_logp=narrow[1])
    exact, _ = policy_loss(*(x.double() for x in narrow), algorithm)
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(exact.item(), rel=2 * torch.finfo(dtype).eps, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_can_count_many_tokens(dtype):
    """bfloat16 counts 1,001 ones as 1,000, and float16 ends at 65,504."""
    ones = torch.ones(70, 1001, dtype=dtype)
    for aggregate in AGGREGATES:
        assert masked_aggregate(ones, ones, aggregate).item() == 1
    assert value_loss(ones, ones, 3 * ones, ones).item() == 2


def test_a_mask_of_booleans_will_do():
    logp, old, advantages, mask = ragged()
    for algorithm in ALGORITHMS:
        as_bool = policy_loss(logp, old, advantages, mask.bool(), algorithm)
        assert as_bool == policy_loss(logp, old, advantages, mask, algorithm)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: policy_loss(ONES, torch.ones(1, 3), torch.ones(1), ONES), "old_logp must have"),
        (lambda: policy_loss(ONES, ONES, torch.ones(2), ONES), "advantages must have shape"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), 0 * ONES), "mask has a row"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, "trpo"), "algorithm must be one of"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, clip_low=-0.1), "clip_low"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, clip_low=1.1), "clip_low"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, clip_high=-1), "clip_high"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, tis_cap=0.0), "tis_cap"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, aggregate="mean"), "aggregate must"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1, 1), ONES), "advantages must have shape"),
        (lambda: policy_loss(ONES, ONES, torch.ones(1), torch.ones(2, 2)), "mask must have"),
        (
            lambda: policy_loss(ONES[0], ONES[0], torch.ones(1), ONES[0]),
            r"logp must have shape \(B",
        ),
        (lambda: policy_loss(ONES.long(), ONES, torch.ones(1), ONES), "logp must hold floating"),
        (
            lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, sampler_logp=torch.ones(1, 3)),
            "sampler_logp must have the shape of logp",
        ),
        (
            lambda: policy_loss(ONES, ONES, torch.ones(1), ONES, entropy=torch.ones(2)),
            "entropy must have the shape of logp",
        ),
        (lambda: importance_weights(ONES, torch.ones(1, 3)), "sampler_logp must have the shape"),
        (lambda: importance_weights(ONES, ONES, cap=-1.0), "cap must be positive"),
        (lambda: masked_aggregate(ONES, ONES, "mean"), "aggregate must be one of"),
        (lambda: masked_aggregate(ONES, ONES, "fixed", 0), "max_length"),
        (lambda: masked_aggregate(torch.ones(0, 2), torch.ones(0, 2)), "values is empty"),
        (lambda: masked_aggregate(torch.ones(2, 2), tensor([[1.0, 1], [0, 0]])), "mask has a row"),
        (lambda: value_loss(ONES, ONES, ONES, ONES, clip=-1.0), "clip must be positive"),
        (lambda: value_loss(ONES, ONES, torch.ones(1, 3), ONES), "returns must have the shape"),
        (lambda: value_loss(ONES, ONES, ONES, 0 * ONES), "mask has a row"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
