"""What more than one chapter runs or shows, and whatever writes `data/`."""

from .over_optimization import Setting, relabel, train_proxy
from .plane import Axes, Plane, load_plane, measure_policy, weights_of, with_weights

__all__ = [
    "Axes",
    "Plane",
    "Setting",
    "load_plane",
    "measure_policy",
    "relabel",
    "train_proxy",
    "weights_of",
    "with_weights",
]
