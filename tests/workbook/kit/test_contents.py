"""What the chapters hold is found by its place: exercises, questions and labs, and the faces that readers type."""

import pytest

from rlhf_lib import exercises, labs
from rlhf_lib.workbook.contents import chapters, lab_modules, part


def test_every_chapter_has_exercises_and_three_questions():
    assert list(exercises.BY_CHAPTER) == list(chapters())
    for chapter in chapters():
        assert exercises.BY_CHAPTER[chapter]
        assert len(exercises.recall(chapter)) == 3


def test_names_are_used_once():
    names = [one.name for one in exercises.ALL] + [bug.name for bug in exercises.all_bugs()]
    assert len(set(names)) == len(names)


def test_a_part_that_a_chapter_lacks_is_none():
    assert part("07_reward_modeling", "exercises").EXERCISES
    assert part("07_reward_modeling", "nothing") is None


def test_the_face_finds_every_lab_where_it_lives():
    assert len(dir(labs)) >= len(lab_modules())
    for name in dir(labs):
        home = getattr(labs, name).__module__
        assert home.startswith("rlhf_lib.workbook.ch") and ".lab_" in home
    with pytest.raises(AttributeError, match="no_such_lab"):
        _ = labs.no_such_lab


def test_a_name_of_many_labs_says_too_little():
    with pytest.raises(AttributeError, match="describe"):
        _ = labs.describe


@pytest.mark.parametrize("find", [exercises.exercise, exercises.clinic, exercises.recall])
def test_unknown_names_are_answered_with_those_there_are(find):
    with pytest.raises(ValueError, match="nothing.*there are"):
        find("nothing")
