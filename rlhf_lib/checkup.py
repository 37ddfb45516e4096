"""Is this machine ready for the workbook? A list of what is right, and what to do about what is not."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import PackageNotFoundError, version

from .runtime import data_path, get_device, say

NEEDED = ("torch", "transformers", "datasets", "matplotlib", "plotly", "ipywidgets", "anywidget")
MODELS = ("pocket-base", "pocket-sft", "pocket-reward")


def findings() -> list[tuple[bool, str]]:
    """(good, sentence) for Python, each package, the shipped data, and the device."""
    recent = sys.version_info >= (3, 11)
    remedy = "" if recent else ": 3.11 or later is needed, such as `make lab PYTHON=python3.12`"
    found = [(recent, f"Python {sys.version.split()[0]}{remedy}")]
    found += [_package(name) for name in NEEDED]
    for name in MODELS:
        there = data_path("models", name, "model.safetensors").exists()
        remedy = (
            ""
            if there
            else f": missing in {data_path('models')}; clone all of data/, or `make models`"
        )
        found.append((there, f"model {name}{remedy}"))
    found.append((True, f"device {get_device()}, {os.cpu_count()} CPU cores"))
    return found


def _package(name: str) -> tuple[bool, str]:
    try:
        importlib.import_module(name)
        return True, f"{name} {version(name)}"
    except (ImportError, PackageNotFoundError) as error:
        return (
            False,
            f"{name} cannot be imported ({error}): run `make lab`, or pip install -r requirements.lock",
        )


def check_environment() -> bool:
    """Print all findings; True if all are good."""
    found, marks = findings(), _marks()
    for good, sentence in found:
        say(marks[good], sentence)
    return all(good for good, _ in found)


def _marks() -> tuple[str, str]:
    """The signs for bad and good; words where the terminal has no signs for them."""
    try:
        "✗✓".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "NO:", "ok:"
    return "✗", "✓"
