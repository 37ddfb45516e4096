"""Clustered and paired errors: by hand, by repetition, and beside statsmodels and scipy."""

import math

import numpy as np
import pytest

from rlhf_lib.evaluation import (
    clustered_error,
    clustered_interval,
    items_needed,
    paired_error,
    unpaired_error,
)


def test_clustered_error_by_hand():
    """Equation [EV-4]: two passages of two questions, all right or all wrong, are two observations."""
    values, passages = [1.0, 1.0, 0.0, 0.0], ["a", "a", "b", "b"]
    assert clustered_error(values, passages) == pytest.approx(math.sqrt(2 / 1 * 2 * 1.0) / 4)
    assert clustered_error(values, passages) == pytest.approx(np.std([1, 0], ddof=1) / math.sqrt(2))
    interval = clustered_interval(values, passages)
    assert interval.value == 0.5 and interval.high - 0.5 == pytest.approx(1.96 * 0.5)


def test_with_one_item_a_cluster_it_is_the_plain_error():
    values = np.random.default_rng(0).normal(size=20)
    plain = values.std(ddof=1) / math.sqrt(20)
    assert clustered_error(values, range(20)) == pytest.approx(plain)


def test_clustered_error_is_what_repetition_shows():
    rng, means = np.random.default_rng(0), []
    for _ in range(400):
        values = np.repeat(rng.normal(size=30), 5) + 0.5 * rng.normal(size=150)
        means.append(values.mean())
    found = clustered_error(values, np.repeat(range(30), 5))
    assert found == pytest.approx(np.std(means), rel=0.35)
    assert found > 1.5 * values.std(ddof=1) / math.sqrt(150)


def test_paired_error_by_hand():
    """Equation [EV-5]: two models that differ by one item of four, whatever that is worth."""
    a, b = [1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]
    assert paired_error(a, b) == pytest.approx(0.5 / 2)
    assert unpaired_error(a, b) == pytest.approx(math.sqrt(0.25 / 4 + (1 / 3) / 4))


def test_pairing_saves_what_the_correlation_says():
    rng = np.random.default_rng(1)
    hard = rng.normal(size=5000)
    a, b = hard + rng.normal(size=5000), hard + rng.normal(size=5000)
    share = math.sqrt(1 - np.corrcoef(a, b)[0, 1])
    assert paired_error(a, b) / unpaired_error(a, b) == pytest.approx(share, rel=0.01)


def test_items_needed_finds_the_difference_four_times_in_five():
    n, rng = items_needed(1.0, 0.2), np.random.default_rng(2)
    draws = rng.normal(0.2, 1.0, size=(4000, n))
    found = draws.mean(1) - 1.96 * draws.std(1, ddof=1) / math.sqrt(n) > 0
    assert n == 196 and found.mean() == pytest.approx(0.8, abs=0.03)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="one length"):
        clustered_error([1.0, 0.0], ["a"])
    with pytest.raises(ValueError, match="at least 2"):
        clustered_error([1.0, 0.0], ["a", "a"])
    with pytest.raises(ValueError, match="a and b"):
        paired_error([1.0], [0.0])
    with pytest.raises(ValueError, match="difference"):
        items_needed(1.0, 0.0)


def test_equal_to_statsmodels():
    api = pytest.importorskip(
        "statsmodels.api", reason="statsmodels is not installed: nothing to compare with"
    )
    rng = np.random.default_rng(3)
    values, groups = rng.normal(size=60), np.repeat(range(12), 5)
    fit = api.OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert clustered_error(values, groups) == pytest.approx(fit.bse[0], rel=1e-9)


def test_equal_to_scipy():
    stats = pytest.importorskip(
        "scipy.stats", reason="scipy is not installed: nothing to compare with"
    )
    a, b = np.random.default_rng(4).normal(size=(2, 40))
    assert paired_error(a, b) == pytest.approx(stats.sem(a - b))
    paired = stats.ttest_rel(a, b).statistic
    assert (a - b).mean() / paired_error(a, b) == pytest.approx(paired)
