"""KL: estimators against exact values, the controller, best-of-n."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from rlhf_lib.objectives import AdaptiveKL, best_of_n_kl, exact_kl, kl_estimate

POLICY, REFERENCE = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.4, 0.4, 0.2])
TRUE_KL = sum(p * math.log(p / q) for p, q in ((0.7, 0.4), (0.2, 0.4), (0.1, 0.2)))  # 0.1838


def test_estimators_by_hand():
    """[KL-1]: two tokens with D = 1 and D = -0.5."""
    logp, ref_logp = torch.tensor([[-1.0, -2.0]]), torch.tensor([[-2.0, -1.5]])
    assert kl_estimate(logp, ref_logp, "k1")[0].tolist() == pytest.approx([1.0, -0.5])
    assert kl_estimate(logp, ref_logp, "k2")[0].tolist() == pytest.approx([0.5, 0.125])
    by_hand = [math.exp(-1) - 1 + 1, math.exp(0.5) - 1 - 0.5]
    assert kl_estimate(logp, ref_logp, "k3")[0].tolist() == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_k1_and_k3_are_unbiased(kind):
    """[KL-1]: their exact expectation over the policy is the KL; k3 is never negative."""
    estimates = kl_estimate(POLICY.log(), REFERENCE.log(), kind)
    assert (POLICY * estimates).sum().item() == pytest.approx(TRUE_KL, abs=1e-6)
    assert kind == "k1" or (estimates >= 0).all()


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_their_sum_over_tokens_is_unbiased_for_sequences(kind):
    """[KL-1]: all 9 sequences of two tokens, where the second token's law depends on the first."""
    generator = torch.Generator().manual_seed(0)
    second, ref_second = torch.randn(2, 3, 3, dtype=torch.float64, generator=generator).softmax(-1)
    exact = expectation = 0.0
    for i in range(3):
        for j in range(3):
            tokens = torch.stack((POLICY[i].double(), second[i, j]))
            ref_tokens = torch.stack((REFERENCE[i].double(), ref_second[i, j]))
            p, q = tokens.prod().item(), ref_tokens.prod().item()
            exact += p * math.log(p / q)
            # k3 of the second token is unbiased for its own KL, given the first
            expectation += p * kl_estimate(tokens.log(), ref_tokens.log(), kind).sum().item()
    assert expectation == pytest.approx(exact, abs=1e-6)


def test_the_published_sign_error_gives_other_numbers():
    """[KL-1]: with D the other way round k1 is -0.1838 on average and k3 0.1912, not 0.1838."""
    k1, k3 = (kl_estimate(REFERENCE.log(), POLICY.log(), kind) for kind in ("k1", "k3"))
    assert (POLICY * k1).sum().item() == pytest.approx(-0.1838, abs=1e-4)
    assert (POLICY * k3).sum().item() == pytest.approx(0.1912, abs=1e-4)
    assert abs(TRUE_KL - 0.1838) < 1e-4


def test_k3_at_one_nat():
    """[KL-1]: 1 / e at D = 1 (e - 2 is the value of the error above)."""
    assert kl_estimate(torch.ones(1), torch.zeros(1), "k3").item() == pytest.approx(1 / math.e)


def test_k2_is_biased_and_close_for_near_policies():
    """[KL-1]: k2's expectation is 0.1817 here, the KL 0.1838."""
    expectation = (POLICY * kl_estimate(POLICY.log(), REFERENCE.log(), "k2")).sum().item()
    assert expectation == pytest.approx(0.1817, abs=1e-4)


