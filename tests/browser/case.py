"""How a lab is tried in the browser."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A lab: the cell that shows it, how many plotly figures and k3d scenes it has, the slider to time.

    first: (label, key) pressed before all else, so that every control has something to change. plays: it has
    a player. until: what the page must find true before the lab counts as complete.
    """

    name: str
    cell: str
    slider: str
    graphs: int = 1
    scenes: int = 0
    first: tuple[tuple[str, str], ...] = ()
    plays: bool = False
    until: str = "true"


def simple(name: str) -> str:
    """The cell of a lab that needs nothing."""
    return f"from rlhf_lib.labs import {name}\n{name}()"
