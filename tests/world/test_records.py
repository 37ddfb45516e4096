"""The records that trainers take."""

import pytest

from rlhf_lib.world import Demonstration, PocketWorld, Preference, Stepwise, Unpaired


def test_records_unpack_in_the_order_of_their_names():
    prompt, answer = Demonstration("who?", "an owl.")
    assert (prompt, answer) == ("who?", "an owl.")
    assert tuple(Unpaired("who?", "a hen.", False)) == ("who?", "a hen.", False)
    assert tuple(Stepwise("1 + 1?", ("2.",), (2,))) == ("1 + 1?", ("2.",), (2,))


def test_margins_come_from_what_is_said_first():
    assert Preference("hi", "a", "b", likert=2).margin == 2.0
    assert Preference("hi", "a", "b", chosen_score=0.75, rejected_score=0.25).margin == 0.5
    scored = Preference("hi", "a", "b", chosen_score=8, rejected_score=3, stated_margin=0.0)
    assert scored.margin == 0.0


def test_a_worked_answer_is_right_if_no_step_is_bad():
    assert Stepwise("?", ("1.", "2."), (2, 1)).right
    assert not Stepwise("?", ("1.", "2."), (0, 1)).right
    with pytest.raises(ValueError, match="1 labels for 2 steps"):
        Stepwise("?", ("1.", "2."), (2,))


def test_the_world_hands_out_records():
    world = PocketWorld()
    assert all(isinstance(d, Demonstration) for d in world.demonstrations(5))
    assert all(isinstance(s, Stepwise) for s in world.worked_sums(5))
