"""What the lesson of the decide exercise says, beside which rate is best (tests/workbook/kit asks that)."""

from rlhf_lib.exact.small_world import small_world
from rlhf_lib.workbook.ch08_regularization.decides import BETA, objective_at


def test_too_fast_a_policy_ends_below_the_untrained_one_and_too_slow_a_one_above():
    untrained = small_world().measure(small_world().ref_logp, BETA)["value"]
    for seed in (5, 6):
        assert objective_at("1", seed) < untrained < objective_at("0.02", seed)
