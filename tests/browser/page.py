"""One page of JupyterLab: opens a lab, moves its controls by keyboard, reads what the page holds."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chapters import ROOT

from .jupyterlab import JupyterLab

PICTURES = ROOT / "build" / "screenshots"
PROBE = Path(__file__).with_name("probe.js")
CELL = ".jp-Notebook .jp-CodeCell"
WAIT = 240_000
"""Milliseconds after which something counts as hanging: no verdict rests on anything shorter."""

SHORT_LIMIT = """
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (time) => timeout(time === 2000 ? 30 : time);
"""
"""In the page: what anywidget gives a module is 30 ms, as if the page were some seventy times slower."""


@dataclass(frozen=True)
class Control:
    """A control as a reader meets it: its label, its kind, what the label says on hover, where it is."""

    label: str
    kind: str
    title: str
    index: int


@dataclass(frozen=True)
class Latency:
    """Milliseconds: the median and the slowest of single moves, and a burst of 25 after its last key."""

    median: float
    slowest: float
    burst: float


class Page:
    """A browser page with one notebook, in which a cell for each lab is run by keyboard."""

    def __init__(
        self,
        browser,
        server: JupyterLab,
        cells: dict[str, str],
        name: str = "labs",
        before: str = "",
    ) -> None:
        self.server, self.places, self.outside, self.errors = server, list(cells), [], []
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        context.set_default_timeout(WAIT)
        context.add_init_script(script=before)
        context.add_init_script(path=PROBE)
        context.route(lambda url: not self.local(url), self.refuse)
        self.page = context.new_page()
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        path = server.write(name, list(cells.values()))
        own = (
            f"workspaces/{name.removesuffix('.ipynb')}"  # else other notebooks are restored with it
        )
        self.load(f"{server.url}/lab/{own}/tree/{path}?reset&token={server.token}")

    def load(self, address: str) -> None:
        """Go to an address of JupyterLab, and wait for its notebook and kernel."""
        self.page.goto(address)
        self.page.wait_for_selector(CELL)
        self.page.wait_for_function(KERNEL_IS_READY)

    def local(self, url: str) -> bool:
        """Whether an address is the server's own."""
        return url.startswith((self.server.url, "data:", "blob:", "about:"))

    def refuse(self, route) -> None:
        """Note and stop a request that would leave the machine."""
        self.outside.append(route.request.url)
        route.abort()

    def heard(self, message) -> None:
        """Note an error on the console."""
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def command(self, name: str, **arguments) -> None:
        """A command of JupyterLab."""
        script = "([name, given]) => window.jupyterapp.commands.execute(name, given).then(() => 1)"
        self.page.evaluate(script, [name, arguments])

    def open(self, name: str, graphs: int, scenes: int) -> float:
        """Run the cell of a lab by keyboard; seconds until it is drawn."""
        self.page.locator(CELL).nth(self.places.index(name)).locator(".cm-content").click()
        start = time.monotonic()
        self.page.keyboard.press("Shift+Enter")
        drawn = f"probe.ready({graphs}, {scenes})"
        try:
            self.page.wait_for_function(f"{drawn} || probe.complaints().length > 0")
        finally:
            if not self.page.evaluate(drawn):
                self.page.screenshot(path=PICTURES / f"{name}-failed.png")
        complaints = self.page.evaluate("probe.complaints()")
        assert not complaints, f"the lab was not drawn; its cell says: {complaints}"
        seconds = time.monotonic() - start
        self.page.evaluate("probe.watch()")
        self.settle()
        return seconds

    def clear(self) -> None:
        """Clear all outputs and what was noted of errors, so that the next lab is alone in the page."""
        self.command("editmenu:clear-all")
        self.page.wait_for_function("probe.labs().length === 0")
        self.errors.clear()
        self.outside.clear()

    def controls(self) -> list[Control]:
        """The lab's controls from top to bottom, as they stand in the page."""
        found = self.page.evaluate(CONTROLS)
        return [Control(**entry) for entry in found]

    def focus(self, control: Control) -> None:
        """Put the keyboard's focus on a control."""
        self.page.evaluate(f"probe.fields()[{control.index}].focus()")

    def press(self, *keys: str) -> None:
        """Press keys on whatever has the focus."""
        for key in keys:
            self.page.keyboard.press(key)

    def move(self, control: Control) -> None:
        """One step by keyboard: to the right, or to the left where there is nothing on the right."""
        self.focus(control)
        if control.kind in ("checkbox", "button"):
            self.press("Space")
            return
        back = self.page.evaluate(f"probe.at_the_end({control.index})")
        self.press(
            {"slider": ("ArrowRight", "ArrowLeft"), "menu": ("ArrowDown", "ArrowUp")}[control.kind][
                back
            ]
        )

    def move_until_it_shows(self, control: Control, steps: int = 5) -> tuple[dict, str]:
        """The state after as few steps as change both picture and sentence, or after all of them."""
        before = after = self.state()
        for _ in range(steps):
            self.move(control)
            self.settle()
            after = self.state()
            if after[0] != before[0] and after[1] != before[1]:
                break
        return after

    def state(self) -> tuple[dict, str]:
        """(digest of all data in the figures, the sentence)."""
        return self.page.evaluate("probe.data()"), self.page.evaluate("probe.sentence()")

    def camera(self) -> list[float]:
        """Where the camera of the 3-D picture is, in the page."""
        return self.page.evaluate("probe.camera()")

    def wait_for_camera(self, before: list[float]) -> None:
        """Wait until the 3-D picture is seen from elsewhere."""
        moved = "before => String(probe.camera()) !== String(before)"
        self.page.wait_for_function(moved, arg=before)

    def settle(self) -> None:
        """Wait until the lab has drawn all that was asked of it."""
        self.page.evaluate("probe.settled()")

    def wait_until(self, condition: str) -> None:
        """Wait until the page finds a condition true, and all is drawn."""
        self.page.wait_for_function(condition)
        self.settle()

    def wait_for_a_move(self, before: tuple) -> None:
        """Wait until data and sentence are no longer what they were."""
        changed = (
            "([data, words]) => JSON.stringify(probe.data()) !== data && probe.sentence() !== words"
        )
        data = json.dumps(before[0], separators=(",", ":"), ensure_ascii=False)
        self.page.wait_for_function(changed, arg=[data, before[1]])

    def last(self) -> float:
        """Milliseconds from the last key to the last repaint."""
        return self.page.evaluate("(probe.marks.slice(-1)[0] || [0])[0] - probe.keys.slice(-1)[0]")

    def latency(self, control: Control, moves: int = 4) -> Latency:
        """Move a slider to and fro, each time until it is drawn; then 25 moves in 0.75 seconds."""
        self.focus(control)
        there, back = "ArrowRight", "ArrowLeft"
        if self.page.evaluate(f"probe.at_the_end({control.index})"):
            there, back = back, there
        times = []
        for move in range(moves):
            self.press(back if move % 2 else there)
            self.settle()
            times.append(self.last())
        for move in range(25):
            self.press(back if move % 8 >= 4 else there)
            self.page.wait_for_timeout(30)
        self.settle()
        return Latency(statistics.median(times), max(times), max(0.0, self.last()))

    def theme(self, name: str) -> None:
        """Switch JupyterLab's theme, 'Light' or 'Dark'."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        value = "true" if name == "Light" else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{value}']", state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def picture(self, path: Path) -> None:
        """Keep a screenshot with the lab's top at the top of the window."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("probe.lab().scrollIntoView({block: 'start'})")
        self.settle()
        self.page.screenshot(path=path)


KERNEL_IS_READY = """() => {
  const panel = window.jupyterapp && window.jupyterapp.shell.currentWidget;
  const session = panel && panel.sessionContext && panel.sessionContext.session;
  return session && session.kernel && session.kernel.status === "idle";
}"""
CONTROLS = """() => probe.fields().map((field, index) => {
  const inside = field.tagName === "BUTTON" ? null : field.closest(".widget-inline-hbox");
  const box = inside || field;
  const label = box.querySelector(".widget-label");
  const kinds = { SELECT: "menu", INPUT: "checkbox", BUTTON: "button" };
  return {
    label: (label && label.innerText) || box.innerText.trim() || box.title,
    kind: kinds[field.tagName] || "slider",
    title: (label && label.title) || (box.querySelector("[title]") || box).title || "",
    index,
  };
})"""
