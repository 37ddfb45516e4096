"""Bands to expect: what five seeds of a chapter's experiment gave, stored by `make claims`."""

from __future__ import annotations

import json

import numpy as np

from ..runtime import data_path


def load_band(name: str) -> dict:
    """The stored band of an experiment: metric -> {'low', 'median', 'high'} or such lists themselves.

    Raises:
        FileNotFoundError: not stored yet; says how to make it.
    """
    path = data_path("bands", f"{name}.json")
    if not path.exists():
        raise FileNotFoundError(f"no band {path}: fetch data/ or run `make claims`")
    return json.loads(path.read_text(encoding="utf-8"))


def save_band(name: str, band: dict) -> None:
    """Store a band."""
    path = data_path("bands", f"{name}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(band, separators=(",", ":")) + "\n", encoding="utf-8")


def band_of(runs: list[list[float]]) -> dict[str, list[float]]:
    """Lowest, median and highest value at each step over runs of one length (seeds).

    Raises:
        ValueError: no runs, or lengths differ.
    """
    if not runs or len({len(run) for run in runs}) != 1:
        raise ValueError("runs must be of one length, and at least one")
    table = np.array(runs)
    found = {"low": table.min(0), "median": np.median(table, 0), "high": table.max(0)}
    return {name: values.round(4).tolist() for name, values in found.items()}
