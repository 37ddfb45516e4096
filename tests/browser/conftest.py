"""One JupyterLab and one Chromium for all labs; a table of what was measured at the end of the run."""

import os

import pytest

from .cases import CASES
from .jupyterlab import CHROMIUM_FLAGS, JupyterLab, chromium
from .page import Page

MEASURED = {}
"""Lab -> (seconds to the first picture, live 3-D or not, latency)."""

BURST = 300


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    if chromium() is None:
        pytest.skip("no Chromium on this machine: the labs are not tried in a browser")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    server = JupyterLab(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser(server):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page(browser, server):
    return Page(browser, server, {case.name: case.cell for case in CASES})


@pytest.fixture(scope="session")
def measured():
    return MEASURED


def pytest_terminal_summary(terminalreporter):
    """Latency of each lab beside what DESIGN section 9 asks for (with the machine's load: it matters)."""
    if not MEASURED:
        return
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    terminalreporter.section(f"labs in Chromium: milliseconds (load {load:.1f} a core)")
    row = "{:<18}{:>12}{:>14}{:>9}{:>10}{:>14}".format
    terminalreporter.line(
        row("lab", "first draw", "move, median", "target", "slowest", "burst (300)")
    )
    done = {name: found for name, found in MEASURED.items() if found[2]}
    for name, (seconds, live_3d, latency) in done.items():
        target = 200 if live_3d else 100
        numbers = (
            f"{latency.median:.0f}",
            target,
            f"{latency.slowest:.0f}",
            f"{latency.burst:.0f}",
        )
        terminalreporter.line(row(name, f"{seconds:.1f} s", *numbers))
