"""Figures of chapter 01 hold the data they were given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch

from rlhf_lib.exact.cart import SECONDS, Rides
from rlhf_lib.exact.clips import Lessons, LessonSettings, stand_at
from rlhf_lib.plots import COLOURS
from rlhf_lib.workbook.ch01_overview import figures
from rlhf_lib.workbook.ch01_overview.history import WORKS


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def axes():
    return plt.gcf().axes


def test_a_loop_has_its_boxes_and_arrows():
    words = {"policy": "one", "clips": "two", "judge": "three", "reward": "four"}
    figures.plot_loop(words, ("a", "b", "c", "d"))
    assert [t.get_text() for t in axes()[0].texts if t.get_text()] == [*words.values(), *"abcd"]


def test_rides_end_where_they_ended():
    states, mask = torch.zeros(2, 10, 4), torch.ones(2, 10)
    states[1, :, 0], mask[1, 4:] = 0.5, 0
    figures.plot_places({"one": Rides(states, torch.zeros(2, 10), mask)}, wish=1.0)
    lines = axes()[0].lines
    assert len(lines[0].get_xdata()) == 10 and len(lines[1].get_xdata()) == 4
    assert lines[2].get_xdata() == pytest.approx([3 * SECONDS]) and lines[2].get_marker() == "x"


def test_lessons_show_band_median_and_the_readers_run():
    band = {"low": [0, 0.1], "median": [0, 0.4], "high": [0, 0.9]}
    stored = {arm: {"step": [0, 1], "mark": band} for arm in ("wish", "coin")}
    live = {"wish": {"step": [0, 1], "mark": [0, 0.5]}}
    figures.plot_lessons(stored, live, {"wish": "judged", "coin": "tossed"})
    first, second = axes()
    assert [len(first.lines), len(second.lines)] == [2, 1] and len(first.collections) == 1
    assert list(first.lines[0].get_ydata()) == band["median"]


def test_clips_and_maps_are_drawn():
    pupil = Lessons(LessonSettings(rides=4, steps=60))
    clips = torch.zeros(20, 4)
    figures.plot_clips(clips, clips + 0.5, ("left", "right"))
    assert len(axes()[0].patches) == 4
    figures.plot_reward_map(pupil, stand_at(1.0), clips[None])
    assert [axis.get_title() for axis in axes()[:2]] == ["what is wished", "what was learned"]


def test_stages_and_sides_have_a_dot_for_each_seed():
    stage = dict.fromkeys(figures.STAGE_PANELS, 0.5)
    figures.plot_stages([{"base": stage, "SFT": stage}] * 3)
    assert len(axes()) == 4 and len(axes()[0].lines[1].get_xdata()) == 3
    plt.close("all")
    change = {"chosen": 1.0, "rejected": -2.0}
    figures.plot_sides([{"one": change, "both": change}] * 3)
    assert list(axes()[1].lines[1].get_ydata()) == [-2.0] * 3
    assert axes()[0].patches[0].get_height() == 1.0


def test_pushes_up_and_down_have_their_colours():
    figures.plot_pushes({"answer": ["a", "b"]}, {"answer": [0.5, -0.2]})
    colours = [bar.get_facecolor() for bar in axes()[0].patches]
    wanted = [matplotlib.colors.to_rgba(COLOURS[name]) for name in ("good", "bad")]
    assert colours == wanted


def test_the_timeline_has_a_dot_for_each_change():
    figures.plot_timeline()
    assert len(axes()[0].lines) == sum(len(work.changed) for work in WORKS)
