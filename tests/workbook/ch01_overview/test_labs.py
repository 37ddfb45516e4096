"""The labs of chapter 01: lessons by clicks and by a judge, and the years of the loop; wiring by pressing."""

import numpy as np
import pytest
import torch

from rlhf_lib.exact.cart import SECONDS, Rides
from rlhf_lib.labs import clips_lab, timeline_lab
from rlhf_lib.workbook.ch01_overview import lab_clips as clips
from rlhf_lib.workbook.ch01_overview import lab_timeline as timeline
from rlhf_lib.workbook.ch01_overview.history import PARTS, WORKS, named


def button(lab, label):
    return next(b for b in lab.buttons if getattr(b, "description", "") == label)


def test_a_click_is_a_comparison_and_five_are_a_fit():
    room = clips.Classroom()
    pair, flat = room.pair, room.curve()
    for count in range(1, clips.BATCH + 1):
        room.choose(left_is_better=True)
        assert room.labels == count
        assert np.array_equal(room.curve(), flat) == (count < clips.BATCH)
    assert torch.equal(room.lessons.better[0], pair[0]) and torch.equal(
        room.lessons.worse[0], pair[1]
    )


def test_the_reward_curve_learns_the_wish():
    """Six times twenty comparisons: the curve is higher where the judge wants the cart."""
    ends = {}
    for judge in ("stand at x = +1", "stand at x = −1"):
        room = clips.Classroom()
        for _ in range(6):
            room.fill_in(judge)
        curve = room.curve()
        ends[judge] = curve[clips.PLACES > 0.5].mean() - curve[clips.PLACES < -0.5].mean()
    assert ends["stand at x = +1"] > 0 > ends["stand at x = −1"]


def test_practice_is_seen_piece_by_piece():
    room = clips.Classroom()
    pieces = list(room.practise())
    assert [share for share, _ in pieces][-1] == 1 and len(pieces) == clips.UPDATES


def test_a_pole_leans_as_its_angle_says():
    box_x, box_y, pole_x, pole_y = clips.cart_lines(torch.tensor([1.0, 0.0, 0.1, 0.0]))
    assert np.mean(box_x[:4]) == pytest.approx(1.0) and pole_x[1] > pole_x[0] == 1.0
    assert np.hypot(pole_x[1] - pole_x[0], pole_y[1] - pole_y[0]) == pytest.approx(1.0)


def test_lines_stop_where_rides_do():
    states, mask = torch.zeros(2, 5, 4), torch.ones(2, 5)
    mask[1, 3:] = 0
    seconds, places = clips.ride_lines(Rides(states, torch.zeros(2, 5), mask))
    assert np.isfinite(places).sum() == 8 and seconds[4] == pytest.approx(4 * SECONDS)


def test_the_clips_lab_follows_its_controls():
    lab = clips_lab()
    before = lab.figure.data[1].x
    lab.controls["frame"].value = 19
    assert lab.figure.data[1].x != before
    assert "No comparison yet" in lab.sentence.value
    first = np.array(lab.figure.data[0].x)
    button(lab, "Left").click()
    assert "After 1 comparison the" in lab.sentence.value and "Pair 2" in lab.sentence.value
    assert not np.array_equal(first, lab.figure.data[0].x)
    curve = np.array(lab.side.data[0].y)
    button(lab, "Fill in 20").click()
    assert "After 21" in lab.sentence.value and not np.array_equal(curve, lab.side.data[0].y)
    rides = np.array(lab.figure.data[4].y, dtype=float)
    button(lab, "Practise").click()
    assert not np.array_equal(rides, np.array(lab.figure.data[4].y, dtype=float), equal_nan=True)
    button(lab, "Neither").click()
    assert "After 21" in lab.sentence.value
    lab.controls["judge"].value = "stand at x = −1"
    assert np.argmax(lab.side.data[1].y) < 24
    lab.controls["judge"].value = clips.YOU
    assert np.isnan(np.array(lab.side.data[1].y, dtype=float)).all()
    assert button(lab, "Fill in 20").disabled
    lab.reset()
    assert lab.values() == lab.start and "No comparison yet" in lab.sentence.value


def test_every_work_changes_known_parts_and_has_all_of_them():
    years = [work.year for work in WORKS]
    assert years == sorted(years)
    for work in WORKS:
        assert set(work.changed) <= set(PARTS) and work.changed
        assert all(work.part(part) for part in PARTS)
    with pytest.raises(ValueError, match="TAMER"):
        named("a work that is not there")


def test_the_timeline_lab_follows_its_control():
    lab = timeline_lab()
    assert "which clip is better" in lab.sentence.value
    for place, work in enumerate(WORKS):
        lab.controls["work"].value = work.name
        assert set(lab.figure.data[1].x) == {place} and len(lab.figure.data[1].x) == len(
            work.changed
        )
        assert lab.figure.layout.shapes[0].x0 == place and work.source in lab.sentence.value
    assert len(lab.figure.data[0].x) == sum(len(work.changed) for work in WORKS)
    assert "<b>who judges: a program" in timeline.describe("RLVR")
    lab.reset()
    assert lab.values() == lab.start
