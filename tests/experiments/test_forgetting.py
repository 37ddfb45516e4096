"""What a policy forgets."""

import pytest

from rlhf_lib.experiments import measure_drift


def test_a_policy_that_stayed_has_not_drifted(pocket, world):
    task = world.prompts(4, ("sum",), seed=9)
    others = world.prompts(4, ("fact",), seed=9)

    def reward(rollout):
        return rollout.lengths.float()

    found = measure_drift(pocket, pocket, world, task, others, reward, reward, max_new_tokens=8)
    assert found.kl == pytest.approx(0, abs=1e-3) == pytest.approx(found.forward_kl, abs=1e-3)
    assert 1 <= found.task <= 8 and 1 <= found.others <= 8 and 0 < found.documents < 7
    with pytest.raises(ValueError, match="at least one request"):
        measure_drift(pocket, pocket, world, [], others, reward, reward)
