"""Runs of words that a test item and a training text share."""

import pytest

from rlhf_lib.evaluation import contaminated, covered_share, ngram_set, words_of


def test_words_are_bare():
    assert words_of("A fox, I think, eats 3 mice!") == [
        "a",
        "fox",
        "i",
        "think",
        "eats",
        "3",
        "mice",
    ]


def test_covered_words_are_counted_once():
    known = ngram_set(["one two three four"], 2)
    assert covered_share("one two three nine", known, 2) == pytest.approx(3 / 4)
    assert covered_share("one", known, 2) == 0 and covered_share("", known, 2) == 0


def test_verbatim_copies_are_found_and_other_words_are_not():
    item = "where does a fox live? a fox lives in a den."
    assert contaminated([item], ["well: WHERE does a fox live? A fox lives in a den. Yes."]) == [
        True
    ]
    assert contaminated([item], ["tell me the home of a fox. a fox lives in a den."]) == [False]


def test_a_run_must_not_cross_two_texts():
    assert contaminated(["one two three"], ["one two", "three"], n=3, share=0.0) == [False]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="n must"):
        ngram_set(["a"], 0)
    with pytest.raises(ValueError, match="share"):
        contaminated(["a"], ["a"], share=2)
