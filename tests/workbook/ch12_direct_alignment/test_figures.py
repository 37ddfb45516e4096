"""Pictures of direct alignment: what is drawn is what was given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rlhf_lib.exact import answer_map, follow_pair
from rlhf_lib.training import DirectSettings
from rlhf_lib.workbook.ch12_direct_alignment.figures import SIZE, plot_displaced, plot_pair_logps


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
    band = {m: {"low": [-3, -4], "high": [-1, -2]} for m in ("logp_chosen", "logp_rejected")}
    fig = plot_pair_logps(
        {"DPO": ([-2, -3], [-4, -6]), "other": ([-1, -1], [-2, -2])}, {"DPO": band}
    )
    first, second = fig.axes
    assert [list(line.get_ydata()) for line in first.lines] == [[-2, -3], [-4, -6]]
    assert len(first.collections) == 2 and not second.collections
    with pytest.raises(ValueError, match="at least one run"):
        plot_pair_logps({})
