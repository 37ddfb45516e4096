"""What chapter 08 is made of: fits by either KL, moments of the estimators, drift of a policy."""

import math

import pytest
import torch

from rlhf_lib.exact import (
    drifted,
    estimator_moments,
    fit_gaussian,
    gaussian,
    grid,
    mass_between,
    repeated_estimates,
    two_modes,
)
from rlhf_lib.objectives import exact_kl


def test_the_forward_fit_has_the_targets_mean_and_variance():
    """Summits at -2 and 2 with shares 0.6 and 0.4: mean -0.4, variance 0.49 + 4 - 0.16."""
    for start in (-3.0, 3.0):
        fit = fit_gaussian(two_modes(4.0, 0.4), "forward", (start, 0.7))
        assert fit.mean == pytest.approx(-0.4, abs=1e-3)
        assert fit.sd == pytest.approx(math.sqrt(0.49 + 4 - 0.16), abs=5e-3)  # the grid ends


def test_the_reverse_fit_takes_the_summit_where_it_starts():
    target = two_modes(4.0, 0.4)
    left, right = (fit_gaussian(target, "reverse", (start, 0.7)) for start in (-3.0, 3.0))
    assert left.mean == pytest.approx(-2, abs=0.1) and right.mean == pytest.approx(2, abs=0.1)
    # all of its answers where the target has a share w: KL = log(1 / w)
    assert left.reverse_kl == pytest.approx(math.log(1 / 0.6), abs=0.02)
    assert right.reverse_kl == pytest.approx(math.log(1 / 0.4), abs=0.02)
    assert left.forward_kl > 1 > fit_gaussian(target, "forward").forward_kl


def test_one_summit_is_fitted_exactly_by_both():
    for direction in ("forward", "reverse"):
        fit = fit_gaussian(two_modes(0.0, 0.3), direction, (2.0, 1.5))
        assert (fit.mean, fit.sd) == pytest.approx((0, 0.7), abs=1e-3)
        assert (
            fit.forward_kl == pytest.approx(0, abs=1e-6) == pytest.approx(fit.reverse_kl, abs=1e-6)
        )


def test_masses_add_up():
    logp = gaussian(0.0, 1.0, grid())
    assert mass_between(logp, -9, 9) == pytest.approx(1)
    assert mass_between(logp, -1, 1) == pytest.approx(0.683, abs=0.02)


@pytest.mark.parametrize("arguments", [(4.0, 0.0), (4.0, 1.0), (4.0, 0.5, 0.0)])
def test_a_target_needs_two_shares_and_a_width(arguments):
    with pytest.raises(ValueError, match="weight"):
        two_modes(*arguments)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="direction"):
        fit_gaussian(two_modes(4.0), "sideways")
    with pytest.raises(ValueError, match="one dropped"):
        drifted("none", 1.0)
    with pytest.raises(ValueError, match="count"):
        repeated_estimates(*drifted("all a little", 1.0), 0)


def test_moments_of_the_estimators_by_hand():
    """[KL-1] on two answers: policy (0.9, 0.1), reference (0.5, 0.5)."""
    logp, ref = (torch.tensor(p, dtype=torch.float64).log() for p in ((0.9, 0.1), (0.5, 0.5)))
    a, b = math.log(1.8), math.log(0.2)
    k1 = estimator_moments(logp, ref, "k1")
    mean = 0.9 * a + 0.1 * b
    assert k1.mean == pytest.approx(mean) and k1.bias == pytest.approx(0, abs=1e-12)
    assert k1.deviation == pytest.approx(math.sqrt(0.9 * a * a + 0.1 * b * b - mean**2))
    assert k1.negative == pytest.approx(0.1)
    k2 = estimator_moments(logp, ref, "k2")
    assert k2.bias == pytest.approx(0.45 * a * a + 0.05 * b * b - mean)
    k3 = estimator_moments(logp, ref, "k3")
    assert k3.bias == pytest.approx(0, abs=1e-12) and k3.negative == 0


def test_repeated_estimates_scatter_as_their_moments_say():
    logp, ref = drifted("all a little", 0.5)
    found = repeated_estimates(logp, ref, count=25, repeats=4000)
    for kind, values in found.items():
        exact = estimator_moments(logp, ref, kind)
        assert values.shape == (4000,)
        assert values.mean().item() == pytest.approx(exact.mean, abs=0.1 * exact.deviation)
        assert values.std().item() == pytest.approx(exact.deviation / 5, rel=0.1)


def test_a_dropped_answer_is_rare_and_dear():
    logp, ref = drifted("one dropped", 2.0)
    place = int(ref.argmax())
    assert (ref - logp)[place] > 7
    others = torch.arange(len(ref)) != place
    assert (logp - ref)[others].std() < 1e-12
    assert exact_kl(logp, ref) == pytest.approx(-math.log(1 - ref[place].exp().item()), abs=0.01)
    assert exact_kl(*drifted("all a little", 0.0)) == pytest.approx(0, abs=1e-12)
