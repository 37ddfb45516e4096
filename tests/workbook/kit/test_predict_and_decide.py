"""Predictions keep a guess and compare it; decisions are judged by the reader's own numbers."""

import pytest

from rlhf_lib.exercises import NOT_YET, RIGHT, SOLUTION, WRONG, predict
from rlhf_lib.workbook.contents import decides
from rlhf_lib.workbook.kit.decide import UNDECIDED, Decide

OPTIONS = {"up": "it rises", "down": "it falls <fast>"}


def decision(better="lower") -> Decide:
    return Decide("my_rate", "Decide", 1, 5, "Which rate?", {"a": "0.1", "b": "1"}, better, 3,
                  "loss", ("1", "2", "3"), "a", "A lesson.")  # fmt: skip


CLEAR = {"a": [0.50, 0.52, 0.51], "b": [0.80, 0.79, 0.83]}
CLOSE = {"a": [0.50, 0.80, 0.61], "b": [0.52, 0.79, 0.63]}


def test_a_guess_is_kept_and_compared():
    guess = predict("The gold?", OPTIONS)
    assert "you made no guess" in repr(guess.reveal("down"))
    guess.choose("up")
    assert guess.guess == "up" and "it rises ✗" in repr(guess.reveal("down"))
    shown = guess.reveal("up", "It is trained on.")
    assert "✓" in repr(shown) and "It is trained on." in shown._repr_html_()


def test_a_prediction_is_text_without_a_kernel():
    guess = predict("The gold?", OPTIONS)
    bundle = guess._repr_mimebundle_()
    assert "The gold?" in bundle["text/html"] and "&lt;fast&gt;" in bundle["text/html"]
    assert "it rises" in bundle["text/plain"]


def test_the_buttons_set_the_guess_and_show_it_again():
    guess = predict("The gold?", OPTIONS)
    buttons = guess.widget().children[1]
    assert buttons.value is None
    buttons.value = "down"
    assert guess.guess == "down" and guess.widget().children[1].value == "down"


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match="there are up, down"):
        predict("?", OPTIONS).reveal("sideways")
    with pytest.raises(ValueError, match="at least two"):
        predict("?", {"a": "one"})


def test_nothing_measured_is_not_attempted_yet():
    assert decision().check({"a": [], "b": []}, ...).status == NOT_YET
    assert decision().check(CLEAR, ...).status == NOT_YET


@pytest.mark.parametrize(
    ("measured", "choice", "said"),
    [
        ({"a": [0.5, 0.6], "b": [0.8, 0.7, 0.9]}, "a", "'a' has 2 of 3 numbers"),
        ({"a": [0.5, 0.5, 0.5], "b": [0.8, 0.7, 0.9]}, "a", "did the seed reach"),
        ({"a": [0.5, float("nan"), 0.4], "b": [0.8, 0.7, 0.9]}, "a", "not finite"),
        (CLEAR, "b", "your own numbers speak for 'a'"),
        (CLEAR, UNDECIDED, "your own numbers speak for 'a'"),
        (CLOSE, "a", "two standard errors"),
        (CLEAR, "c", "choose one of a, b"),
    ],
)
def test_a_choice_that_the_numbers_do_not_bear_is_turned_down(measured, choice, said):
    verdict = decision().check(measured, choice)
    assert verdict.status == WRONG and said in verdict.message


def test_a_choice_that_they_bear_is_right_whatever_was_expected():
    """The verdict follows the reader's measurement: nothing is canned."""
    assert decision().check(CLEAR, "a").status == RIGHT
    assert decision("higher").check(CLEAR, "b").status == RIGHT
    assert decision().check(CLOSE, UNDECIDED).status == RIGHT
    assert decision().check_solution(CLEAR, "a").status == SOLUTION


def test_the_lesson_is_told_only_where_the_numbers_agree_with_it():
    assert "A lesson." in decision().check(CLEAR, "a").message
    for better, measured, choice in (("higher", CLEAR, "b"), ("lower", CLOSE, UNDECIDED)):
        message = decision(better).check(measured, choice).message
        assert "A lesson." not in message and "own runs spoke for 'a'" in message


def test_the_prediction_is_remembered():
    one = decision()
    one.ask().choose("b")
    assert "You had predicted otherwise" in one.check(CLEAR, "a").message


def test_decisions_of_the_chapters_have_three_hints_and_a_lesson():
    for group in decides().values():
        for one in group:
            assert len(one.hints) == 3 and one.lesson and one.repeats >= 3 and len(one.options) >= 2


@pytest.mark.parametrize(
    "one",
    [one for group in decides().values() for one in group if one.measure],
    ids=lambda one: one.name,
)
def test_the_workbooks_own_measurement_bears_what_it_says(one):
    """Measured here, in a world of tables: no canned number."""
    measured = one.measured()
    assert one.check(measured, one.usual).status == RIGHT
    assert one.lesson in one.check(measured, one.usual).message
    for choice in {*one.options, UNDECIDED} - {one.usual}:
        assert one.check(measured, choice).status == WRONG
