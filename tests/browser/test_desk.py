"""Chapter 05's labelling desk in a real page: keys, buttons, a reload in the middle, light and dark."""

import json

import pytest

from .page import PICTURES, Page

DESK = """from pathlib import Path
from rlhf_lib import PocketWorld
from rlhf_lib.labs import label_desk
from rlhf_lib.workbook.ch05_preferences.readers import label_all, simulated_reader
from rlhf_lib.workbook.ch05_preferences.showings import Pair
world = PocketWorld()
written = [world.list_answers(p, 40) for p in world.prompts(6, ("fact", "open"), 3)]
prompts = world.prompts(6, ("fact", "open"), 3)
pairs = [Pair(p, w[0], w[7]) for p, w in zip(prompts, written)]
desk = label_desk(pairs, folder=Path("mine"), repeats=0)
desk"""
REST = """label_all(desk, simulated_reader(world, "warm"))
print(len(desk.rows()), "labels")"""


@pytest.fixture(scope="module")
def page(browser, server):
    book = Page(browser, server, {"desk": DESK, "rest": REST}, "desk")
    run(book, 0)
    book.page.wait_for_selector(".rlhf-desk[data-number='0']")
    return book


def run(book, place: int) -> None:
    """Run one cell by keyboard."""
    book.page.locator(".jp-Notebook .jp-CodeCell").nth(place).locator(".cm-content").click()
    book.page.keyboard.press("Shift+Enter")


def rows(server) -> list[dict]:
    """What is on the disk."""
    text = (server.work / "mine" / "labels.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def press(book, key: str, number: int) -> None:
    """Press a key at the desk and wait until the next pair stands there."""
    book.page.keyboard.press(key)
    book.page.wait_for_selector(f".rlhf-desk[data-number='{number}']")


def test_keys_label_and_each_label_is_on_the_disk(page, server):
    page.page.locator(".rlhf-desk").focus()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.page.locator(".rlhf-desk").screenshot(path=PICTURES / "desk-light.png")
    for number, key in enumerate(("ArrowLeft", "7", "ArrowDown"), start=1):
        press(page, key, number)
        assert len(rows(server)) == number
    assert [row["scale"] for row in rows(server)] == [2, 7, 4]
    press(page, "u", 4)
    assert len(rows(server)) == 2


def test_what_is_shown_is_what_is_kept(page, server):
    left, right = page.page.locator(".rlhf-desk-card").all_inner_texts()
    press(page, "ArrowRight", 5)
    kept = rows(server)[-1]
    assert (kept["chosen"][0]["content"], kept["rejected"][0]["content"]) == (right, left)


def test_buttons_and_a_screen_reader(page, server):
    for button in page.page.locator(".rlhf-desk button").all():
        assert button.get_attribute("aria-label") or button.inner_text().strip()
    assert page.page.locator(".rlhf-desk-sentence").get_attribute("aria-live") == "polite"
    page.page.get_by_text("↓ tie").click()
    page.page.wait_for_selector(".rlhf-desk[data-number='6']")
    assert rows(server)[-1]["tie"]


def test_dark_reads_well_and_nothing_comes_from_outside(page):
    page.theme("Dark")
    page.page.locator(".rlhf-desk").screenshot(path=PICTURES / "desk-dark.png")
    page.theme("Light")
    assert not page.outside and not page.errors


def test_the_cell_run_again_goes_on_where_it_stopped_and_a_simulated_reader_ends_it(page, server):
    before = len(rows(server))
    run(page, 0)
    page.page.wait_for_selector(".rlhf-desk[data-number='0']")
    assert f"{before} of 6 labelled" in page.page.locator(".rlhf-desk-head").inner_text()
    run(page, 1)
    page.page.wait_for_function("document.body.innerText.includes('6 labels')")
    page.page.wait_for_function(
        "document.querySelector('.rlhf-desk-sentence').innerText.startsWith('All pairs')"
    )
    assert len(rows(server)) == 6
