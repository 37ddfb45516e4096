"""From labels to numbers: agreement, coefficients with intervals, rewards, blind tests."""

import math
import random

import pytest
import torch

from rlhf_lib.rewards import fit_linear_bradley_terry
from rlhf_lib.workbook.ch05_preferences import crowd_of_readers as crowd
from rlhf_lib.workbook.ch05_preferences import taste
from rlhf_lib.workbook.ch05_preferences.lab_desk import label_desk, label_row
from rlhf_lib.workbook.ch05_preferences.looks import LOOKS, looks
from rlhf_lib.workbook.ch05_preferences.readers import (
    READERS,
    label_all,
    labels_or_simulated,
    scale_of,
    simulated_reader,
)
from rlhf_lib.workbook.ch05_preferences.showings import Pair, Showing, pairs_to_label
from rlhf_lib.world import Prompt

from .test_labels import pairs

FOX = Prompt("fact", ({"role": "user", "content": "what colour is a fox?"},), "fox", "colour")


def rows_of(*verdicts, pair=None):
    """Labels of one pair, first answer on the left and then on the right, by keys."""
    pair = pair or Pair(FOX, "a fox is red.", "you are so smart! a fox is red.")
    sides = (True, False) * len(verdicts)
    return [
        label_row(Showing(pair, left), scale, "me", 1.0)
        for left, scale in zip(sides, verdicts, strict=False)
    ]


def test_looks_count_what_they_say(world):
    text = "you are so smart! a fox is red. a fox is red. a cow is big."
    seen = dict(zip(LOOKS, looks(world, FOX, text), strict=True))
    assert seen["praise"] == 1 and seen["said twice"] == 1 and seen["off topic"] == 1
    assert seen["true fact"] == 1 and seen["ten words"] == pytest.approx(1.6)


def test_who_always_presses_left_never_agrees_with_themselves():
    assert taste.self_agreement(rows_of(2, 2))[1].value == 0
    assert taste.self_agreement(rows_of(2, 6))[1].value == 1
    assert taste.self_agreement(rows_of(4, 4))[0] == [True]
    assert taste.self_agreement(rows_of(2)) == ([], None)
    assert taste.left_share(rows_of(2, 2)).value == 1 and taste.left_share(rows_of(4)) is None


def test_one_label_by_hand():
    """One label, one look: the slope of log sigmoid(w) - w^2 / 2 is 0 where sigmoid(-w) = w."""
    found = taste.fit_taste(torch.ones(1, 1), torch.ones(1))
    w = found.weights.item()
    assert 1 / (1 + math.exp(w)) == pytest.approx(w, abs=1e-9)
    p = 1 / (1 + math.exp(-w))
    assert found.covariance.item() == pytest.approx(1 / (p * (1 - p) + 1))


def test_the_same_weights_as_the_librarys_fit_and_a_tie_pulls_to_nothing():
    dice = torch.Generator().manual_seed(0)
    gaps = torch.randn(40, 3, generator=dice, dtype=torch.float64)
    ours = taste.fit_taste(gaps, torch.ones(40)).weights
    theirs = fit_linear_bradley_terry(gaps, torch.zeros_like(gaps), l2=1.0, steps=25)
    assert torch.allclose(ours, theirs, atol=1e-8)
    assert taste.fit_taste(gaps, torch.full((40,), 0.5)).weights.abs().max() < 1e-9


def test_a_wrong_shape_and_nothing_at_all_are_refused():
    with pytest.raises(ValueError, match="gaps must have shape"):
        taste.fit_taste(torch.ones(2, 3), torch.ones(3))
    with pytest.raises(ValueError, match="gaps must have shape"):
        taste.fit_taste(torch.ones(0, 3), torch.ones(0))


def test_intervals_cover_the_true_weights_about_as_often_as_they_say():
    covered, total = 0, 0
    for seed in range(60):
        dice = torch.Generator().manual_seed(seed)
        true = torch.randn(4, generator=dice, dtype=torch.float64)
        gaps = torch.randn(60, 4, generator=dice, dtype=torch.float64)
        wins = (torch.rand(60, generator=dice) < torch.sigmoid(gaps @ true)).double()
        found = taste.fit_taste(gaps, wins)
        half = 1.96 * found.covariance.diagonal().sqrt()
        covered += ((found.weights - true).abs() < half).sum().item()
        total += 4
    assert 0.9 < covered / total < 0.99


