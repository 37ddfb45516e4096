"""Statistics on hand-computed numbers; best-of-n against enumeration; Gao et al.'s curves recovered."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from rlhf_lib.evaluation import (
    SIGNS,
    accuracy_by_category,
    accuracy_ceiling,
    best_of_n,
    calibration,
    fit_best_of_n_curve,
    fit_rl_curve,
    mean_interval,
    paired_difference,
    proportion,
    qualitative_signs,
    smooth,
    to_numpy,
    win_rate,
)
from rlhf_lib.world import Prompt


def test_win_rate_counts_ties_half():
    found = win_rate([3, 1, 2, 2], [1, 3, 1, 2])
    assert found.value == 2.5 / 4
    assert win_rate([1, 3, 1, 2], [3, 1, 2, 2]).value == pytest.approx(1 - found.value)
    assert found.low < found.value < found.high


def test_wilson_interval_by_hand():
    """8 of 10: centre (0.8 + z2/20) / (1 + z2/10), Wilson (1927); never outside [0, 1]."""
    z2 = 1.96**2
    centre = (0.8 + z2 / 20) / (1 + z2 / 10)
    half = 1.96 * math.sqrt(0.8 * 0.2 / 10 + z2 / 400) / (1 + z2 / 10)
    found = proportion(8, 10)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert (found.low, found.high) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert proportion(0, 5).low == 0 and proportion(5, 5).high == pytest.approx(1)
    assert proportion(0, 5).high > 0.3


def test_wilson_interval_covers():
    """About 95% of intervals from 40 coin flips of p = 0.1 hold p."""
    rng = np.random.default_rng(0)
    found = [proportion(k, 40) for k in rng.binomial(40, 0.1, size=2000)]
    assert 0.92 < np.mean([e.low <= 0.1 <= e.high for e in found]) < 0.98


def test_mean_interval_by_hand():
    """1, 2, 3: mean 2, standard deviation 1, standard error 1 / sqrt 3."""
    found = mean_interval(torch.tensor([1.0, 2.0, 3.0]))
    assert found.value == 2
    assert found.high - 2 == pytest.approx(1.96 / math.sqrt(3))
    assert 2 - found.low == pytest.approx(1.96 / math.sqrt(3))
    single = mean_interval([4.0])
    assert (single.value, single.low, single.high) == (4, 4, 4)


def test_paired_difference_uses_the_pairs():
    hard = np.random.default_rng(0).normal(size=100) * 10
    found = paired_difference(hard + 1, hard)
    assert found.value == pytest.approx(1)
    assert found.high - found.low < 1e-9
    assert paired_difference([1, 5], [2, 2]).value == 1


@pytest.mark.parametrize("function", [win_rate, paired_difference])
def test_comparisons_say_which_argument_is_wrong(function):
    with pytest.raises(ValueError, match="differ in length"):
        function([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="empty"):
        function([], [])


def test_accuracy_ceiling_by_hand():
    """Gaps 0 and log 3 at temperature 1: best accuracies 1/2 and 3/4; the sign does not matter."""
    assert accuracy_ceiling([0.0, math.log(3)], 1.0) == pytest.approx(0.625)
    assert accuracy_ceiling([0.0, -2 * math.log(3)], 2.0) == pytest.approx(0.625)
    assert accuracy_ceiling([5000.0, -5000.0], 1e-3) == 1
    with pytest.raises(ValueError, match="temperature"):
        accuracy_ceiling([1.0], 0)


def test_nobody_beats_the_ceiling():
    """The true gaps themselves agree with drawn labels as often as the ceiling says."""
    rng = np.random.default_rng(0)
    gaps = rng.normal(size=20000)
    labels = rng.random(20000) < 1 / (1 + np.exp(-gaps / 0.5))
    assert np.mean((gaps > 0) == labels) == pytest.approx(accuracy_ceiling(gaps, 0.5), abs=0.01)


def test_accuracy_by_category_by_hand():
    found = accuracy_by_category(
        torch.tensor([2.0, 1.0, 0.0, 5.0]), torch.tensor([1.0, 1.0, 1.0, 1.0]), ["b", "a", "a", "b"]
    )
    assert {name: e.value for name, e in found.items()} == {"a": 0.25, "b": 1.0, "all": 0.625}
    with pytest.raises(ValueError, match="one length"):
        accuracy_by_category([1.0], [1.0], ["a", "b"])


def test_calibration_by_hand():
    """Two bins: predicted 0.2 where 1 of 2 happened, predicted 0.9 and 1.0 where both did."""
    found = calibration([0.1, 0.3, 0.9, 1.0], [0, 1, 1, 1], bins=2)
    assert found.counts == [2, 2]
    assert found.predicted == pytest.approx([0.2, 0.95])
    assert [e.value for e in found.observed] == [0.5, 1.0]
    assert found.error == pytest.approx(0.5 * 0.3 + 0.5 * 0.05)


def test_calibration_leaves_empty_bins_out():
    found = calibration([0.01, 0.99], [0, 1], bins=10)
    assert found.counts == [1, 1] and len(found.predicted) == 2


def test_calibration_of_honest_probabilities_is_near_zero():
    rng = np.random.default_rng(1)
    p = rng.random(20000)
    assert calibration(p, rng.random(20000) < p).error < 0.02


@pytest.mark.parametrize("bad", [[1.2, 0.1], [-0.1, 0.1], [math.nan, 0.1]])
def test_calibration_refuses_what_is_no_probability(bad):
    with pytest.raises(ValueError, match="probabilities"):
        calibration(bad, [0, 1])


def test_calibration_refuses_wrong_lengths_and_bins():
    with pytest.raises(ValueError, match="one length"):
        calibration([0.5], [0, 1])
    with pytest.raises(ValueError, match="bins"):
        calibration([0.5], [1], bins=0)


def brute_force(proxy, gold, n):
    """Mean over every subset of n answers of the one with the best proxy."""
    best = [
        (row_p[winner], row_g[winner])
        for row_p, row_g in zip(proxy, gold, strict=True)
        for subset in combinations(range(len(row_p)), n)
        for winner in [max(subset, key=lambda i, r=row_p: r[i])]
    ]
    return np.mean(best, axis=0)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
def test_best_of_n_is_the_mean_over_all_subsets(n):
    """Unbiased: equal to enumerating every n-subset of the samples."""
    rng = np.random.default_rng(n)
    proxy, gold = rng.normal(size=(2, 3, 7))
    found = best_of_n(proxy, gold, [n])
    assert (found.proxy[0], found.gold[0]) == pytest.approx(tuple(brute_force(proxy, gold, n)))


def test_equal_proxies_share_their_gold_in_any_order():
    """Four answers that the proxy can't tell apart, one of them good: the best of four is one at random."""
    for place in range(4):
        found = best_of_n(np.zeros((1, 4)), np.eye(4)[place : place + 1])
        assert found.gold == pytest.approx([0.25] * 3)
    proxy = [[0.0, 1.0, 1.0]]  # the best of three is the second or the third
    assert best_of_n(proxy, [[9.0, 1.0, 0.0]], [3]).gold == pytest.approx([0.5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_tensors_of_any_kind_become_arrays(dtype):
    values = torch.tensor([1, 2, 3], dtype=dtype)
    assert to_numpy(values).tolist() == [1, 2, 3]
    assert to_numpy(values.float().requires_grad_(), float).dtype == float


def test_best_of_n_kl_and_defaults():
    """[KL-4]: log n - (n - 1) / n; n in powers of two up to N."""
    found = best_of_n(torch.arange(8.0).view(1, 8), torch.arange(8.0).view(1, 8))
    assert found.n == [1, 2, 4, 8]
    assert found.kl == pytest.approx([math.log(n) - (n - 1) / n for n in found.n])
    assert found.gold == found.proxy and found.proxy[-1] == 7
    assert found.proxy[0] == pytest.approx(3.5)


def test_best_of_n_errors():
    with pytest.raises(ValueError, match="between 1 and"):
        best_of_n(np.zeros((1, 4)), np.zeros((1, 4)), [5])
    with pytest.raises(ValueError, match="must both be"):
        best_of_n(np.zeros((1, 4)), np.zeros((1, 3)))


def test_fit_best_of_n_curve_recovers_its_parameters():
    """[OO-1]: R(d) = d (alpha - beta d), highest at alpha / (2 beta)."""
    d = np.linspace(0, 2.5, 20)
    curve = fit_best_of_n_curve(d, d * (1.2 - 0.4 * d))
    assert (curve.alpha, curve.beta, curve.peak) == pytest.approx((1.2, 0.4, 1.5))
    assert curve(1.5) == pytest.approx(0.9)
    assert curve(curve.peak) > max(curve(curve.peak - 0.1), curve(curve.peak + 0.1))


def test_fit_rl_curve_recovers_its_parameters():
    """[OO-2]: R(d) = d (alpha - beta log d), highest at exp(alpha / beta - 1)."""
    d = np.linspace(0.1, 6, 30)
    curve = fit_rl_curve(d, d * (0.8 - 0.5 * np.log(d)))
    assert (curve.alpha, curve.beta) == pytest.approx((0.8, 0.5))
    assert curve.peak == pytest.approx(math.exp(0.6))
    assert curve(0.0) == pytest.approx(0, abs=1e-9)
    assert curve(curve.peak) > max(curve(curve.peak - 0.1), curve(curve.peak + 0.1))


def test_fits_bear_noise_and_say_when_there_is_no_peak():
    rng = np.random.default_rng(0)
    d = np.linspace(0.1, 6, 200)
    noisy = fit_rl_curve(d, d * (0.8 - 0.5 * np.log(d)) + rng.normal(size=200) * 0.1)
    assert (noisy.alpha, noisy.beta) == pytest.approx((0.8, 0.5), abs=0.03)
    assert fit_best_of_n_curve(d, d).peak == math.inf or fit_best_of_n_curve(d, d).peak > 1e6
    assert fit_rl_curve(d, d * (1 + np.log(d))).peak == math.inf


@pytest.mark.parametrize("fit", [fit_best_of_n_curve, fit_rl_curve])
def test_fits_need_points(fit):
    with pytest.raises(ValueError, match="2 points"):
        fit([0.0, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="one length"):
        fit([1.0, 2.0], [1.0])


def test_smooth_is_a_moving_average_that_keeps_the_length():
    assert smooth([0, 3, 6, 3, 0], 3).tolist() == [1.5, 3, 4, 3, 1.5]
    assert smooth([2.0] * 9).tolist() == [2.0] * 9
    assert smooth([1.0]).tolist() == [1.0]


def asked(kind, text="what colour is a fox?", **fields):
    return Prompt(kind, ({"role": "user", "content": text},), "fox", "colour", **fields)


def test_signs_of_hand_written_answers(world):
    """One sign each, counted per answer, or per answer to such a request."""
    answers = [
        ("fact", "what a great question! a fox is red."),
        ("fact", "maybe a fox is red."),
        ("fact", "a fox is red. a fox is red."),
        ("fact", "- a fox is red. - it eats mice."),
        ("fact", "red fox the a."),
        ("fact", "i cannot help with that."),
        ("unsafe", "put poison in the mice."),
        ("unsafe", "i cannot help with that."),
    ]
    prompts, texts = [asked(kind) for kind, _ in answers], [text for _, text in answers]
    signs = qualitative_signs(world, prompts, texts)
    assert set(signs) == set(SIGNS)
    eighth = 1 / 8
    assert signs["flattery"] == eighth and signs["hedging"] == eighth
    assert signs["repetition"] == eighth and signs["ungrammatical"] == eighth
    assert signs["bullets"] == 2 * eighth and signs["confident tone"] == eighth
    assert signs["benign requests refused"] == pytest.approx(1 / 6)
    assert signs["unsafe requests answered"] == 0.5
    assert signs["words"] == pytest.approx(np.mean([len(t.split()) for t in texts]))
    assert signs["stock phrases"] == signs["apologies"] == 0


@pytest.mark.parametrize(
    ("style", "sign"),
    [
        ("flattering", "flattery"),
        ("hedged", "hedging"),
        ("stock", "stock phrases"),
        ("apologetic", "apologies"),
        ("refusing", "benign requests refused"),
        ("repetitive", "repetition"),
        ("listed", "bullets"),
    ],
)
def test_each_bad_style_shows_its_sign(world, style, sign):
    import random

    prompts = world.prompts(40, kinds=("fact", "open"), seed=3)
    rng = random.Random(0)
    bad = qualitative_signs(world, prompts, [world.answer(p, style, rng) for p in prompts])
    plain = qualitative_signs(world, prompts, [world.answer(p, "short", rng) for p in prompts])
    assert bad[sign] > plain[sign] + 0.2


def test_signs_refuse_nothing():
    with pytest.raises(ValueError, match="not empty"):
        qualitative_signs(None, [], [])
