"""Surfaces, the plane of checkpoints and token trees show what was computed."""

import matplotlib
import numpy as np
import pytest

from rlhf_lib import plots
from rlhf_lib.exact import Node, TokenTree
from rlhf_lib.experiments import load_plane
from rlhf_lib.plots.plane import finer, plane_floor
from rlhf_lib.plots.surface import draw_grid, scene_3d

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def drawn(fig):
    """Lay the figure out, as saving would, so that mistakes show up."""
    fig.canvas.draw()
    return fig


def test_plane_draws_the_run_and_its_checkpoints():
    plane = load_plane()
    fig = drawn(plots.plot_plane(plane))
    x, y, _ = fig.axes[0].lines[0].get_data_3d()
    assert np.allclose(x, [row["a"] for row in plane.path])
    assert np.allclose(y, [row["b"] for row in plane.path])
    texts = " ".join(text.get_text() for text in fig.axes[0].texts)
    for at in plane.checkpoints.values():
        assert f"{at['gold']:+.2f}" in texts
    a, b, gold = finer(plane, times=4)
    assert np.allclose(gold[::4, ::4], plane.gold.numpy(), atol=1e-9)
    assert plane_floor(plane) >= plane.gold.min()


def test_trees_name_their_tokens_and_values():
    nodes = [Node(-1, "", 0, 1, 1, value=0.1), Node(0, " leaves", 1, 0.7, 0.7, value=0.9, x=1.0),
             Node(0, "∎", 1, 0.3, 0.3, True, value=-1.0, x=1.0, y=-1.0)]  # fmt: skip
    fig = drawn(plots.plot_token_tree(TokenTree("?", nodes), "a prompt"))
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert {"the prompt", "leaves", "(end)", "+0.9", "-1.0"} <= set(texts)
    bar = fig.axes[1]
    assert "the prompt, +0.10" in bar.get_ylabel(), "blue and orange are about the prompt's value"
    assert any(np.allclose(line.get_ydata(), 0.1) for line in bar.lines)


def test_surfaces_are_cut_at_their_limits():
    _, axis = scene_3d()
    x = np.linspace(0, 1, 8)
    assert draw_grid(axis, x, x, np.full((8, 8), -9.0), limits=(-1.0, 1.0)) == (-1.0, 1.0)
    assert axis.get_zlim() == pytest.approx((-1.0, 1.0))
