"""Each lab as a reader meets it: drawn, moved by keyboard, reset, light and dark, with nothing from outside."""

from dataclasses import dataclass

import pytest

from .case import Case
from .cases import CASES
from .page import PICTURES

PLAYER = ("play or pause", "stop: back to the start")
"""The two buttons of ipywidgets' player, by what they say on hover."""


@dataclass
class Opened:
    """A lab in the page, its controls, and the state in which it was first seen."""

    case: Case
    page: object
    controls: list
    start: tuple

    def control(self, label: str):
        """The control with this label, where it stands now: what has no effect at the moment is left out."""
        return next(control for control in self.page.controls() if control.label == label)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def lab(request, page, measured):
    """One lab, alone in the page; what it leaves behind is cleared, whether it was drawn or not."""
    case = request.param
    page.clear()
    try:
        seconds = page.open(case.name, case.graphs, case.scenes)
        page.wait_until(case.until)
        opened = Opened(case, page, page.controls(), page.state())
        page.picture(PICTURES / f"{case.name}-light.png")
        measured[case.name] = [seconds, case.scenes > 0, None]
        yield opened
    finally:
        page.clear()


def test_every_control_says_what_it_is_and_what_to_look_for(lab):
    for control in lab.controls:
        assert control.label and control.title not in ("", "null"), control


def test_the_tab_key_reaches_every_control_in_order(lab):
    lab.page.focus(lab.controls[0])
    seen = [0]
    for _ in range(4 * len(lab.controls)):
        lab.page.press("Tab")
        place = lab.page.page.evaluate("probe.fields().indexOf(document.activeElement)")
        seen += [place] if place >= 0 and place not in seen else []
    assert seen == [control.index for control in lab.controls]


def test_each_control_moves_the_figure_and_the_sentence(lab):
    for label, key in lab.case.first:
        before = lab.page.state()
        lab.page.focus(lab.control(label))
        lab.page.press(key)
        lab.page.settle()
        after = lab.page.state()
        assert after[0] != before[0] and after[1] != before[1], label
    tried = dict(lab.case.first).keys() | {"Reset", *PLAYER}
    for label in [control.label for control in lab.page.controls() if control.label not in tried]:
        before = lab.page.state()
        after = lab.page.move_until_it_shows(lab.control(label))
        assert after[0] != before[0], f"{label}: the figure's data did not change"
        assert after[1] != before[1], f"{label}: the sentence did not change"


def test_a_screen_reader_is_told_values_names_and_what_is_seen(lab):
    for handle, shown in lab.page.page.evaluate(VALUES):
        assert handle == shown != "", "a value is read out as it is shown, not its number in a list"
    for name in lab.page.page.evaluate(NAMES):
        assert name, "a button without a name"
    words = lab.page.state()[1]
    pictures = lab.page.page.evaluate(PICTURES_IN_WORDS)
    assert pictures and all(role == "img" and label.startswith(words) for role, label in pictures)
    live = lab.page.page.locator(".rlhf-lab-sentence").get_attribute("aria-live")
    assert live == "polite", "on the box that stays, not on the words that are replaced"


VALUES = """[...probe.lab().querySelectorAll(".noUi-handle")].map((handle) =>
  [handle.ariaValueText, handle.closest(".widget-inline-hbox").querySelector(".widget-readout").innerText.trim()])"""
NAMES = """[...probe.lab().querySelectorAll("button")].filter((button) => button.offsetParent).map((button) => button.ariaLabel || button.innerText.trim())"""
PICTURES_IN_WORDS = """[...probe.lab().querySelectorAll(".js-plotly-plot, .k3d-target")].map((picture) =>
  [picture.getAttribute("role"), picture.ariaLabel])"""


def test_play_walks_on_until_it_is_paused(lab):
    if not lab.case.plays:
        pytest.skip("this lab has nothing to play")
    before = lab.page.state()
    lab.page.move(lab.control(PLAYER[0]))
    lab.page.wait_for_a_move(before)
    lab.page.press("Space")
    lab.page.settle()
    paused = lab.page.state()
    lab.page.settle()
    assert lab.page.state() == paused


def test_arrow_keys_turn_the_3d_picture(lab):
    if not lab.case.scenes:
        pytest.skip("this lab has no 3-D picture")
    before = lab.page.camera()
    lab.page.page.locator(".rlhf-lab .k3d-target").focus()
    lab.page.press("ArrowRight", "+")
    lab.page.wait_for_camera(before)


def test_the_wheel_scrolls_the_page_until_the_3d_picture_is_clicked(lab):
    if not lab.case.scenes:
        pytest.skip("this lab has no 3-D picture")
    mouse, before = lab.page.page.mouse, lab.page.camera()
    lab.page.page.locator(".rlhf-lab .k3d-target").hover()
    lab.page.page.evaluate("document.activeElement.blur()")
    mouse.wheel(0, 60)
    lab.page.settle()
    assert lab.page.camera() == before
    lab.page.page.locator(".rlhf-lab .k3d-target").click(position={"x": 20, "y": 20})
    mouse.wheel(0, -60)
    lab.page.wait_for_camera(before)


def test_reset_goes_back_to_the_start(lab):
    assert lab.page.state() != lab.start
    lab.page.move(lab.control("Reset"))
    lab.page.settle()
    assert lab.page.state() == lab.start


def test_latency_and_a_burst_of_25_moves(lab, measured):
    """The figures are printed, not asserted; but when the lab says that it has drawn all, it has."""
    measured[lab.case.name][2] = lab.page.latency(lab.control(lab.case.slider))
    before = lab.page.state()
    lab.page.settle()
    assert lab.page.state() == before, "events of the burst were still queued"


def test_dark_and_nothing_from_outside_and_no_error(lab):
    lab.page.theme("Dark")
    lab.page.picture(PICTURES / f"{lab.case.name}-dark.png")
    lab.page.theme("Light")
    assert not lab.page.outside
    assert not lab.page.errors
