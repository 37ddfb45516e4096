"""Figures and tables of chapter 18: what they draw is what the runs hold."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rlhf_lib.evaluation import fit_rl_curve
from rlhf_lib.workbook.ch18_over_optimization.figures import (
    LIKED,
    budget_table,
    distance_and_gain,
    ends_table,
    plot_contrasts,
    plot_distances,
    plot_judges,
    plot_passes,
    plot_selected,
    plot_tastes,
)
from rlhf_lib.workbook.ch18_over_optimization.grid import Cell


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")
    matplotlib.rcdefaults()


def run(end: float = -1.0) -> dict:
    return {
        "step": [0, 10, 20, 30], "gold": [0.0, 0.5, 0.0, end], "proxy": [0.0, 1.0, 2.0, 2.0],
        "onlooker": [0.0, 0.8, 1.0, 0.9], "kl": [0.0, 1.0, 4.0, 9.0],
    }  # fmt: skip


def test_judges_stand_above_and_gold_below_on_their_own_scales():
    above, below = plot_judges([run(), run()], {"proxy": "trained on", "onlooker": "held out"}).axes
    assert [line.get_label() for line in above.lines] == ["trained on", "held out"]
    assert below.lines[0].get_ydata().tolist() == [0.0, 0.5, 0.0, -1.0]
    assert above.get_ylim() != below.get_ylim()


def test_distance_is_the_root_of_the_kl_and_gain_is_over_the_start():
    distance, gain = distance_and_gain([run()])
    assert distance.tolist() == [0, 1, 2, 3] and gain.tolist() == [0.0, 0.5, 0.0, -1.0]
    axis = plot_distances({"RL": ([run(), run()], fit_rl_curve(distance, gain))}).axes[0]
    assert len(axis.lines[0].get_xdata()) == 8


def test_a_budget_keeps_the_last_look_within_it():
    table = budget_table([run(), run(-3.0)], (1.0, 5.0, 20.0))
    assert table["gold, median"].tolist() == [0.5, 0.0, -2.0]
    assert table["gold, worst run"].tolist() == [0.5, 0.0, -3.0]
    assert table["proxy, median"].tolist() == [1.0, 2.0, 2.0]


def test_each_taste_has_a_panel_with_the_fair_team_beside_it():
    one = {"step": [1, 2, 4], "liked": [0, 1, 2], "fair": [0, 0, 0]}
    axes = plot_tastes([dict.fromkeys(LIKED, one)]).axes
    assert len(axes) == 4
    assert all(
        axis.lines[0].get_ydata()[-1] == 2 and axis.lines[1].get_ydata()[-1] == 0 for axis in axes
    )


def test_picked_by_gold_stands_beside_picked_by_the_proxy():
    curve = {"step": [1, 2], "gold": [0.0, 0.2], "ideal": [0.0, 0.9]}
    ideal, proxy = plot_selected([curve]).axes[0].lines
    assert ideal.get_ydata()[-1] == 0.9 and proxy.get_ydata()[-1] == 0.2


def cell(*golds: list[float]) -> Cell:
    """Seeds with these curves of gold at the distances 0, 1 and 2."""
    measures = {"gold": np.array(golds), "distance": np.array([[0.0, 1.0, 2.0]] * len(golds))}
    return Cell({}, np.array([0, 5, 10]), measures, (), {})


def test_a_contrast_draws_each_seed_and_the_median_and_its_table_says_the_ends():
    rises, falls = cell([0.0, 0.2, 0.3], [0.0, 0.4, 0.5]), cell([0.0, 0.1, -1.0])
    contrasts = {"penalty": {"much": rises, "none": falls}, "size": {"large": rises}}
    panel = plot_contrasts(contrasts).axes[0]
    medians = {line.get_label(): list(line.get_ydata()) for line in panel.lines}
    assert medians["much"] == pytest.approx([0.0, 0.3, 0.4]) and medians["none"][-1] == -1.0
    assert len([line for line in panel.lines if line.get_linewidth() == 0.7]) == 3
    table = ends_table(contrasts)
    assert table.loc["penalty", "much"].tolist() == ["0.30 to 0.50", "0.30 to 0.50", "4 to 4"]
    assert table.loc["penalty", "none"]["gold at the end"] == "-1.00 to -1.00"


def test_passes_have_a_panel_for_each_measure_and_a_line_for_each_beta():
    curve = {"step": [0, 1, 2], "loss": [0.7, 0.6, 0.5], "gold": [0.0, 0.3, -9.0], "kl": [0, 2, 9]}
    results = [{"β = 0.03": curve, "β = 0.3": {**curve, "gold": [0.0, 0.2, 0.1]}}]
    loss, gold, kl = plot_passes(results).axes
    assert list(gold.lines[1].get_ydata()) == [0.0, 0.2, 0.1] and gold.get_ylim()[0] == -1.5
    assert loss.lines[0].get_label() == "β = 0.03" and list(kl.lines[0].get_ydata()) == [0, 2, 9]
