"""Response spaces small enough to enumerate, and what is trained and measured on them exactly."""

from .descent import descend
from .displacement import AnswerMap, answer_map, follow_pair, near_pairs
from .estimators import Moments, drifted, estimator_moments, repeated_estimates
from .modes import Fit, fit_gaussian, gaussian, grid, mass_between, two_modes
from .optima import equal_kl_policy, forward_kl_optimum
from .text_game import (
    GameValues,
    Play,
    TextGame,
    all_plays,
    game_tree,
    improved,
    solve_game,
    uniform,
)
from .training import (
    ExactSettings,
    TabularPolicy,
    as_preferences,
    comparison_probabilities,
    draw,
    draw_comparisons,
    train_exact,
)
from .tree import Node, TokenTree, answer_tree, prefix_values, token_tree
from .world import (
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

__all__ = [
    "AnswerMap",
    "ExactSettings",
    "ExactWorld",
    "Fit",
    "GameValues",
    "Moments",
    "Node",
    "Play",
    "TabularPolicy",
    "TextGame",
    "TokenTree",
    "all_plays",
    "answer_map",
    "answer_tree",
    "as_preferences",
    "best_of_n_exact_kl",
    "best_of_n_policy",
    "comparison_probabilities",
    "coverage",
    "descend",
    "draw",
    "draw_comparisons",
    "drifted",
    "equal_kl_policy",
    "estimator_moments",
    "exact_world",
    "expected",
    "fit_gaussian",
    "follow_pair",
    "forward_kl_optimum",
    "game_tree",
    "gaussian",
    "grid",
    "improved",
    "log_partition",
    "mass_between",
    "near_pairs",
    "optimal_policy",
    "prefix_values",
    "regularized_value",
    "repeated_estimates",
    "solve_game",
    "table_of",
    "token_tree",
    "train_exact",
    "two_modes",
    "uniform",
]
