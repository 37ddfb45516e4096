"""A JupyterLab of our own on a free port, with a notebook that has a cell for each lab."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.chapters import ROOT

FLAGS = (
    "--no-browser",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.expose_app_in_browser=True",
    "--ServerApp.port_retries=0",
)
NEWS = "lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Path of the browser that is installed here, if one is."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def free_port() -> int:
    """A port that nobody listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class JupyterLab:
    """Runs in `folder`, with settings, runtime files and notebooks of its own."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        news = folder / "config" / NEWS
        news.parent.mkdir(parents=True)
        news.write_text(
            json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8"
        )
        self.port, self.token = free_port(), secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = (folder / "jupyterlab.log").open("w", encoding="utf-8")
        self.process = subprocess.Popen(
            self.command(), cwd=self.work, env=environment(folder),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.wait()

    def command(self) -> list[str]:
        """What starts the server."""
        root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        own = [
            f"--ServerApp.port={self.port}",
            f"--ServerApp.root_dir={self.work}",
            f"--IdentityProvider.token={self.token}",
        ]
        return [sys.executable, "-m", "jupyter", "lab", *FLAGS, *root, *own]

    def answers(self) -> bool:
        """Whether the server is up."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/api/status", headers=headers)
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            return urllib.request.urlopen(request, timeout=30).status == 200
        return False

    def wait(self, seconds: float = 180) -> None:
        """Until the server answers; raises if it ends or takes too long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if self.answers():
                return
            time.sleep(0.2)
        self.stop()
        log = Path(self.log.name).read_text(encoding="utf-8")
        raise RuntimeError(f"JupyterLab did not start: {log[-2000:]}")

    def write(self, name: str, cells: list[str]) -> str:
        """A notebook of code cells; its path within the server."""
        (self.work / f"{name}.ipynb").write_text(json.dumps(notebook(cells)), encoding="utf-8")
        return f"{name}.ipynb"

    def stop(self) -> None:
        """End the server and its kernel."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def environment(folder: Path) -> dict[str, str]:
    """Variables of the server: this checkout first, and none of the user's own settings."""
    own = {
        f"JUPYTER_{name.upper()}_DIR": str(folder / name) for name in ("config", "data", "runtime")
    }
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, paths))
    return {**os.environ, **own, "IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": path}


def notebook(cells: list[str]) -> dict:
    """The smallest notebook with these code cells."""
    code = [
        {"cell_type": "code", "execution_count": None, "id": f"cell{i}", "metadata": {},
         "outputs": [], "source": source}
        for i, source in enumerate(cells)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
