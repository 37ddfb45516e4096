"""Elo, Bradley-Terry, style control: on two-vote examples, in known worlds, and beside choix and statsmodels."""

import numpy as np
import pytest

from rlhf_lib.evaluation import bradley_terry, elo_ratings, kendall_tau
from rlhf_lib.evaluation.ratings import POINTS


def votes(models=4, count=400, weights=(), seed=0):
    """Votes of a Bradley-Terry crowd over models of strength 0, 1/2, 1, ... with a taste for styles."""
    rng = np.random.default_rng(seed)
    first = rng.integers(models, size=count)
    second = (first + rng.integers(1, models, size=count)) % models
    style = rng.normal(size=(count, len(weights))) + 0.5 * (first - second)[:, None]
    gap = 0.5 * (first - second) + style @ np.array(weights)
    score = (rng.random(count) < 1 / (1 + np.exp(-gap))).astype(float)
    return first, second, score, style


def test_elo_by_hand():
    """Equation [EV-1]: equals share 32 points; then the leader by 32 gains less from a newcomer."""
    assert elo_ratings([0], [1], [1.0], 3).tolist() == [1016, 984, 1000]
    expected = 1 / (1 + 10 ** (-16 / 400))
    after = elo_ratings([0, 0], [1, 2], [1, 1], 3)
    assert after[0] == pytest.approx(1016 + 32 * (1 - expected)) and after.sum() == pytest.approx(
        3000
    )
    assert elo_ratings([0], [1], [0.5], 2).tolist() == [1000, 1000], "a tie of equals moves nothing"


def test_bradley_terry_by_hand():
    """Equation [EV-2]: three wins of four are odds of three to one, so log 3 nats apart."""
    fit = bradley_terry([0, 0, 0, 1], [1, 1, 1, 0], [1, 1, 1, 1], 2)
    assert fit.ratings[0] - fit.ratings[1] == pytest.approx(POINTS * np.log(3))
    assert fit.ratings.mean() == pytest.approx(1000) and fit.order() == [0, 1]
    drawn = bradley_terry([0, 1], [1, 0], [0.5, 0.5], 2)
    assert drawn.ratings == pytest.approx([1000, 1000]), "ties count half for each"


def test_the_order_of_votes_matters_to_elo_and_not_to_bradley_terry():
    first, second, score, _ = votes()
    back = slice(None, None, -1)
    there, again = (bradley_terry(first[s], second[s], score[s], 4) for s in (slice(None), back))
    assert there.ratings == pytest.approx(again.ratings, abs=1e-6)
    elo = [elo_ratings(first[s], second[s], score[s], 4) for s in (slice(None), back)]
    assert np.abs(elo[0] - elo[1]).max() > 5


def test_style_control_by_hand():
    """Equation [EV-3]: equal models whose longer answer wins three votes of four, at one standard deviation each."""
    first, second = [0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0]
    longer = np.array([1, 1, 1, 1, 1, 1, 1, 1])[:, None] * np.array([[1], [-1]] * 4)
    score = [1, 0, 1, 0, 1, 0, 0, 1]
    fit = bradley_terry(first, second, score, 2, longer)
    assert fit.ratings == pytest.approx([1000, 1000], abs=1e-6)
    assert fit.weights == pytest.approx([np.log(3)])


def test_style_control_finds_strength_behind_a_taste_and_its_price():
    first, second, score, style = votes(count=20_000, weights=(0.8,))
    raw, held = (bradley_terry(first, second, score, 4, s) for s in (None, style))
    true = 1000 + POINTS * 0.5 * (np.arange(4) - 1.5)
    assert held.ratings == pytest.approx(true, abs=5 * held.errors.max())
    assert held.weights[0] / style.std() == pytest.approx(0.8, abs=0.1)
    assert raw.ratings[3] - raw.ratings[0] > true[3] - true[0] + 50


def test_errors_are_those_of_repeated_votes():
    fits = [bradley_terry(*votes(seed=seed)[:3], 4) for seed in range(60)]
    seen = np.array([fit.ratings for fit in fits]).std(0)
    assert seen == pytest.approx(fits[0].errors, rel=0.35)


def test_a_small_ridge_hardly_changes_the_errors():
    free, pulled = (bradley_terry(*votes()[:3], 4, ridge=ridge) for ridge in (0.0, 0.1))
    assert pulled.errors == pytest.approx(free.errors, rel=0.02)


def test_without_a_best_fit_it_says_so_and_a_ridge_helps():
    with pytest.raises(ValueError, match="no finite ratings"):
        bradley_terry([0, 0], [1, 1], [1, 1], 2)
    fit = bradley_terry([0, 0], [1, 1], [1, 1], 2, ridge=0.1)
    assert np.isfinite(fit.ratings).all() and fit.ratings[0] > fit.ratings[1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([0], [1, 0], [1.0], 2), "one length"),
        (([0], [2], [1.0], 2), "between 0 and"),
        (([1], [1], [1.0], 2), "itself"),
        (([0], [1], [2.0], 2), "score"),
    ],
)
def test_what_is_no_vote_is_refused(arguments, named):
    for rate in (elo_ratings, bradley_terry):
        with pytest.raises(ValueError, match=named):
            rate(*arguments)


def test_style_of_another_length_is_refused():
    with pytest.raises(ValueError, match="style"):
        bradley_terry([0, 1], [1, 0], [1, 1], 2, [[1.0]])


def test_kendall_tau_counts_pairs():
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1 and kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert kendall_tau([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="one length"):
        kendall_tau([1], [1])


def test_equal_to_choix():
    choix = pytest.importorskip("choix", reason="choix is not installed: nothing to compare with")
    first, second, score, _ = votes()
    pairs = [(a, b) if won else (b, a) for a, b, won in zip(first, second, score, strict=True)]
    theirs = choix.opt_pairwise(4, pairs, alpha=0.0, tol=1e-12)
    ours = (bradley_terry(first, second, score, 4).ratings - 1000) / POINTS
    assert ours == pytest.approx(theirs - theirs.mean(), abs=1e-6)


def test_equal_to_the_logistic_regression_of_statsmodels():
    api = pytest.importorskip(
        "statsmodels.api", reason="statsmodels is not installed: nothing to compare with"
    )
    first, second, score, style = votes(weights=(0.8, -0.3))
    design = np.zeros((len(score), 4))
    design[np.arange(len(score)), first], design[np.arange(len(score)), second] = 1, -1
    theirs = api.Logit(score, np.hstack((design[:, 1:], style / style.std(0)))).fit(
        disp=0, tol=1e-12
    )
    ours = bradley_terry(first, second, score, 4, style)
    strength = (ours.ratings - ours.ratings[0]) / POINTS
    assert strength[1:] == pytest.approx(theirs.params[:3], abs=1e-6)
    assert ours.weights == pytest.approx(theirs.params[3:], abs=1e-6)


def test_kendall_tau_is_that_of_scipy():
    stats = pytest.importorskip(
        "scipy.stats", reason="scipy is not installed: nothing to compare with"
    )
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
