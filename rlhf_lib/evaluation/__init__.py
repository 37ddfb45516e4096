"""Models to numbers with intervals."""

from .arrays import to_numpy
from .best_of_n import BestOfN, best_of_n
from .contamination import contaminated, covered_share, ngram_set, words_of
from .intervals import (
    clustered_error,
    clustered_interval,
    items_needed,
    paired_error,
    unpaired_error,
)
from .multiple_choice import (
    choice_logp,
    choose,
    exact_match,
    found_word,
    plain_words,
    without_template,
)
from .ratings import Ratings, bradley_terry, elo_ratings, kendall_tau
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
    "accuracy_by_category",
    "accuracy_ceiling",
    "best_of_n",
    "BestOfN",
    "bradley_terry",
    "Calibration",
    "calibration",
    "choice_logp",
    "choose",
    "clustered_error",
    "clustered_interval",
    "contaminated",
    "covered_share",
    "Curve",
    "elo_ratings",
    "Estimate",
    "exact_match",
    "fit_best_of_n_curve",
    "fit_rl_curve",
    "found_word",
    "items_needed",
    "kendall_tau",
    "mean_interval",
    "ngram_set",
    "paired_difference",
    "paired_error",
    "plain_words",
    "proportion",
    "qualitative_signs",
    "Ratings",
    "SIGNS",
    "smooth",
    "to_numpy",
    "unpaired_error",
    "win_rate",
    "without_template",
    "words_of",
]
