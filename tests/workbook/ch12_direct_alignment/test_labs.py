"""The displacement lab: numbers by the map's functions, wiring by setting controls."""

import numpy as np
import pytest

from rlhf_lib.labs import displacement_lab
from rlhf_lib.workbook.ch12_direct_alignment import lab_displacement as displacement


def test_numbers_and_words_of_a_displaced_pair():
    found = displacement.follow(0.1, 0.6, 0.0, "DPO")
    (before, after), (lost_before, lost_after) = found.shares
    assert after < before and lost_after < lost_before and found.margin > 0 and found.kl > 1
    assert "Displaced" in displacement.describe(found)
    assert f"{before:.1%} → {after:.1%}" in displacement.describe(found)


@pytest.mark.parametrize(
    "settings", [(0.1, 0.6, 0.3, "DPO"), (0.1, 3.0, 0.0, "DPO"), (1.0, 0.6, 0.0, "IPO")]
)
def test_words_of_a_remedy(settings):
    assert "No displacement" in displacement.describe(displacement.follow(*settings))


def test_a_larger_beta_goes_less_far():
    kls = [displacement.follow(beta, 0.6, 0.0, "DPO").kl for beta in displacement.BETAS]
    assert kls == sorted(kls, reverse=True)


def test_the_lab_follows_its_controls():
    lab = displacement_lab()
    reference, policy, chosen, rejected, chosen_path, rejected_path = lab.figure.data
    assert len(reference.x) == 62 and len(policy.x) == 60 and len(chosen.x) == len(rejected.x) == 1
    total = sum(np.sum(trace.marker.size) for trace in (policy, chosen, rejected))
    assert total == pytest.approx(1) and np.sum(reference.marker.size) == pytest.approx(1)
    for name, value in (("beta", 2.0), ("distance", 2.0), ("nll", 0.5), ("loss", "IPO")):
        words, size, line = lab.sentence.value, chosen.marker.size[0], np.array(chosen_path.y)
        lab.controls[name].value = value
        assert lab.sentence.value != words and chosen.marker.size[0] != size
        assert not np.allclose(chosen_path.y, line)
    assert chosen.x[0] == pytest.approx(1.0) and rejected.x[0] == pytest.approx(-1.0)
    assert len(chosen_path.x) == len(rejected_path.y) == displacement.STEPS + 1
    words = lab.sentence.value
    lab.reset()
    assert lab.values() == lab.start and lab.sentence.value != words
    assert all(c.description and c.tooltip for c in lab.controls.values())