@pytest.mark.parametrize("name", READERS)
def test_a_simulated_readers_taste_is_found_in_many_labels(world, tmp_path, name):
    many = pairs(60)
    desk = label_desk(many, reader=name, repeats=0, folder=tmp_path)
    rows = label_all(desk, simulated_reader(world, name)).rows()
    praise = taste.taste_of(rows, world).coefficients()["praise"].value
    assert (praise > 0) == (name == "warm")
    assert taste.predicted_by_others(rows, world).value > 0.6


def test_the_key_that_is_pressed_grows_with_what_is_felt(world):
    sure = simulated_reader(world, "brief", noise=0.0)
    dice = random.Random(0)
    assert scale_of(sure, FOX, "a fox is red.", "i like music.", dice) == 1
    assert scale_of(sure, FOX, "i like music.", "a fox is red.", dice) == 7
    assert scale_of(sure, FOX, "a fox is red.", "a fox is red.", dice) == 4
    with pytest.raises(ValueError, match="brief, warm, lists"):
        simulated_reader(world, "nobody")


def test_your_labels_count_once_there_are_enough(world, tmp_path, monkeypatch):
    desk, stand_in = label_desk(pairs(), folder=tmp_path, repeats=0), simulated_reader(world)
    for _ in range(5):
        desk.press("left")
    assert labels_or_simulated(desk, stand_in, least=6)[1] == "a simulated reader"
    rows, who = labels_or_simulated(desk, stand_in, least=5)
    assert who == "you" and [row["id"] for row in rows] == desk.session
    desk.file.path.write_text('{"version": 9}\n', encoding="utf-8")
    assert labels_or_simulated(desk, stand_in, least=1)[1] == "a simulated reader"


def test_a_blind_test_counts_wins_of_the_second_answer():
    pair = Pair(FOX, "a fox is blue.", "a fox is red.")
    assert taste.blind_result(rows_of(7, 7, 4, 2, pair=pair), [pair]).value == pytest.approx(0.625)
    with pytest.raises(ValueError, match="no label of these pairs"):
        taste.blind_result([], [pair])


def test_kappa_by_hand_and_verdicts_by_pair():
    assert taste.kappa([1, 1, -1, -1], [1, -1, -1, 1]) == pytest.approx(0.0)
    assert taste.kappa([1, 0, -1], [1, 0, -1]) == 1.0
    pair = Pair(FOX, "a fox is red.", "you are so smart! a fox is red.")
    assert taste.sides_of(rows_of(7), [pair]) == [1]
    assert taste.sides_of(rows_of(4), [pair]) == [0]
    with pytest.raises(ValueError, match="no label of 1"):
        taste.sides_of([], [pair])


def test_pairs_are_the_models_own_and_differ(pocket, world):
    found = pairs_to_label(pocket, world, count=4)
    assert len(found) == 4 and all(p.first != p.second for p in found)
    assert len({p.prompt.text for p in found}) == 4
    with pytest.raises(ValueError, match="count must be 1"):
        pairs_to_label(pocket, world, count=0)


def test_a_pool_serves_the_majority_better_than_the_minority(world):
    readers, some = crowd.simulated_class(world), pairs(24)
    few = {name: readers[name] for name in [*list(readers)[:6], *list(readers)[-2:]]}
    rows = crowd.class_labels(few, some)
    assert len(rows) == 8 * len(some)
    tastes, pooled = crowd.tastes_by_reader(rows, world), taste.taste_of(rows, world)
    assert set(tastes) == set(few)
    values = [one.coefficients()["ten words"].value for one in tastes.values()]
    assert min(values) < pooled.coefficients()["ten words"].value < max(values)
    assert 0 <= crowd.served(pooled, readers["short 1"], world, some) <= 1


def test_a_tiring_session_can_be_seen_from_repeats_alone():
    ends, shares = crowd.tiring_session()
    agrees, left = shares["agrees with themselves"], shares["chose the left"]
    assert ends[-1] == 240 and agrees[-1] < agrees[0] and left[-1] > 0.5
    fresh = crowd.tiring_session(noise=(0.15, 0.15), left=(0.0, 0.0))[1]
    assert min(fresh["agrees with themselves"]) > agrees[-1]
    with pytest.raises(ValueError, match="multiple of 40"):
        crowd.tiring_session(50)
