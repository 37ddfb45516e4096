"""The framework itself: stubs, errors, shapes, quizzes."""

import collections

import numpy as np
import pytest
import torch

from rlhf_lib.exercises import (
    ALL,
    BY_CHAPTER,
    NOT_YET,
    RECALL,
    RIGHT,
    WRONG,
    Exercise,
    exercise,
    recall,
    show_hints,
)

LOSS = exercise("my_bradley_terry_loss")


def raise_not_implemented(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [lambda *a: None, lambda *a: ..., raise_not_implemented])
def test_a_stub_is_not_attempted_yet(stub):
    verdict = LOSS.check(stub)
    assert verdict.status == NOT_YET
    with pytest.raises(AssertionError, match="not attempted"):
        verdict.assert_right()


def test_an_error_is_told_with_its_line_and_not_thrown():
    def broken(chosen, rejected):
        return chosen.no_such_method()

    verdict = LOSS.check(broken)
    assert verdict.status == WRONG and "no_such_method" in verdict.message


def test_shapes_and_kinds_are_named():
    assert "expected a tensor" in LOSS.check(lambda c, r: 0.5).message
    assert "expected shape ()" in LOSS.check(lambda c, r: c - r).message
    assert "not finite" in LOSS.check(lambda c, r: torch.tensor(float("nan"))).message
    assert "expected one number" in exercise("win_rate").check(lambda a, b: a - b).message


def two_numbers(tolerance: float) -> Exercise:
    """Return (0.625, 2 / 3), which must be right to `tolerance`."""
    return Exercise(
        "pair", "two numbers", 1, 1, lambda: (0.625, 2 / 3), lambda: [()], mistakes=(), hints=(),
        tolerance=tolerance,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.array, torch.tensor])
def test_a_number_of_numpy_or_torch_is_a_number(kind):
    assert two_numbers(1e-5).check(lambda: (kind(0.625), kind(2 / 3))).status == RIGHT
    assert "expected 0.6250, got 0.5" in two_numbers(1e-5).check(lambda: (kind(0.5), 2 / 3)).message


def test_a_difference_below_the_usual_tolerance_is_named():
    verdict = two_numbers(1e-9).check(lambda: (0.625, 0.6666667))
    assert verdict.status == WRONG and "expected 0.6667, got 0.6666667" in verdict.message


def test_one_row_does_not_pass_for_many():
    """A shape that would broadcast to the right one is not the right one."""
    assert exercise("my_rloo_advantages").check(lambda r: r[:1]).status == WRONG


def test_verdicts_show_themselves():
    verdict = LOSS.check(LOSS.reference)
    assert verdict.status == RIGHT and "✓ right" in repr(verdict)
    assert "<b" in verdict._repr_html_() and verdict.assert_right() is verdict


def test_learners_text_is_escaped():
    def evil(chosen, rejected):
        raise ValueError("<script>")

    assert "<script>" not in LOSS.check(evil)._repr_html_()


def test_every_chapter_has_three_exercises_with_hints_and_named_mistakes():
    for chapter, group in BY_CHAPTER.items():
        assert len(group) >= 3, chapter
    for one in ALL:
        assert len(one.hints) >= 2 and len(one.mistakes) >= 3
        assert 1 <= one.difficulty <= 3 and one.minutes > 0
        assert one.hint(1) in show_hints(one) and one.hint(99) == one.hints[-1]


def test_unknown_names_get_a_list():
    with pytest.raises(ValueError, match="there are"):
        exercise("my_gea")
    with pytest.raises(ValueError, match="there are"):
        recall("99")


def test_right_answers_are_spread_over_the_places():
    quizzes = [quiz for group in RECALL.values() for quiz in group]
    places = collections.Counter(quiz.order().index(0) for quiz in quizzes)
    assert max(places.values()) <= len(quizzes) / 2
    assert len(places) == 3


def test_every_option_has_a_reason_and_is_answered():
    for group in RECALL.values():
        assert len(group) == 3
        for quiz in group:
            answers = [quiz.answer(letter) for letter in "abc"]
            assert sum(a.startswith("right") for a in answers) == 1
            assert all(len(reason) > 20 for _, reason in quiz.options)
            assert quiz.answer("z").startswith("choose one of")
            assert "<details" in quiz._repr_html_() and quiz.question in repr(quiz)
