"""Data to figures, in one visual language. matplotlib is loaded at the first figure."""

from .curves import (
    plot_history,
    plot_rise_and_fall,
)
from .html import Scored, Table, answers_table, coloured_steps, typical_answers
from .plane import plot_plane
from .runs import plot_runs
from .style import COLOURS, CYCLE, figure, use_workbook_style
from .tree import plot_token_tree

__all__ = [
    "COLOURS",
    "CYCLE",
    "Scored",
    "Table",
    "answers_table",
    "coloured_steps",
    "figure",
    "plot_history",
    "plot_plane",
    "plot_rise_and_fall",
    "plot_runs",
    "plot_token_tree",
    "typical_answers",
    "use_workbook_style",
]
