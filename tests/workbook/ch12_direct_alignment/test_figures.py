"""Pictures of direct alignment: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rlhf_lib.exact import answer_map, follow_pair
from rlhf_lib.training import DirectSettings
from rlhf_lib.workbook.ch12_direct_alignment.figures import SIZE, plot_displaced, plot_pairs


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")
    matplotlib.rcdefaults()


def test_discs_have_the_size_of_their_probability():
    answers = answer_map(0.6)
    path = follow_pair(answers, DirectSettings(), steps=5)
    fig = plot_displaced({"near": (answers.places, path), "again": (answers.places, path)})
    circles, others, chosen, rejected = fig.axes[0].collections
    assert np.allclose(circles.get_sizes(), SIZE * path[0].exp())
    sizes = [*chosen.get_sizes(), *rejected.get_sizes(), *others.get_sizes()]
    assert np.allclose(sizes, SIZE * path[-1].exp())
    assert [axis.get_title() for axis in fig.axes] == ["near", "again"]
    with pytest.raises(ValueError, match="at least one map"):
        plot_displaced({})


def test_lines_and_bands_of_pairs():
    values = {"low": [0.0, -4.0], "median": [0.0, -3.0], "high": [0.0, -2.0]}
    band = {name: {"chosen": values, "rejected": values} for name in ("DPO", "other")}
    fig = plot_pairs(band, {"DPO": {"chosen": [0.0, -1.0], "rejected": [0.0, -5.0]}})
    first, second = fig.axes
    assert [-5.0 in line.get_ydata() for line in first.lines].count(True) == 1
    assert len(first.lines) == len(second.lines) + 2
    assert len(first.collections) == len(second.collections) == 2
