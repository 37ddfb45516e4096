"""The best-of-n lab: numbers by the exact world's functions, wiring by setting controls."""

import numpy as np
import pytest
import torch

from rlhf_lib.exact import best_of_n_exact_kl, exact_world, expected
from rlhf_lib.labs import best_of_n_lab
from rlhf_lib.objectives import best_of_n_kl
from rlhf_lib.workbook.ch10_rejection_sampling import lab_best_of_n as best_of_n


@pytest.fixture(scope="module")
def exact(world):
    """Four requests with 60 answers each, all alike likely, rewards half gold and half noise."""
    found = exact_world(world, world.prompts(4, ("fact", "opinion"), seed=3), size=60)
    dice = torch.randn(found.gold.shape, generator=torch.Generator().manual_seed(1)).double()
    return found.with_rewards(0.5 * found.gold + 0.5 * dice)


def test_numbers_are_those_of_the_exact_world(exact):
    found = best_of_n.choose(exact, None, 16, "the reward model", 0.0)
    place = best_of_n.NS.index(16)
    exact_kl = best_of_n_exact_kl(exact.ref_logp, exact.rewards, 16).mean().item()
    assert found.kls[place] == pytest.approx(exact_kl) and found.kls[0] == pytest.approx(0)
    assert all(kl <= best_of_n_kl(n) + 1e-9 for n, kl in zip(best_of_n.NS, found.kls, strict=True))
    before, after = found.means(found.gold)
    assert before == pytest.approx(exact.gold.mean().item())
    assert after == pytest.approx(expected(exact.best_of_n(16), exact.gold).mean().item())


def test_one_request_is_its_row(exact):
    found = best_of_n.choose(exact, 2, 8, "gold itself", 0.0)
    assert found.rewards.tolist() == [exact.gold[2].tolist()]
    assert found.after.shape == (1, 60)


def test_a_noisier_judge_chooses_worse_answers(exact):
    golds = [best_of_n.choose(exact, None, 32, "gold itself", noise) for noise in (0.0, 1.0, 3.0)]
    means = [found.means(found.gold)[1] for found in golds]
    assert means[0] > means[1] > means[2]
    again = best_of_n.judged(exact, "gold itself", 1.0)
    assert torch.equal(again, best_of_n.judged(exact, "gold itself", 1.0))


def test_a_histogram_holds_all_the_probability(exact):
    edges = best_of_n.edges_of(exact.rewards)
    heights = best_of_n.histogram(exact.best_of_n(8), exact.rewards, edges)
    assert heights.sum() == pytest.approx(1) and len(heights) == best_of_n.BINS


def test_words_say_which_way_gold_went(exact):
    good = best_of_n.choose(exact, None, 8, "gold itself", 0.0)
    assert "get better" in best_of_n.describe(good, 8)
    against = exact.with_rewards(-exact.gold)
    bad = best_of_n.choose(against, None, 8, "the reward model", 0.0)
    assert "get worse" in best_of_n.describe(bad, 8)
    assert "stay as good" in best_of_n.describe(
        best_of_n.choose(exact, None, 1, "gold itself", 0.0), 1
    )


def test_the_lab_follows_its_controls(exact):
    lab = best_of_n_lab(exact)
    lab.controls["n"].value = 1
    assert np.allclose(lab.figure.data[0].y, lab.figure.data[1].y)  # n = 1 chooses nothing
    lab.controls["n"].value = 64
    assert not np.allclose(lab.figure.data[0].y, lab.figure.data[1].y)
    assert lab.side.data[1].x == best_of_n.NS and len(lab.side.data[1].y) == len(best_of_n.NS)
    assert lab.side.data[2].x == (64,) and "best of 64" in lab.sentence.value
    for name, value in (("noise", 2.0), ("judge", "gold itself"), ("request", 1)):
        words, bars = lab.sentence.value, np.array(lab.figure.data[3].y)
        lab.controls[name].value = value
        assert lab.sentence.value != words and not np.allclose(bars, lab.figure.data[3].y)
    curve = np.array(lab.side.data[1].y)
    lab.controls["noise"].value = 0.0  # gold has ties, and they lower the KL
    assert lab.side.data[1].y[-1] < curve[-1] - 0.1
    lab.reset()
    assert lab.values() == lab.start
    assert all(c.description and c.tooltip for c in lab.controls.values())
