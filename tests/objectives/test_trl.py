"""Equality with TRL, on numbers that its own code gave (see `trl_reference.py`)."""

import json

import pytest
import torch

from rlhf_lib.objectives import (
    AdaptiveKL,
    gae,
    group_advantages,
    kl_estimate,
    masked_aggregate,
    policy_loss,
    rloo_advantages,
    value_loss,
    whiten,
)
from tests.objectives.trl_reference import KL_UPDATES, LOSSES, OUTPUT, REWARDS, tensors

STORED = json.loads(OUTPUT.read_text(encoding="utf-8"))
NOW, OLD, DATA = STORED["trl 1.16.0"], STORED["trl 0.11.4"], tensors(STORED["inputs"])


def assert_equal(ours: torch.Tensor, theirs) -> None:
    theirs = torch.tensor(theirs, dtype=ours.dtype)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_policy_losses_and_their_gradients(name):
    """[PG-2], [PG-3], [PG-4], [PG-5]."""
    logp = DATA.logp.clone().requires_grad_()
    settings = LOSSES[name][1]
    loss, metrics = policy_loss(logp, DATA.old_logp, DATA.advantages, DATA.mask, **settings)
    assert_equal(loss.detach(), NOW[name]["loss"])
    assert_equal(torch.autograd.grad(loss, logp)[0], NOW[name]["gradient"])
    assert metrics["clip_fraction"] > 0  # else the clip was not put to the test


def test_k3_in_the_loss():
    """[KL-1]."""
    logp = DATA.logp.clone().requires_grad_()
    loss = masked_aggregate(kl_estimate(logp, DATA.ref_logp, "k3"), DATA.mask, "token")
    assert_equal(loss.detach(), NOW["k3"]["loss"])
    assert_equal(torch.autograd.grad(loss, logp)[0], NOW["k3"]["gradient"])


def test_k3_times_the_ratio_is_what_trl_does_by_default():
    """[KL-1]: with the ratio, which has a gradient, the KL term has that of KL(policy || reference)."""
    logp = DATA.logp.clone().requires_grad_()
    k3 = kl_estimate(logp, DATA.ref_logp, "k3") * (logp - DATA.old_logp).exp()
    loss = masked_aggregate(k3, DATA.mask, "token")
    assert_equal(loss.detach(), NOW["k3_times_ratio"]["loss"])
    assert_equal(torch.autograd.grad(loss, logp)[0], NOW["k3_times_ratio"]["gradient"])


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_group_advantages(scale):
    """[ADV-2]."""
    ours = group_advantages(torch.tensor(REWARDS), scale)
    assert_equal(ours, NOW[f"group_advantages_{scale}"])


def test_rloo_advantages():
    """[ADV-1]."""
    assert_equal(rloo_advantages(torch.tensor(REWARDS)), NOW["rloo_advantages"])


def test_gae_and_whitening():
    """[ADV-4], [ADV-5]: TRL whitens what GAE gives."""
    advantages, returns = gae(DATA.rewards, DATA.values, DATA.mask, 0.97, 0.9)
    assert_equal(returns, OLD["gae_returns"])
    assert_equal(whiten(advantages, DATA.mask), OLD["gae_whitened"])
    assert_equal(whiten(DATA.rewards, DATA.mask), OLD["whiten"])


def test_ppo_with_its_value_loss():
    """[PG-2], [PG-7]: the first PPOTrainer took one mean over all tokens."""
    loss, _ = policy_loss(DATA.logp, DATA.old_logp, DATA.advantages, DATA.mask, aggregate="token")
    assert_equal(loss, OLD["ppo"])
    returns = torch.tensor(OLD["gae_returns"], dtype=torch.float64)
    assert_equal(
        value_loss(DATA.values, DATA.old_values, returns, DATA.mask, 0.2), OLD["value_loss"]
    )


def test_adaptive_controller():
    """[KL-3]."""
    control = AdaptiveKL(target=6.0, horizon=1000, coefficient=0.2)
    ours = [control.update(kl, count) for kl, count in KL_UPDATES]
    assert ours == pytest.approx(OLD["adaptive_kl"], rel=1e-9)
