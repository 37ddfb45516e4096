"""The named algorithms, what they are called elsewhere, and the KL that has the right gradient."""

import pytest
import torch

from rlhf_lib.objectives import exact_kl, kl_estimate, weighted_kl
from rlhf_lib.training import PRESETS, preset


def test_names_of_trl():
    trl = preset(
        "dapo", steps=10, prompts_per_step=8, samples_per_prompt=4, minibatches=2, epochs=3, micro_batch=4,
        kl_coefficient=0.1, kl_in="loss", kl_kind="k3_weighted", entropy_bonus=0.01, warmup_steps=2,
    ).as_trl()  # fmt: skip
    assert trl["max_steps"] == 10 * 2 * 3 and trl["num_iterations"] == 3
    batch = trl["per_device_train_batch_size"] * trl["steps_per_generation"]
    assert batch == 32  # completions of a round
    assert trl["per_device_train_batch_size"] * trl["gradient_accumulation_steps"] == 16
    assert (trl["epsilon"], trl["epsilon_high"], trl["beta"]) == (0.2, 0.28, 0.1)
    assert trl["loss_type"] == "dapo" and trl["scale_rewards"] == "group"
    assert (
        trl["use_bias_correction_kl"] and trl["entropy_coef"] == 0.01 and trl["warmup_steps"] == 12
    )


@pytest.mark.parametrize(
    ("name", "loss", "level", "scale", "high"),
    [("grpo", "grpo", "token", "group", 0.2), ("dr_grpo", "dr_grpo", "token", "none", 0.2),
     ("gspo", "grpo", "sequence", "group", 4e-2), ("cispo", "cispo", "token", "group", 1.28)],
)  # fmt: skip
def test_presets_in_trls_words(name, loss, level, scale, high):
    trl = preset(name).as_trl()
    assert trl["loss_type"] == loss and trl["importance_sampling_level"] == level
    assert trl["scale_rewards"] == scale and trl["epsilon_high"] == pytest.approx(high)


@pytest.mark.parametrize("name", ["reinforce", "rloo", "ppo"])
def test_what_trls_grpo_has_not_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"advantage='{preset(name).advantage}'"):
        preset(name).as_trl()
    with pytest.raises(ValueError, match="staleness"):
        preset("grpo", staleness=1).as_trl()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_hold_together(name):
    assert preset(name, size="135M").learning_rate == 2e-5


def test_the_weighted_kl_has_the_gradient_of_the_kl():
    """Expected over samples of the policy; plain k3 has that of the other direction. [KL-1]"""
    torch.manual_seed(0)
    logits, ref = torch.randn(6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    ref_logp = ref.log_softmax(0)

    def gradient(loss):
        z = logits.clone().requires_grad_()
        return torch.autograd.grad(loss(z), z)[0]

    def expected(estimate):
        probability = logits.softmax(0)
        return gradient(lambda z: (probability * estimate(z.log_softmax(0))).sum())

    old = logits.log_softmax(0)
    forward = gradient(lambda z: exact_kl(z, ref))
    other_way = gradient(lambda z: (ref_logp.exp() * (ref_logp - z.log_softmax(0))).sum())
    weighted = expected(lambda logp: weighted_kl(logp, old, ref_logp))
    plain = expected(lambda logp: kl_estimate(logp, ref_logp, "k3"))
    torch.testing.assert_close(weighted, forward)
    torch.testing.assert_close(plain, other_way)
    assert (weighted - plain).abs().max() > 1e-2
    with pytest.raises(ValueError, match="ref_logp must have the shape"):
        weighted_kl(logits, old, ref_logp[:3])
