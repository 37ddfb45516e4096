"""What a cell shows again is closed, k3d's objects are sent whole, and a still picture says what a lab says."""

import re

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

from rlhf_lib import labs
from rlhf_lib.workbook.kit import lifetime
from rlhf_lib.workbook.kit.lab import Lab, plot, slider
from rlhf_lib.workbook.kit.loading import KERNEL, figure_class
from rlhf_lib.workbook.kit.scene import Stage
from rlhf_lib.workbook.kit.still import png, still


def small_lab() -> Lab:
    """A slider and a line."""
    figure = plot()
    figure.add_scatter(name="a <line>")
    controls = {"x": slider("x", 3, 0, 5, 1, "t")}

    def update(x) -> str:
        figure.data[0].x, figure.data[0].y = [0, 1], [0, x]
        return f"it rises <b>to {x}</b> & no further"

    return Lab("A small lab!", controls, figure, update)


@pytest.mark.parametrize("name", ["walk_lab", "objective_lab"])
def test_a_closed_lab_leaves_no_widget_behind(name):
    before = set(_instances)
    lab = getattr(labs, name)()
    assert len(set(_instances) - before) > 20
    lab.close()
    assert set(_instances) == before


def test_a_cell_that_runs_again_closes_what_it_showed(monkeypatch):
    monkeypatch.setattr(lifetime, "SHOWN", {})
    where = {}
    monkeypatch.setattr(lifetime, "place", lambda: where["now"])
    first, beside, elsewhere, second = (small_lab() for _ in range(4))

    def alive(lab) -> bool:
        return lab.view.comm is not None

    for lab, where["now"] in ((first, ("a", "1")), (beside, ("a", "1")), (elsewhere, ("b", "2"))):
        lifetime.replace(lab)
    assert alive(first) and alive(beside) and alive(elsewhere)
    where["now"] = ("a", "3")
    lifetime.replace(second)
    assert not alive(first) and not alive(beside) and alive(elsewhere) and alive(second)
    where["now"] = ("a", "4")
    lifetime.replace(second)
    assert alive(second), "a lab that is shown once more stays"
    second.close()
    elsewhere.close()


def test_outside_a_notebook_nothing_is_closed():
    assert lifetime.place() is None
    lab = small_lab()
    lifetime.replace(lab)
    assert lab.view.comm is not None
    lab.close()


def test_objects_of_a_scene_are_told_by_their_plot_with_their_type():
    """k3d announces each object by a comm of its own, first without a type; here only the plot has one."""
    stage = Stage()
    stage.surface("ground", np.add.outer(np.zeros(4), np.arange(4.0)))
    stage.pin("walker", (0.0, 0.0), "ground", "#00FF00", "here")
    assert all(thing.comm is None and thing.type for thing in stage.objects.values())
    sent = []
    stage.plot.send = lambda content, buffers=None: sent.append((content, buffers))
    stage.plot._handle_custom_msg({"msg_type": "fetch_objects", "ids": stage.plot.object_ids}, None)
    stage.pin("walker", (1.0, 0.0), "ground", "#00FF00", "here")
    assert [content["msg_type"] for content, *_ in sent[:3]] == [
        "objects_state",
        "render",
        "object_patch",
    ]


def test_a_page_is_given_the_figure_as_it_is_now():
    """plotly's own widget tells a page what the figure was when it was made: nothing."""
    lab = small_lab()
    figure, sent = lab.figure, []
    figure.send = lambda content, buffers=None: sent.append((content, buffers))
    figure._handle_custom_msg({"type": "rlhf-state"}, [])
    assert sent == [({"type": "rlhf-state"}, None)]
    state = figure.get_state()
    assert list(state["_widget_data"][0]["y"]) == [0, 3]
    assert len(state["_esm"]) < 10_000 and state["_own_id"] == figure.model_id
    assert state["_kernel_id"] == KERNEL and state["_library"] == "plotly"
    lab.close()


def test_a_librarys_module_is_sent_when_a_page_asks_for_it():
    figure, sent = figure_class()(), []
    figure.send = lambda content, buffers=None: sent.append((content, buffers))
    figure._handle_custom_msg({"type": "rlhf-module"}, [])
    assert sent[0][0] == {"type": "rlhf-module"} and len(sent[0][1][0]) > 1_000_000
    stage = Stage()
    stage.plot.send = figure.send
    stage.plot._handle_custom_msg({"type": "rlhf-module"}, [])
    assert len(sent[1][1][0]) > 1_000_000


def test_a_still_says_in_words_what_it_shows():
    lab = small_lab()
    page = still(lab)
    assert 'alt="it rises to 3 &amp; no further"' in page and "Run this cell" in page
    assert "rlhf-still lab-a-small-lab" in page and "lab-a-small-lab" in lab.view._dom_classes
    assert re.search(r"data:image/png;base64,[A-Za-z0-9+/]{1000}", page)


@pytest.mark.parametrize("name", ["aggregation_lab", "displacement_lab", "plane_lab"])
def test_a_still_picture_follows_the_live_one(name):
    """Heat map, lines with marks, and a 3-D stage."""
    lab = getattr(labs, name)()
    before = png(lab)
    control = list(lab.controls.values())[-1 if name == "plane_lab" else 0]
    control.value = (
        next(o for o in control.options if o != control.value)
        if hasattr(control, "options")
        else control.max
    )
    assert png(lab) != before
