"""Best policies found by bisection, and descent of any loss by a table."""

import pytest
import torch

from rlhf_lib.exact import (
    ExactWorld,
    descend,
    equal_kl_policy,
    expected,
    forward_kl_optimum,
    optimal_policy,
)
from rlhf_lib.objectives import exact_kl

REF = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]], dtype=torch.float64).log()
REWARDS = torch.tensor([[0.0, 1.0, 2.0], [1.0, -1.0, 0.5]], dtype=torch.float64)


def small_world() -> ExactWorld:
    return ExactWorld(["a", "b"], [["x", "y", "z"]] * 2, REF, REWARDS, REWARDS)


def test_equal_kl_policy_has_the_kl_of_each_row_and_is_a_tilt():
    star = torch.stack([optimal_policy(REF, REWARDS, beta)[i] for i, beta in enumerate((0.5, 2.0))])
    found = equal_kl_policy(REF, REWARDS, exact_kl(star, REF))
    assert torch.allclose(found, star, atol=1e-6)


def test_no_policy_of_that_kl_has_a_higher_reward():
    dice = torch.randn(200, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for other in (REF + dice).log_softmax(-1):
        best = equal_kl_policy(REF, REWARDS, exact_kl(other, REF))
        assert (expected(best, REWARDS) > expected(other, REWARDS) - 1e-6).all()


def test_equal_kl_policy_wants_one_kl_a_row():
    with pytest.raises(ValueError, match="kl"):
        equal_kl_policy(REF, REWARDS, torch.tensor(1.0))


def test_forward_kl_optimum_beats_its_neighbours_by_its_own_objective():
    def value(logp):
        return expected(logp, REWARDS) - 0.7 * exact_kl(REF, logp)

    best = forward_kl_optimum(REF, REWARDS, 0.7)
    assert torch.allclose(best.exp().sum(-1), torch.ones(2, dtype=torch.float64))
    dice = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for size in (0.01, 0.3):
        for other in (best + size * dice).log_softmax(-1):
            assert (value(best) > value(other)).all()


def test_forward_kl_optimum_by_hand():
    """Two equally likely answers, rewards 0 and 1, beta 1: c^2 - 2c + 1/2 = 0, and c lies above 1."""
    logp = forward_kl_optimum(
        torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[0.0, 1.0]], dtype=torch.float64), 1.0
    )
    c = 1 + 0.5**0.5  # 0.5 / c + 0.5 / (c - 1) = 1
    assert logp.exp()[0].tolist() == pytest.approx([0.5 / c, 0.5 / (c - 1)])


@pytest.mark.parametrize("beta", [0.0, -1.0])
def test_a_price_that_is_not_positive_is_refused(beta):
    with pytest.raises(ValueError, match="beta"):
        forward_kl_optimum(REF, REWARDS, beta)


def test_descend_measures_where_it_says_and_reaches_the_optimum():
    exact = small_world()

    def loss(table):
        logp = table.table()
        value = (logp.exp() * REWARDS).sum(-1) - 0.5 * exact_kl(logp, REF)
        return -value.mean()

    rows = descend(exact, loss, steps=200, learning_rate=0.1, beta=0.5, measure_every=50)
    assert [row["step"] for row in rows] == [50, 100, 150, 200]
    assert rows[-1]["reverse_kl"] < 1e-3 < rows[0]["kl"]


def test_descend_refuses_no_steps():
    with pytest.raises(ValueError, match="steps"):
        descend(small_world(), lambda table: table.table().sum(), steps=0)
