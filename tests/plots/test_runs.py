"""Several runs in one figure."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from rlhf_lib.plots import plot_runs
from rlhf_lib.training import History


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")
    matplotlib.rcdefaults()


def run(slope, **more):
    made = History()
    for step in range(0, 50, 10):
        made.log(step, reverse_kl=2.0 - slope * step, **more)
    return made


def test_each_run_is_a_line_over_its_own_steps():
    runs = {"DPO": run(0.03, loss=1.0), "PPO": run(0.01)}
    fig = plot_runs(runs, ["reverse_kl", "loss"], levels={"reverse_kl": 0.5}, log=["reverse_kl"])
    first, second = fig.axes
    lines = {line.get_label(): line for line in first.lines[:2]}
    for name, history in runs.items():
        assert list(lines[name].get_xdata()) == [0, 10, 20, 30, 40]
        assert list(lines[name].get_ydata()) == history.series("reverse_kl")
    assert first.lines[2].get_ydata()[0] == 0.5 and first.get_yscale() == "log"
    assert [len(line.get_xdata()) for line in second.lines] == [5, 0]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["DPO", "PPO"]
    assert second.get_yscale() == "linear" and second.get_title() == "loss (nats)"


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="no run has a metric 'gold'; there are reverse_kl, step"):
        plot_runs({"a": run(0.1)}, ["gold"])
    with pytest.raises(ValueError, match="runs must hold"):
        plot_runs({}, ["gold"])
