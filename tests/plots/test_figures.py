"""Figures hold the data they were given; HTML is escaped; timelines and weights by hand."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rlhf_lib.evaluation import (
    smooth,
)
from rlhf_lib.plots import (
    COLOURS,
    CYCLE,
    Scored,
    answers_table,
    coloured_steps,
    figure,
    plot_history,
    plot_rise_and_fall,
    typical_answers,
    use_workbook_style,
)
from rlhf_lib.training import History


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")
    matplotlib.rcdefaults()


@pytest.fixture
def history():
    made = History()
    for step in range(20):
        made.log(step, proxy=step / 10, gold=step / 10 - step**2 / 200, kl=step / 2, length=12)
    return made


def lines(axis):
    """y of the curves on an axis, without guides."""
    return [np.asarray(line.get_ydata()) for line in axis.lines if len(line.get_xdata()) > 2]


def test_style_is_light_whatever_was_on_before():
    plt.style.use("dark_background")
    fig, axis = figure()
    axis.set(title="t", xlabel="x")
    assert fig.get_facecolor()[:3] == (1, 1, 1) and axis.get_facecolor()[:3] == (1, 1, 1)
    dark = matplotlib.colors.to_rgb("#222222")
    for text in (axis.title, axis.xaxis.label):
        assert matplotlib.colors.to_rgb(text.get_color()) == dark
    assert fig.get_size_inches()[0] == 7.5


def test_palette():
    use_workbook_style()
    assert (COLOURS["proxy"], COLOURS["gold"]) == ("#D55E00", "#0072B2")
    assert len(set(CYCLE)) == len(CYCLE) == 8


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))])
def test_history_panels(history, count, shape):
    names = ["proxy", "gold", "kl", "length", "proxy"][:count]
    fig = plot_history(history, names, title="a run")
    shown = [axis for axis in fig.axes if axis.get_visible()]
    assert len(shown) == count and len(fig.axes) == shape[0] * shape[1]
    assert fig.get_size_inches()[0] <= 7.5
    raw, mean = lines(shown[0])
    assert raw.tolist() == history.series("proxy")
    assert np.allclose(mean, smooth(raw))
    assert "proxy" in shown[0].get_title() and shown[0].get_xlabel() == "step"


@pytest.mark.parametrize("parts", [2, 3])
def test_history_draws_the_expected_band_behind(history, parts):
    low, high = np.zeros(20), np.ones(20)
    band = (low, high) if parts == 2 else (low, (low + high) / 2, high)
    axis = plot_history(history, ["gold", "kl"], {"gold": band}).axes[0]
    (area,) = axis.collections
    top = area.get_paths()[0].vertices[:, 1]
    assert (top.min(), top.max()) == (0, 1)
    assert area.get_zorder() < axis.lines[-1].get_zorder()
    assert len(lines(axis)) == parts


def test_history_says_which_metric_is_missing(history):
    with pytest.raises(KeyError, match="proxy"):
        plot_history(history, ["prxy"])


def test_rise_and_fall_has_a_panel_and_a_scale_for_each_metric():
    run = {"step": [0, 10], "proxy": [0.0, 2.0], "gold": [0.1, -1.0]}
    band = {"step": [0, 10, 20]}
    band |= {
        name: {"low": [0, 0, 0], "median": [0, 1, 2], "high": [1, 2, 3]}
        for name in ("proxy", "gold")
    }
    above, below = plot_rise_and_fall({"your run": run}, band).axes
    assert [a.get_title(loc="left").split(":")[0] for a in (above, below)] == ["proxy", "gold"]
    assert above.get_ylim() != below.get_ylim() and above.get_xlim() == below.get_xlim()
    drawn = [line for line in below.lines if line.get_label() == "your run"][0]
    assert drawn.get_xdata().tolist() == [0, 10] and drawn.get_ydata().tolist() == [0.1, -1.0]
    assert len(below.collections) == 1, "the band"


def test_a_band_that_falls_far_below_does_not_flatten_the_rise():
    run = {"step": [0, 10], "gold": [0.0, 0.5]}
    band = {"step": [0, 10], "gold": {"low": [0, -50], "median": [0.0, -0.5], "high": [0.1, 0.6]}}
    low, high = plot_rise_and_fall({"your run": run}, band, names=("gold",)).axes[0].get_ylim()
    assert -1 < low < -0.5 and 0.6 < high < 1


def test_typical_answers_are_near_the_means_and_the_means_are_of_all():
    gold = {"a": 0.0, "b": 4.0, "c": 9.0, "d": 0.2}
    models = {"m": ["a", "b", "c"], "n": ["d", "d", "d"]}
    table = typical_answers(["p1", "p2", "p3"], models, lambda _, text: gold[text], rows=1)
    assert table.rows[0][0] == "p2" and table.rows[0][1] == Scored("b", 4.0)
    assert table.rows[-1][0] == "mean of all 3 requests"
    assert table.rows[-1][1].score == pytest.approx(13 / 3)


def test_answers_table_escapes_and_has_a_plain_twin():
    nasty = "<script>alert('x')</script> & <b>"
    table = answers_table([nasty], {nasty: [nasty]}, gold=lambda prompt, text: -0.5)
    page = table._repr_html_()
    assert "<script" not in page and "<b>" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &lt;b&gt;") == 3
    assert "-0.50" in page and f"[-0.50] {nasty}" in repr(table)


def test_chips_are_coloured_by_sign_and_leave_text_to_the_theme():
    page = answers_table(["q"], {"a": ["x"], "b": ["y"]}, lambda p, t: 1.0 if t == "x" else -1.0)
    good, bad = page._repr_html_().split("rgba(")[1:]
    assert good.startswith("0,158,115") and bad.startswith("213,94,0")
    assert "color:" not in page._repr_html_().replace("background-color:", "")
    assert "+0.00" not in answers_table(["q"], {"a": ["x"]})._repr_html_()


def test_answers_table_takes_world_prompts(world):
    prompts = world.prompts(2, seed=1)
    table = answers_table(prompts, {"a": ["one.", "two."]}, world.gold)
    assert table.rows[0][0] == prompts[0].text and isinstance(table.rows[0][1], Scored)


def test_coloured_steps():
    table = coloured_steps([("2 + 3 * 4", ["3 * 4 = 12.", "<2 + 12 = 15."], [0.9, -0.8])])
    page = table._repr_html_()
    assert "&lt;2 + 12" in page and page.count("<br>") == 1
    assert repr(table).endswith("2 + 3 * 4 | [+0.90] 3 * 4 = 12.; [-0.80] <2 + 12 = 15.")
    with pytest.raises(ValueError):
        coloured_steps([("q", ["a", "b"], [1.0])])


def test_metrics_that_some_rows_have_stand_at_their_steps():
    """Held-out numbers of steps 0, 10, 20 were once drawn at 0, 1, 2."""
    history = History()
    for step in range(21):
        held_out = {"held_out_loss": 1.0 - step / 40} if step % 10 == 0 else {}
        history.log(step, loss=1.0, **held_out)
    band = ([0.0] * 3, [1.0] * 3, [2.0] * 3)
    axis = plot_history(history, ["held_out_loss", "loss"], {"held_out_loss": band}).axes[0]
    assert all(list(line.get_xdata()) == [0, 10, 20] for line in axis.lines)
    shaded = axis.collections[0].get_paths()[0].vertices[:, 0]
    assert set(shaded) == {0.0, 10.0, 20.0}