def test_k3_near_zero_does_not_cancel():
    logp = torch.tensor([-1.0, -1.0], dtype=torch.float32)
    tiny = kl_estimate(logp + 1e-4, logp, "k3")
    assert tiny.tolist() == pytest.approx([0.5e-8] * 2, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_k3_is_never_negative(dtype):
    steps = torch.logspace(-8, 4, 2000, dtype=torch.float64).to(dtype)
    gaps = torch.cat((steps, -steps, torch.zeros(1, dtype=dtype)))
    estimates = kl_estimate(gaps, torch.zeros_like(gaps), "k3")
    assert estimates.dtype == dtype
    assert (estimates >= 0).all() and torch.isfinite(estimates).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_the_digits_of_k3(dtype):
    gaps = torch.tensor([0.0625, -0.0625], dtype=dtype)  # exact in both types
    by_hand = [math.expm1(-0.0625) + 0.0625, math.expm1(0.0625) - 0.0625]
    assert kl_estimate(gaps, 0 * gaps, "k3").tolist() == pytest.approx(by_hand, rel=0.01)


def test_exact_kl_by_hand():
    """[KL-2], and it is not symmetric."""
    assert exact_kl(POLICY.log(), REFERENCE.log()).item() == pytest.approx(TRUE_KL, abs=1e-6)
    assert exact_kl(REFERENCE.log(), POLICY.log()).item() == pytest.approx(0.1920, abs=1e-4)
    assert exact_kl(torch.randn(2, 3, 5), torch.randn(2, 3, 5)).shape == (2, 3)


def test_exact_kl_where_tokens_are_impossible():
    """[KL-2]: 0 * log 0 is 0 (logits after top-k); inf where only the reference rules a token out."""
    never = float("-inf")
    logits, ref = torch.tensor([0.0, 0.0, never]), torch.tensor([0.0, 0.0, 0.0])
    logits.requires_grad_()
    kl = exact_kl(logits, ref)
    assert kl.item() == pytest.approx(math.log(3 / 2))
    assert torch.isfinite(torch.autograd.grad(kl, logits)[0]).all()
    assert exact_kl(logits, logits).item() == 0
    assert exact_kl(ref, logits.detach()).item() == math.inf


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_exact_kl_of_extreme_logits(dtype):
    logits, ref = torch.tensor([[1e4, -1e4]], dtype=dtype), torch.tensor([[-1e4, 1e4]], dtype=dtype)
    kl = exact_kl(logits, ref)
    assert kl.dtype == dtype and kl.item() == pytest.approx(2e4, rel=1e-2)


def test_adaptive_controller_by_hand():
    """[KL-3]: e is clipped to 0.2; the coefficient moves by e * n / horizon."""
    control = AdaptiveKL(target=4.0, horizon=100.0, coefficient=0.1)
    assert control.update(4.4, 10) == pytest.approx(0.1 * (1 + 0.1 * 10 / 100))
    assert control.update(400.0, 10) == pytest.approx(0.101 * (1 + 0.2 * 10 / 100))
    assert control.update(0.0, 10) == pytest.approx(0.101 * 1.02 * (1 - 0.2 * 10 / 100))


def test_best_of_n_kl_by_hand():
    """[KL-4], against the exact KL of best-of-2 on 4 equally likely answers without ties."""
    assert best_of_n_kl(1) == 0
    assert best_of_n_kl(2) == pytest.approx(math.log(2) - 0.5)
    best = [1 / 16, 3 / 16, 5 / 16, 7 / 16]  # P(max of two draws), by rank
    exact = sum(p * math.log(p / 0.25) for p in best)
    assert exact <= best_of_n_kl(2)
    fine = [(2 * i + 1) / 1000**2 for i in range(1000)]
    assert sum(p * math.log(p * 1000) for p in fine) == pytest.approx(best_of_n_kl(2), abs=1e-5)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_gradients_by_finite_differences(kind):
    generator = torch.Generator().manual_seed(0)
    logp = torch.randn(2, 3, dtype=torch.float64, generator=generator).requires_grad_()
    ref_logp = torch.randn(2, 3, dtype=torch.float64, generator=generator)
    assert gradcheck(lambda x: kl_estimate(x, ref_logp, kind).sum(), (logp,))
    assert gradcheck(lambda x: exact_kl(x, ref_logp).sum(), (logp,))


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
@pytest.mark.parametrize("gap", [1e4, -1e4])
def test_extreme_log_ratios_stay_finite(kind, gap):
    logp = torch.tensor([gap], requires_grad=True)
    estimate = kl_estimate(logp, torch.zeros(1), kind)
    estimate.sum().backward()
    assert torch.isfinite(estimate).all() and torch.isfinite(logp.grad).all()


def test_a_hopeless_token_is_not_pushed_the_wrong_way():
    """[KL-1]: below D = 0 the gradient of k3 in logp is never positive: up, to the reference."""
    logp = torch.linspace(-60, -0.1, 100).requires_grad_()
    kl_estimate(logp, torch.zeros(100), "k3").sum().backward()
    assert (logp.grad <= 0).all() and (logp.grad[logp > -20] < 0).all()


def test_overflow_policy_of_k3():
    """-D is cut at 20: the value stays at e^20 - 1 - 20. Far above the reference k3 is D - 1."""
    gaps = torch.tensor([-20.0, -1e4, 1e4])
    largest = math.exp(20) - 1 - 20
    assert kl_estimate(gaps, torch.zeros(3)).tolist() == pytest.approx([largest, largest, 1e4 - 1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_any_float_dtype(dtype):
    generator = torch.Generator().manual_seed(0)
    logp, ref_logp = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator).to(dtype)
    close = dict(rtol=4 * torch.finfo(dtype).eps, atol=1e-2 * torch.finfo(dtype).eps ** 0.5)
    for kind in ("k1", "k2", "k3"):
        estimate = kl_estimate(logp, ref_logp, kind)
        exact = kl_estimate(logp.double(), ref_logp.double(), kind).to(dtype)
        assert estimate.dtype == dtype and torch.allclose(estimate, exact, **close)
    kl = exact_kl(logp, ref_logp)
    assert kl.dtype == dtype
    assert torch.allclose(kl, exact_kl(logp.double(), ref_logp.double()).to(dtype), **close)


def test_each_token_is_estimated_by_itself():
    """[KL-1], [KL-2]: neither its place in the batch nor what stands beside it matters."""
    generator = torch.Generator().manual_seed(0)
    logp, ref_logp = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator)
    order = torch.tensor([2, 0, 3, 1])
    for function in (
        *(lambda a, b, k=k: kl_estimate(a, b, k) for k in ("k1", "k2", "k3")),
        exact_kl,
    ):
        whole = function(logp, ref_logp)
        assert torch.equal(function(logp[order], ref_logp[order]), whole[order])
        assert torch.equal(function(logp[1:2], ref_logp[1:2]), whole[1:2])


def test_exact_kl_of_shifted_logits_is_the_same():
    """[KL-2]: logits are logits up to a constant."""
    logits, ref = POLICY.log(), REFERENCE.log()
    assert exact_kl(logits + 5, ref - 3).item() == pytest.approx(TRUE_KL, abs=1e-6)


def test_inputs_are_left_as_they_were():
    logp, ref_logp = torch.randn(2, 3), torch.randn(2, 3)
    copies = logp.clone(), ref_logp.clone()
    for kind in ("k1", "k2", "k3"):
        kl_estimate(logp, ref_logp, kind)
    exact_kl(logp, ref_logp)
    assert torch.equal(logp, copies[0]) and torch.equal(ref_logp, copies[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl_estimate(torch.ones(2), torch.ones(3)), "ref_logp must have the shape"),
        (lambda: kl_estimate(torch.ones(2), torch.ones(2), "k4"), "kind must be one of"),
        (lambda: exact_kl(torch.ones(2, 3), torch.ones(3)), "ref_logits"),
        (lambda: AdaptiveKL(0, 10), "target must be positive"),
        (lambda: AdaptiveKL(1, -1), "horizon must be positive"),
        (lambda: AdaptiveKL(1, 10, coefficient=0), "coefficient must be positive"),
        (lambda: AdaptiveKL(1, 10).update(math.nan, 5), "kl is not a number"),
        (lambda: AdaptiveKL(1, 10).update(0.0, 50), "n_samples must be between 1 and 5"),
        (lambda: AdaptiveKL(1, 10).update(0.0, 0), "n_samples must be between 1 and 5"),
        (lambda: best_of_n_kl(0), "n must be 1 or more"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
