"""The stored grid of over-optimization runs, as the lab reads it: cells, each with one or several seeds.

The file has `axes` (name -> the values that occur) and `cells` (setting, runs, best_of_n); not every combination of
values is a cell.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from ...experiments.build_grid import FILE

MEASURES = ("proxy", "gold", "distance")
DEFAULT = {"pairs": 4000, "bias": 1.0, "members": 1, "layers": 4, "beta": 0.0}
"""Where the lab begins, as far as the grid has these axes."""


@dataclass(frozen=True)
class Cell:
    """Runs of one setting, a seed each: `step` (L,) of the looks; proxy, gold and distance (seeds, L); answers of
    the first seed, L lists of (request, answer). best: of best-of-n, n (M,), proxy, gold and distance (seeds, M).

    distance: √KL to the SFT policy, in √nats.
    """

    setting: dict
    step: np.ndarray
    measures: dict[str, np.ndarray]
    answers: tuple
    best: dict[str, np.ndarray]

    @property
    def seeds(self) -> int:
        """Runs with different labels, reward models and policies."""
        return len(self.measures["gold"])

    def median(self, name: str) -> np.ndarray:
        """The median over seeds of a measure, at each look."""
        return np.median(self.measures[name], axis=0)

    @property
    def peak(self) -> int:
        """The look at which the median of gold is highest."""
        return int(self.median("gold").argmax())


@dataclass(frozen=True)
class RunGrid:
    """All cells, and the values of each axis."""

    axes: dict[str, list]
    cells: tuple[Cell, ...]

    @property
    def start(self) -> Cell:
        """The cell of `DEFAULT`, or the nearest."""
        return self.nearest(
            {name: DEFAULT.get(name, values[0]) for name, values in self.axes.items()}
        )

    def nearest(self, wanted: dict, keep: str | None = None) -> Cell:
        """The cell with a setting, or the one that differs in the fewest values; in `keep` it may not differ."""

        def misses(cell: Cell) -> tuple:
            wrong = [name for name in self.axes if cell.setting[name] != wanted[name]]
            far = [name for name in self.axes if cell.setting[name] != DEFAULT.get(name)]
            return keep in wrong, len(wrong), len(far)

        return min(self.cells, key=misses)

    def cell(self, **changes) -> Cell:
        """The cell that has `DEFAULT` but for these values.

        Raises:
            ValueError: it was not run.
        """
        wanted = {**DEFAULT, **changes}
        for found in self.cells:
            if found.setting == wanted:
                return found
        raise ValueError(f"changes: there is no cell with {wanted}")

    def limits(self, name: str, lowest: float) -> tuple[float, float]:
        """The range of a measure over all cells, with a little room; not below `lowest`."""
        parts = [cell.median(name) for cell in self.cells]
        parts += [np.median(cell.best[name], axis=0) for cell in self.cells if cell.best]
        together = np.concatenate(parts)
        low, high = max(float(together.min()), lowest), float(together.max())
        room = 0.06 * (high - low)
        return low - room, high + room


@cache
def load_grid() -> RunGrid:
    """The stored grid.

    Raises:
        FileNotFoundError: the file is missing; says how to rebuild it.
    """
    if not FILE.exists():
        raise FileNotFoundError(f"no stored runs in {FILE}: fetch data/ or run `make grid`")
    return read_grid(json.loads(FILE.read_text(encoding="utf-8")))


def read_grid(stored: dict) -> RunGrid:
    """A grid from the contents of its file."""
    cells = tuple(read_cell(cell) for cell in stored["cells"])
    axes = {name: list(values) for name, values in stored["axes"].items()}
    return RunGrid(axes, cells)


def read_cell(stored: dict) -> Cell:
    """One cell of the present form; all its runs were looked at after the same steps."""
    runs, best = stored["runs"], stored.get("best_of_n") or []
    return Cell(
        stored["setting"], np.array(runs[0]["step"]), measured(runs),
        tuple(runs[0].get("answers", ())), {"n": np.array(best[0]["n"]), **measured(best)} if best else {},
    )  # fmt: skip


def measured(runs: Sequence[dict]) -> dict[str, np.ndarray]:
    """Measures (seeds, L) of runs that hold proxy, gold and kl; an estimated KL may be a little below 0."""
    table = {
        name: np.array([run[name] for run in runs], dtype=float) for name in ("proxy", "gold", "kl")
    }
    return {
        "proxy": table["proxy"],
        "gold": table["gold"],
        "distance": np.sqrt(table["kl"].clip(0)),
    }
