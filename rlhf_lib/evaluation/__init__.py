"""Models to numbers with intervals."""

from .arrays import to_numpy
from .best_of_n import BestOfN, best_of_n
from .scaling import Curve, fit_best_of_n_curve, fit_rl_curve, smooth
from .signs import SIGNS, qualitative_signs
from .statistics import (
    Calibration,
    Estimate,
    accuracy_by_category,
    accuracy_ceiling,
    calibration,
    mean_interval,
    paired_difference,
    proportion,
    win_rate,
)

__all__ = [
    "BestOfN",
    "Calibration",
    "Curve",
    "Estimate",
    "SIGNS",
    "accuracy_by_category",
    "accuracy_ceiling",
    "best_of_n",
    "calibration",
    "fit_best_of_n_curve",
    "fit_rl_curve",
    "mean_interval",
    "paired_difference",
    "proportion",
    "qualitative_signs",
    "smooth",
    "to_numpy",
    "win_rate",
]
