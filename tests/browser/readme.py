"""The README's picture of a lab: opened in JupyterLab, played to its end, cut out (`make figures`)."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.chapters import ROOT

from .cases import CASES
from .jupyterlab import CHROMIUM_FLAGS, JupyterLab, chromium
from .page import Page

FILE = ROOT / "chapters" / "figures" / "mirage.png"


def main() -> None:
    """Draw and save.

    Raises:
        SystemExit: no Chromium is installed.
    """
    if chromium() is None:
        raise SystemExit("no Chromium on this machine: the picture of the lab stays as it is")
    case = next(case for case in CASES if case.name == FILE.stem)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server = JupyterLab(Path(folder))
        try:
            browser = driver.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
            page = Page(browser, server, {case.name: case.cell})
            page.page.set_viewport_size({"width": 1366, "height": 1100})
            page.open(case.name, case.graphs, case.scenes)
            page.wait_until(case.until)
            page.page.locator(".rlhf-lab").screenshot(path=FILE)
        finally:
            server.stop()
    print(f"wrote {FILE.name}")


if __name__ == "__main__":
    main()
