"""The framework itself: stubs, errors, shapes, quizzes."""

import collections
import contextlib
import dataclasses
import threading
import time

import numpy as np
import pytest
import torch

from rlhf_lib.exercises import (
    ALL,
    BY_CHAPTER,
    NOT_YET,
    RECALL,
    RIGHT,
    SOLUTION,
    WRONG,
    Exercise,
    exercise,
    recall,
    show_hints,
)
from rlhf_lib.workbook.kit.attempt import EndlessLoop, limited
from rlhf_lib.workbook.kit.compare import told_apart

LOSS, LOSS_OF_PAIRS = exercise("my_bradley_terry_loss"), exercise("my_dpo_loss")


def raise_not_implemented(*arguments):
    raise NotImplementedError


def with_a_docstring(chosen, rejected):
    """The Bradley-Terry loss."""


def with_pass(chosen, rejected):
    pass


@pytest.mark.parametrize(
    "stub",
    [lambda *a: None, lambda *a: ..., raise_not_implemented, with_a_docstring, with_pass],
)
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


def right_loss(chosen, rejected):
    return torch.nn.functional.softplus(rejected - chosen).mean()


def test_a_printed_value_is_not_a_stub():
    """The reader sees numbers, and would not believe 'not attempted yet'."""

    def printed(chosen, rejected):
        print(end="")
        right_loss(chosen, rejected)

    def forgotten(chosen, rejected):
        right_loss(chosen, rejected)

    assert "prints and returns nothing" in LOSS.check(printed).message
    assert "is there a `return`" in LOSS.check(forgotten).message
    assert LOSS.check(printed).status == LOSS.check(forgotten).status == WRONG


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (torch.Tensor.detach, "nothing would learn"),
        (lambda x: torch.tensor(x.item()).to(x.dtype), "nothing would learn"),
        (float, "the right number, but expected a tensor, got float"),
        (lambda x: x.detach().numpy(), "the right number, but expected a tensor"),
        (lambda x: x[None], "the right numbers, but expected shape (), got (1,)"),
    ],
)
def test_the_right_value_in_the_wrong_form_is_named(cut, said):
    verdict = LOSS.check(lambda chosen, rejected: cut(right_loss(chosen, rejected)))
    assert verdict.status == WRONG and said in verdict.message


@pytest.mark.parametrize("number", [np.array([0.625]), torch.tensor([0.625]), np.array([[0.625]])])
def test_one_number_in_brackets_is_named_and_not_called_another_number(number):
    one = Exercise("n", "n", 1, 1, lambda: 0.625, lambda: [()], mistakes=(), hints=())
    message = one.check(lambda: number).message
    assert "the right number, but expected one number" in message and ".item()" in message


def test_two_numbers_are_shown_with_digits_enough_to_tell_them_apart():
    for got in (0.62501, 0.6250000001, 0.7):
        expected, yours = told_apart(0.625, got)
        assert expected != yours


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_held_to_what_it_can_do(kind):
    gap = exercise("pessimistic_reward")
    assert gap.check(lambda s, k: (s.mean(0) - k * s.std(0)).to(kind)).status == RIGHT
    assert gap.check(lambda s, k: (s.mean(0) - 1.1 * k * s.std(0)).to(kind)).status == WRONG


def test_a_gradient_that_reaches_one_input_too_few_is_wrong():
    def half(pc, pr, rc, rr, beta):
        return LOSS_OF_PAIRS.reference(pc, pr.detach(), rc, rr, beta)

    verdict = LOSS_OF_PAIRS.check(half)
    assert verdict.status == WRONG and "gradient comes back to `pr`" in verdict.message


def test_gradients_are_compared_where_a_chapter_has_switched_them_off():
    """Chapter 03 only looks at a model: a right answer there is not 'cut off'."""
    with torch.no_grad():
        assert LOSS.check(right_loss).status == RIGHT
        assert "nothing would learn" in LOSS.check(lambda c, r: right_loss(c, r).detach()).message


def test_a_bent_gradient_is_wrong_and_shown():
    """Half of the loss detached: the value stays, and the gradient is half as long."""

    def half(chosen, rejected):
        loss = right_loss(chosen, rejected)
        return loss / 2 + loss.detach() / 2

    verdict = LOSS.check(half)
    assert "its gradient in `chosen` is not" in verdict.message and "your gradient" in repr(verdict)


def test_an_endless_loop_is_stopped_and_named_with_the_readers_line():
    def endless(chosen, rejected):
        while True:
            with contextlib.suppress(Exception):
                chosen = chosen + 0

    verdict = dataclasses.replace(LOSS, seconds=0.1).check(endless)
    assert verdict.status == WRONG and "a loop without an end" in verdict.message
    assert "after 0.1 s" in verdict.message and "your line" in verdict.message


