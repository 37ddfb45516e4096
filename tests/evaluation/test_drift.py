"""Drift from samples against what can be computed exactly."""

import pytest
import torch

from rlhf_lib.evaluation import sampled_kl
from rlhf_lib.objectives import exact_kl


def nudged(policy, size=0.05):
    other = policy.copy()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return other


def test_a_policy_has_not_moved_from_itself(tiny):
    found = sampled_kl(tiny, tiny.copy(), ["hi", "who?"], max_new_tokens=4)
    assert found.value == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_of_one_token_it_is_the_exact_kl(tiny, kind):
    """Answers of a single token: the KL of the first token's distributions, within the interval."""
    other = nudged(tiny)
    ids, mask = tiny.encode(["hi"])
    logits = [p.model(ids, mask)[:, -1].detach() for p in (other, tiny)]
    exact = exact_kl(*logits).item()
    found = sampled_kl(other, tiny, ["hi"], 20_000, max_new_tokens=1, kind=kind)
    error = (found.high - found.low) / 2 / 1.96
    assert abs(found.value - exact) < 3 * error and exact > 0.01


def test_wrong_arguments_are_named(tiny):
    with pytest.raises(ValueError, match="prompts"):
        sampled_kl(tiny, tiny, [])
    with pytest.raises(ValueError, match="kind"):
        sampled_kl(tiny, tiny, ["hi"], kind="k4")
