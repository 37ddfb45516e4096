"""The silent-bug clinic of chapter 10."""

from __future__ import annotations

import torch

from ..kit.bug import Bug
from .clinic_runs import (
    run_selection,
)

# --- the worst is kept


def _top(rewards, keep):
    order = rewards.flatten().argsort(descending=True, stable=True)[:keep].tolist()
    return [divmod(place, rewards.shape[1]) for place in order]


def _top_by_sorting(rewards, keep):
    places = [
        (-value, row, column)
        for row, values in enumerate(rewards.tolist())
        for column, value in enumerate(values)
    ]
    return [(row, column) for _, row, column in sorted(places)[:keep]]


def _bottom(rewards, keep):
    order = rewards.flatten().argsort(stable=True)[:keep].tolist()
    return [divmod(place, rewards.shape[1]) for place in order]


_SCORES = torch.tensor([[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]]).double()


def _prove_top(implementation):
    found = {tuple(place) for place in implementation(_SCORES, 2)}
    assert found == {(0, 1), (1, 0)}, "0.9 and 0.8 are the best two"


worst_kept = Bug(
    name="worst_kept",
    chapter="10",
    title="Rejection sampling in reverse",
    story="Answers are drawn, scored, selected, learned, in rounds. The fine-tuning loss behaves. The reward "
    "goes down, round by round.",
    function="select(rewards (M, N), keep) -> (row, column) of the `keep` best answers of all",
    source="argsort is ascending: the book's selection is argsort(...)[-K:], and its order and indices have "
    "been mended (erratum 481).",
    lesson="argsort is ascending. Test a selection on numbers that you can rank by eye.",
    right=_top,
    also_right=_top_by_sorting,
    wrong=_bottom,
    example=lambda: (_SCORES, 2),
    run=run_selection,
    watch=("reward", "loss"),
    options=(
        (
            "The sort is ascending: the worst are kept.",
            "So each round teaches what the reward likes least.",
        ),
        (
            "The selection ignores the rewards of the answers.",
            "Then the reward would stay about where it was. It falls steadily.",
        ),
        (
            "The fine-tuning goes on for too many epochs.",
            "That would exaggerate what is selected. It would not turn it round.",
        ),
    ),
    hints=(
        "Make a small matrix in which the best two can be seen.",
        "[[0.1, 0.9, 0.3], [0.8, 0.2, 0.0]] with keep = 2 has to give (0, 1) and (1, 0).",
    ),
    proof=_prove_top,
)


# --- rows and columns


def _top_of_the_transpose(rewards, keep):
    order = rewards.T.flatten().argsort(descending=True, stable=True)[:keep].tolist()
    return [divmod(place, rewards.shape[1]) for place in order]


def _prove_layout(implementation):
    rewards = torch.zeros(3, 2)
    rewards[1, 0] = 1.0
    assert [tuple(place) for place in implementation(rewards, 1)] == [(1, 0)], "the one good answer"


mixed_rows = Bug(
    name="mixed_rows",
    chapter="10",
    title="Selection that selects next to nothing",
    story="As many answers are kept as in the other run, all indices are valid, no error is raised. The reward "
    "hardly moves, and that is all.",
    function="select(rewards (M, N), keep) -> (row, column) of the `keep` best answers of all",
    source="From the flattened matrix back to (row, column) in the rejection-sampling chapter, where one "
    "snippet lays completions out by prompt and another one by sample.",
    lesson="An index belongs to a layout: flatten and unflatten in the same order.",
    right=_top,
    also_right=_top_by_sorting,
    wrong=_top_of_the_transpose,
    example=lambda: (_SCORES, 2),
    run=run_selection,
    watch=("reward", "loss"),
    options=(
        (
            "The indices are of the transposed matrix.",
            "Where rewards are laid out by sample and read by prompt, the winners' places are others.",
        ),
        (
            "The worst answers are kept instead of the best.",
            "Then the reward would fall below its start.",
        ),
        (
            "All answers are equally good, so nothing is gained.",
            "They are the same as in the healthy run, which learns a lot from them.",
        ),
    ),
    hints=(
        "Put a single good answer into a matrix that is not square.",
        "rewards of shape (3, 2), all 0 but for a 1 at (1, 0): that place has to come out.",
    ),
    proof=_prove_layout,
)

BUGS = (
    worst_kept,
    mixed_rows,
)
