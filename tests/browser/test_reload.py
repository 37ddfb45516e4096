"""Run all, save, reload, run again, on a page so slow that anywidget gives every module up; and the day after."""

import json
import os

import pytest

from .cases import CASES
from .page import PICTURES, SHORT_LIMIT, Page

SHOWN = {case.name: case for case in CASES if case.name in ("objective", "displacement", "plane")}
"""Two plotly labs, and one with a 3-D scene and a plotly figure beside it."""

ROUNDS = int(os.environ.get("RLHF_RELOADS", "2"))
"""How often the page is loaded anew and everything run again."""

OPENED = """from comm import get_comm_manager
print(len(get_comm_manager().comms))"""


@pytest.fixture(scope="module")
def book(browser, server):
    """A notebook with several labs, in a page where a module has 30 ms to come."""
    cells = {name: case.cell for name, case in SHOWN.items()}
    return Page(browser, server, cells | {"count": OPENED}, "reload", SHORT_LIMIT)


def run_all(book) -> None:
    """Run all cells, one after the other, and wait for the last."""
    book.command("notebook:run-all-cells")


def all_alive(book) -> None:
    """Every lab is whole, and what is moved in it is drawn."""
    for place, case in enumerate(SHOWN.values()):
        lab = f"probe.labOf({place})"
        book.page.evaluate(f"probe.goTo({place})")
        book.page.wait_for_function(f"probe.ready({case.graphs}, {case.scenes}, {lab})")
        book.page.evaluate(f"probe.settled({lab})")
        seen = [book.page.evaluate(LOOK.format(lab))]
        for _ in range(3):
            book.page.evaluate(f"probe.nudge({lab})")
            book.page.evaluate(f"probe.settled({lab})")
            seen.append(book.page.evaluate(LOOK.format(lab)))
        assert len({json.dumps(data) for data, *_ in seen}) > 1, f"{case.name} is dead: {seen}"


LOOK = "[probe.data({0}), probe.sentence({0}), {0}.querySelector('.noUi-handle').ariaValueText]"


def opened(book) -> int:
    """How many widgets the kernel keeps, as the last cell counted."""
    return int(book.page.locator(".jp-OutputArea").last.inner_text())


def test_labs_live_through_reloads_and_new_runs(book):
    run_all(book)
    all_alive(book)
    counted = opened(book)
    for _ in range(ROUNDS):
        book.command("docmanager:save")
        book.load(book.page.url)
        all_alive(book)
        run_all(book)
        all_alive(book)
        assert opened(book) <= counted, "a lab does not close what it replaces"


def test_the_day_after_a_still_picture_stands_in_its_place(book):
    """The notebook is saved and its kernel gone: each lab is a sentence and a picture, and no complaint."""
    book.command("docmanager:save")
    book.page.evaluate(RESTART)
    book.load(book.page.url)
    book.page.wait_for_function(
        f"document.querySelectorAll('.rlhf-still img').length === {len(SHOWN)}"
    )
    book.page.wait_for_function("document.body.innerText.includes('Run this cell')")
    book.page.screenshot(path=PICTURES / "day-after.png")
    shown = book.page.evaluate("window.jupyterapp.shell.currentWidget.node.innerText")
    assert "model not found" not in shown and "Loading widget" not in shown
    for still in book.page.locator(".rlhf-still").all():
        assert still.is_visible() and len(still.locator("img").get_attribute("alt")) > 40
    run_all(book)
    all_alive(book)
    assert not any(still.is_visible() for still in book.page.locator(".rlhf-still").all())


RESTART = """async () => {
  await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart();
}"""


def test_saved_cells_hold_the_still_picture(server):
    """What a code-hosting site shows: text, and a picture with words in its place."""
    notebook = json.loads((server.work / "reload.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"][:-1] for output in cell["outputs"]]
    stills = [data for output in outputs if (data := output.get("data", {}).get("text/html"))]
    assert len(stills) == len(SHOWN)
    assert all("data:image/png" in "".join(still) for still in stills)
