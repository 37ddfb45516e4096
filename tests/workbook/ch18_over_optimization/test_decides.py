"""Which copies the rules of the decide exercise keep, and what its lesson says of another price."""

from statistics import fmean

from rlhf_lib.experiments.build_rise import rise_runs
from rlhf_lib.workbook.ch18_over_optimization.decides import copy_kept, gold_kept

RUN = {
    "step": [0, 10, 20, 30],
    "proxy": [0.0, 1.0, 2.5, 2.6],
    "kl": [0.0, 1.0, 9.0, 20.0],
    "gold": [0.0, 0.3, -0.1, -2.0],
}


def test_each_rule_keeps_its_copy():
    assert [copy_kept(RUN, rule) for rule in ("proxy", "budget", "priced")] == [3, 2, 1]


def test_a_low_price_is_nearly_as_bad_as_none():
    low = fmean(run["gold"][copy_kept(run, "priced", 0.05)] for run in rise_runs())
    none, priced = (
        fmean(gold_kept(rule, seed) for seed in range(10)) for rule in ("proxy", "priced")
    )
    assert low - none < 0.3 * (priced - none)