def test_waiting_is_not_computing():
    """A machine that is busy with something else does not make a right answer late."""
    assert limited(lambda: time.sleep(0.7) or "done", (), 0.5) == "done"


def test_the_limit_works_outside_the_main_thread_too():
    def endless():
        while True:
            pass

    found = []

    def run():
        try:
            limited(endless, (), 0.1)
        except EndlessLoop:
            found.append("stopped")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == ["stopped"]


def test_wrong_arguments_are_named_before_anything_is_run():
    message = LOSS.check(lambda chosen: chosen).message
    assert "takes (chosen)" in message and "called with (chosen, rejected)" in message


def test_an_error_inside_torch_shows_the_readers_line():
    def broken(chosen, rejected):
        return torch.nn.functional.binary_cross_entropy(chosen[:1], rejected[:2] * torch.ones(3, 2))

    message = LOSS.check(broken).message
    assert "your line" in message and "binary_cross_entropy(chosen[:1]" in message


def test_the_smallest_failing_case_is_shown_with_yours_and_expected():
    gae = exercise("my_gae")

    def slip(rewards, values, mask, gamma, lam):
        out = gae.reference(rewards, values, mask, gamma, lam)
        out[:, -1] = rewards[:, -1]
        return out

    verdict = gae.check(slip)
    assert "(row, column) = (0, 2)" in verdict.message
    assert list(verdict.failure.arguments) == ["rewards", "values", "mask", "gamma", "lam"]
    assert len(verdict.failure.arguments["rewards"]) == 1
    assert "your result = " in repr(verdict) and "expected = " in repr(verdict)
    assert verdict._repr_html_().count("underline") == 1


def test_a_known_mistake_with_the_wrong_sign_is_still_known():
    wrong, sentence = LOSS.mistakes[2]
    message = LOSS.check(lambda c, r: -wrong(c, r)).message
    assert "your sign is flipped" in message and sentence in message
    assert "3 times the right one" in LOSS.check(lambda c, r: 3 * right_loss(c, r)).message


def test_a_solution_says_nothing_of_the_reader_and_is_proved():
    verdict = LOSS.check_solution(right_loss)
    assert verdict.status == SOLUTION and "as you left it" in verdict.message
    with pytest.raises(AssertionError):
        LOSS.check_solution(lambda c, r: right_loss(r, c))


def test_what_follows_uses_the_readers_function_if_it_is_right_and_says_so(capsys):
    assert LOSS.use(right_loss) is right_loss
    assert LOSS.use(with_pass) is LOSS.reference
    assert capsys.readouterr().out.splitlines() == [
        "using your my_bradley_terry_loss",
        "my_bradley_terry_loss is not right yet: using the workbook's solution here",
    ]


def two_numbers(tolerance: float) -> Exercise:
    """Return (0.625, 2 / 3), which must be right to `tolerance`."""
    return Exercise(
        "pair", "two numbers", 1, 1, lambda: (0.625, 2 / 3), lambda: [()], mistakes=(), hints=(),
        tolerance=tolerance,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.array, torch.tensor])
def test_a_number_of_numpy_or_torch_is_a_number(kind):
    assert two_numbers(1e-5).check(lambda: (kind(0.625), kind(2 / 3))).status == RIGHT
    assert "expected 0.625, got 0.5" in two_numbers(1e-5).check(lambda: (kind(0.5), 2 / 3)).message


def test_a_difference_below_the_usual_tolerance_is_named():
    verdict = two_numbers(1e-9).check(lambda: (0.625, 0.6666667))
    assert verdict.status == WRONG and "expected 0.66666667, got 0.6666667" in verdict.message


def test_one_row_does_not_pass_for_many():
    """A shape that would broadcast to the right one is not the right one."""
    assert exercise("my_rloo_advantages").check(lambda r: r[:1]).status == WRONG


def test_verdicts_show_themselves():
    verdict = LOSS.check(LOSS.reference)
    assert verdict.status == RIGHT and "✓ right" in repr(verdict)
    assert "<b" in verdict._repr_html_() and verdict.assert_right() is verdict
    assert (
        "<code>.detach()</code>" in LOSS.check(lambda c, r: right_loss(c, r).detach())._repr_html_()
    )


def test_learners_text_is_escaped():
    def evil(chosen, rejected):
        raise ValueError("<script>")

    assert "<script>" not in LOSS.check(evil)._repr_html_()


def test_every_chapter_has_three_exercises_with_hints_and_named_mistakes():
    for chapter, group in BY_CHAPTER.items():
        assert len(group) >= 3, chapter
    for one in ALL:
        assert len(one.hints) == 3 and len(one.mistakes) >= 3
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
