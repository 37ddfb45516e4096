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


def test_k2_is_biased_and_close_for_near_policies():
    """[KL-1]: k2's expectation is 0.1817 here, the KL 0.1838."""
    expectation = (POLICY * kl_estimate(POLICY.log(), REFERENCE.log(), "k2")).sum().item()
    assert expectation == pytest.approx(0.1817, abs=1e-4)


def test_k3_near_zero_does_not_cancel():
    logp = torch.tensor([-1.0, -1.0], dtype=torch.float32)
    tiny = kl_estimate(logp + 1e-4, logp, "k3")
    assert tiny.tolist() == pytest.approx([0.5e-8] * 2, rel=0.02)


def test_exact_kl_by_hand():
    """[KL-2], and it is not symmetric."""
    assert exact_kl(POLICY.log(), REFERENCE.log()).item() == pytest.approx(TRUE_KL, abs=1e-6)
    assert exact_kl(REFERENCE.log(), POLICY.log()).item() == pytest.approx(0.1920, abs=1e-4)
    assert exact_kl(torch.randn(2, 3, 5), torch.randn(2, 3, 5)).shape == (2, 3)


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl_estimate(torch.ones(2), torch.ones(3)), "ref_logp must have the shape"),
        (lambda: kl_estimate(torch.ones(2), torch.ones(2), "k4"), "kind must be one of"),
        (lambda: exact_kl(torch.ones(2, 3), torch.ones(3)), "ref_logits"),
        (lambda: AdaptiveKL(0, 10), "target must be positive"),
        (lambda: AdaptiveKL(1, -1), "horizon must be positive"),
        (lambda: best_of_n_kl(0), "n must be 1 or more"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
