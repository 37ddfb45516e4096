"""Interactive labs: controls wired to the rooms above. Widgets are loaded when a lab is built."""

from .aggregation import aggregation_lab
from .annotator import annotator_lab, prepare, refit
from .best_of_n import best_of_n_lab
from .displacement import displacement_lab
from .divergence import divergence_lab
from .kl_estimators import estimator_lab
from .look_ahead import look_ahead_lab
from .mirage import mirage_lab
from .next_token import next_token_lab, next_token_logits
from .over_optimization import over_optimization_lab
from .plane import plane_lab
from .ppo_objective import objective_lab
from .tube import tube_lab
from .walk import walk_lab

__all__ = [
    "aggregation_lab",
    "annotator_lab",
    "displacement_lab",
    "divergence_lab",
    "estimator_lab",
    "best_of_n_lab",
    "look_ahead_lab",
    "mirage_lab",
    "next_token_lab",
    "next_token_logits",
    "objective_lab",
    "over_optimization_lab",
    "plane_lab",
    "prepare",
    "refit",
    "tube_lab",
    "walk_lab",
]
