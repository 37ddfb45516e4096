"""Models to numbers with intervals."""

from .best_of_n import BestOfN, best_of_n
from .exact import (
    ExactWorld,
    best_of_n_exact_kl,
    best_of_n_policy,
    coverage,
    exact_world,
    expected,
    log_partition,
    optimal_policy,
    regularized_value,
    table_of,
)
from .over_optimization import (
    Setting,
    best_of_n_curve,
    relabel,
    sample_scores,
    train_against,
    train_proxy,
)
from .scaling import Curve, RiseAndFall, fit_best_of_n_curve, fit_rl_curve, rise_and_fall, smooth
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
    "ExactWorld",
    "RiseAndFall",
    "SIGNS",
    "Setting",
    "accuracy_by_category",
    "accuracy_ceiling",
    "best_of_n",
    "best_of_n_curve",
    "best_of_n_exact_kl",
    "best_of_n_policy",
    "calibration",
    "coverage",
    "exact_world",
    "expected",
    "fit_best_of_n_curve",
    "fit_rl_curve",
    "log_partition",
    "mean_interval",
    "optimal_policy",
    "paired_difference",
    "proportion",
    "qualitative_signs",
    "regularized_value",
    "relabel",
    "rise_and_fall",
    "sample_scores",
    "smooth",
    "table_of",
    "train_against",
    "train_proxy",
    "win_rate",
]
