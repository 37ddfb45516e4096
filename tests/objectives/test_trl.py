"""Equality with TRL, on numbers that its own code gave (see `trl_reference.py`).

Where TRL itself is installed (`make bench` installs it, into an environment of its own), its numbers are
made anew and compared with the stored ones: `.venv-bench/bin/python -m pytest tests/objectives/test_trl.py`.
"""

import importlib.util
import json

import pytest
import torch

from rlhf_lib.objectives import (
    AdaptiveKL,
    apo_down_loss,
    apo_zero_loss,
    bradley_terry_loss,
    dpo_loss,
    gae,
    group_advantages,
    ipo_loss,
    jsd_loss,
    kl_estimate,
    kto_loss,
    masked_aggregate,
    orpo_loss,
    policy_loss,
    reverse_kl_loss,
    rloo_advantages,
    simpo_loss,
    value_loss,
    whiten,
)
from tests.objectives import trl_direct
from tests.objectives.trl_reference import (
    KL_UPDATES,
    LOSSES,
    OUTPUT,
    REWARDS,
    fixed_inputs,
    from_trl_now,
    tensors,
)

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


def pairs(tokens_logp: torch.Tensor, mean: bool = False) -> tuple[torch.Tensor, ...]:
    """pc, pr, rc, rr (4,) from the policy's token log-probabilities (8, 4), chosen answers first."""
    answers = torch.stack((tokens_logp, DATA.pair_ref_logp)).sum(2)
    answers = answers / DATA.pair_mask.sum(1) if mean else answers
    return tuple(part for side in answers for part in side.chunk(2))


def assert_loss_and_gradient(loss, inputs: torch.Tensor, theirs: dict) -> None:
    """loss(inputs) and its gradient are TRL's."""
    inputs = inputs.clone().requires_grad_()
    value = loss(inputs)
    assert_equal(value.detach(), theirs["loss"])
    assert_equal(torch.autograd.grad(value, inputs)[0], theirs["gradient"])


@pytest.mark.parametrize(
    ("name", "loss", "mean"),
    [
        ("dpo", dpo_loss, False),
        ("ipo", ipo_loss, True),
        ("apo_zero", apo_zero_loss, False),
        ("apo_down", apo_down_loss, False),
    ],
)
def test_losses_of_pairs(name, loss, mean):
    """[DA-2], [DA-4], [DA-9], [DA-10]: from token log-probabilities, so sums and means are put to the test."""
    theirs = NOW[name]
    mask = DATA.pair_mask

    def ours(logp):
        return loss(*pairs(logp * mask, mean), trl_direct.BETA)

    theirs = {**theirs, "gradient": (torch.tensor(theirs["gradient"]) * mask).tolist()}
    assert_loss_and_gradient(ours, DATA.pair_logp, theirs)


def test_cdpo():
    """[DA-3]: TRL's CPO has the smoothed sigmoid still; here it is given log-ratios."""

    def ours(ratios):
        chosen, rejected = ratios.chunk(2)
        zero = torch.zeros(4, dtype=ratios.dtype)
        return dpo_loss(chosen, rejected, zero, zero, trl_direct.BETA, trl_direct.SMOOTHING)

    ratios = (DATA.pair_logp - DATA.pair_ref_logp).sum(1)
    assert_loss_and_gradient(ours, ratios, NOW["cdpo"])


def test_losses_without_a_reference():
    """[DA-5], [DA-6]."""
    answers = trl_direct.mean_logps(DATA)

    def simpo(means):
        return simpo_loss(*means.chunk(2), trl_direct.BETA, trl_direct.MARGIN_GAMMA)

    def orpo(means):
        chosen, rejected = means.chunk(2)
        return orpo_loss(chosen, rejected, -chosen, trl_direct.ODDS_WEIGHT)

    assert_loss_and_gradient(simpo, answers, NOW["simpo"])
    assert_loss_and_gradient(orpo, answers, NOW["orpo"])


def test_kto():
    """[DA-7]: with a reference point from mismatched answers and unequal weights."""
    strangers = (DATA.stranger_logp - DATA.stranger_ref_logp).sum(1)
    assert strangers.mean() > 0  # else the cut at 0 would hide the reference point

    def ours(logp):
        policy, ref = (logp * DATA.pair_mask).sum(1), DATA.pair_ref_logp.sum(1)
        labels = DATA.desirable.bool()
        return kto_loss(policy, ref, labels, strangers, trl_direct.BETA, **trl_direct.KTO_WEIGHTS)

    theirs = dict(NOW["kto"])
    theirs["gradient"] = (torch.tensor(theirs["gradient"]) * DATA.pair_mask).tolist()
    assert_loss_and_gradient(ours, DATA.pair_logp, theirs)


def test_reward_model():
    """[RM-1], [RM-2]."""
    for name, margin in (("reward", None), ("reward_margin", DATA.pair_margin)):
        assert_loss_and_gradient(
            lambda r, margin=margin: bradley_terry_loss(*r.chunk(2), margin=margin),
            DATA.pair_rewards,
            NOW[name],
        )


@pytest.mark.parametrize(("beta", "temperature"), trl_direct.DIVERGENCES)
def test_generalized_jsd(beta, temperature):
    """[KD-4]; and [KD-3], which is its end at beta = 1."""
    theirs = NOW[f"jsd_{beta}_{temperature}"]

    def ours(student):
        return jsd_loss(student, DATA.teacher_logits, DATA.logits_mask, beta, temperature)

    assert_loss_and_gradient(ours, DATA.student_logits, theirs)
    if beta == 1.0:
        assert_loss_and_gradient(
            lambda s: reverse_kl_loss(s, DATA.teacher_logits, DATA.logits_mask),
            DATA.student_logits,
            theirs,
        )


def test_stored_inputs_are_those_of_the_script():
    assert STORED["inputs"] == fixed_inputs()


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="TRL is not installed here")
def test_the_installed_trl_gives_the_stored_numbers():
    """Live: a newer TRL that changes a loss fails here."""
    anew = from_trl_now(DATA)
    assert set(anew) == set(NOW)
    for name, stored in NOW.items():
        parts = stored if isinstance(stored, dict) else {"value": stored}
        found = anew[name] if isinstance(stored, dict) else {"value": anew[name]}
        for part, numbers in parts.items():
            ours = torch.tensor(found[part], dtype=torch.float64)
            assert torch.allclose(ours, torch.tensor(numbers).double(), atol=1e-6), (name, part)
