"""Interactive labs: controls wired to the rooms above. Widgets are loaded when a lab is built."""

from .aggregation import aggregation_lab
from .annotator import annotator_lab, prepare, refit
from .over_optimization import over_optimization_lab
from .ppo_objective import objective_lab

__all__ = [
    "aggregation_lab",
    "annotator_lab",
    "objective_lab",
    "over_optimization_lab",
    "prepare",
    "refit",
]
