"""A quiz cannot be passed by looking at its options: not by their length, as not by their place."""

from rlhf_lib.exercises import RECALL, all_bugs

QUIZZES = [quiz for group in RECALL.values() for quiz in group] + [bug.quiz for bug in all_bugs()]
SPARE = 0.1
"""Over chance: what a few quizzes more or less may make."""


def lengths(quiz):
    return [len(text) for text, _ in quiz.options]


def share(pick):
    """How often the option of this length (max or min) is the right one; ties count as much as a guess."""
    hits = [
        (lengths(q)[0] == pick(lengths(q))) / lengths(q).count(pick(lengths(q))) for q in QUIZZES
    ]
    return sum(hits) / len(QUIZZES)


def test_neither_the_longest_nor_the_shortest_option_is_a_good_guess():
    chance = sum(1 / len(quiz.options) for quiz in QUIZZES) / len(QUIZZES)
    assert share(max) <= chance + SPARE
    assert share(min) <= chance + SPARE


def test_options_of_one_question_have_about_one_length():
    for quiz in QUIZZES:
        assert max(lengths(quiz)) <= 1.6 * min(lengths(quiz)), quiz.question
