"""What more than one chapter runs or shows, and whatever writes `data/`."""

from .over_optimization import (
    Setting,
    best_of_n_curve,
    main_settings,
    relabel,
    sample_scores,
    train_against,
    train_proxy,
)
from .plane import Axes, Plane, load_plane, measure_policy, weights_of, with_weights

__all__ = [
    "Axes",
    "Plane",
    "Setting",
    "best_of_n_curve",
    "load_plane",
    "main_settings",
    "measure_policy",
    "relabel",
    "sample_scores",
    "train_against",
    "train_proxy",
    "weights_of",
    "with_weights",
]
