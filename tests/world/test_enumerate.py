"""The listed answers: whole, distinct, always the same."""

import itertools
import random

import pytest

from rlhf_lib.world import KINDS, STYLES, PocketWorld
from rlhf_lib.world.answers import write_answer
from rlhf_lib.world.enumerate import LARGEST_TREE, LoadedDice, every_outcome, style_answers

WORLD = PocketWorld()


def test_loaded_dice_play_every_outcome_once():
    """Two rolls, the second with as many sides as the first says: 1 + 2 + 3 outcomes."""

    def write(dice):
        first = dice.randint(1, 3)
        return f"{first}{dice.choice('abc'[:first])}"

    assert list(every_outcome(write)) == ["1a", "2a", "2b", "3a", "3b", "3c"]


def test_loaded_samples_are_all_ordered_selections():
    found = list(every_outcome(lambda dice: "".join(dice.sample("abcd", 2))))
    assert found == ["".join(pair) for pair in itertools.permutations("abcd", 2)]
    assert list(every_outcome(lambda dice: str(dice.randrange(3)))) == ["0", "1", "2"]


def test_dice_without_a_method_say_so():
    """A writer that rolls in another way must not pass for listed."""
    with pytest.raises(AttributeError):
        LoadedDice([]).gauss(0, 1)


@pytest.mark.parametrize("style", STYLES)
def test_whatever_a_writer_says_by_chance_is_in_its_list(style):
    """For requests whose lists are whole; those that are only drawn from have full size."""
    rng = random.Random(style)
    for kind in ("fact", "opinion", "unsafe", "sum"):
        prompt = WORLD.prompts(1, (kind,), seed=4)[0]
        listed = style_answers(WORLD.facts, prompt, style, 200)
        said = {write_answer(WORLD.facts, prompt, style, rng) for _ in range(300)}
        assert len(set(listed)) == len(listed)
        assert said <= set(listed) or len(listed) == 200


def test_large_trees_are_drawn_from_and_not_played_through():
    prompt = WORLD.prompts(1, ("story",))[0]
    assert LARGEST_TREE < 35 * 2 * 9 * 8
    assert len(style_answers(WORLD.facts, prompt, "long", 50)) == 50


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_request_has_a_response_space(kind):
    for prompt in WORLD.prompts(2, (kind,), seed=1):
        answers = WORLD.list_answers(prompt, 120)
        assert len(set(answers)) == 120 and all(answers)
        assert answers == PocketWorld().list_answers(prompt, 120)
        assert answers[:60] == WORLD.list_answers(prompt, 60)
        gold = [WORLD.gold(prompt, text) for text in answers]
        assert max(gold) >= 0.75 and min(gold) <= 0 and len(set(gold)) >= 5


def test_sizes_out_of_range_are_named():
    prompt = WORLD.prompts(1, ("fact",))[0]
    with pytest.raises(ValueError, match="size must be 2 or more"):
        WORLD.list_answers(prompt, 1)
    with pytest.raises(ValueError, match="size must be at most"):
        WORLD.list_answers(prompt, 100_000)
