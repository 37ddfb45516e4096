"""Data to figures, in one visual language. matplotlib is loaded at the first figure."""

from .curves import (
    plot_bands,
    plot_history,
    plot_over_optimization,
    plot_proxy_and_gold,
    plot_rise_and_fall,
    plot_signs,
)
from .html import Scored, Table, answers_table, coloured_steps
from .policy import (
    Timeline,
    objective_curve,
    plot_ppo_objective,
    plot_timeline,
    plot_token_weights,
    timeline,
    token_weights,
)
from .rewards import (
    plot_accuracy_bars,
    plot_calibration,
    plot_effects,
    plot_reward_histogram,
    plot_scatter,
)
from .runs import plot_runs
from .style import COLOURS, CYCLE, figure, use_workbook_style

__all__ = [
    "COLOURS",
    "CYCLE",
    "Scored",
    "Table",
    "Timeline",
    "answers_table",
    "coloured_steps",
    "figure",
    "objective_curve",
    "plot_accuracy_bars",
    "plot_bands",
    "plot_calibration",
    "plot_effects",
    "plot_history",
    "plot_over_optimization",
    "plot_ppo_objective",
    "plot_proxy_and_gold",
    "plot_reward_histogram",
    "plot_rise_and_fall",
    "plot_runs",
    "plot_scatter",
    "plot_signs",
    "plot_timeline",
    "plot_token_weights",
    "timeline",
    "token_weights",
    "use_workbook_style",
]
