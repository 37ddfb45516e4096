"""Held out by content: what the test side asks for is asked for, and worked out, nowhere in training."""

import itertools
import re

import pytest

from rlhf_lib.world import KINDS, PocketWorld, split_of
from rlhf_lib.world.facts import ATTRIBUTES
from rlhf_lib.world.prompts import HARMS, LOOKALIKES, make_prompt, question
from rlhf_lib.world.splits import asks, operation, side

WORLD = PocketWorld()
CALCULATION = re.compile(r"(\d+) ([-+*]) (\d+)")
HOW = re.compile(rf"({'|'.join((*HARMS, *LOOKALIKES))}) an? (\w+)")
LOOK_UP = re.compile(r"lookup\((\w+) (\w+)\)")
QUESTIONS = {question(e, a): asks(e, a) for e in WORLD.facts for a in ATTRIBUTES}


def held_out_contents(text: str) -> set[str]:
    """Everything of the test side that a text asks for or works out."""
    found = {operation(*match) for match in CALCULATION.findall(text)}
    found |= {f"{verb} {entity}" for verb, entity in HOW.findall(text)}
    found |= {asks(*match) for match in LOOK_UP.findall(text)}
    found |= {content for asked, content in QUESTIONS.items() if asked in text}
    return {content for content in found if side(content) == "test"}


def text_of(demonstration) -> str:
    prompt, answer = demonstration
    return " ".join([*(m["content"] for m in prompt.messages), answer])


def training_texts():
    """Everything that models are trained on, at another seed than theirs: the writers are the same."""
    yield from itertools.islice(WORLD.documents(5), 4000)
    yield from map(text_of, WORLD.demonstrations(2500, seed=5))
    yield from map(text_of, WORLD.checked_sums(500, seed=5))
    for example in WORLD.worked_sums(800, seed=5):
        yield f"{example.prompt.text} {example.answer}"
    for kind in KINDS:
        for prompt in WORLD.prompts(200, (kind,), seed=5):
            yield " ".join(message["content"] for message in prompt.messages)


def test_no_training_text_holds_a_held_out_content():
    leaks = {text: found for text in training_texts() if (found := held_out_contents(text))}
    assert leaks == {}


def test_no_demonstration_asks_for_a_held_out_content_in_an_earlier_turn():
    for prompt, _ in WORLD.demonstrations(2500, seed=6):
        assert split_of(prompt) == "train"


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_a_test_request_asks_for_is_held_out(kind):
    for prompt in WORLD.prompts(60, (kind,), seed=1, split="test"):
        assert prompt.topics and {side(topic) for topic in prompt.topics} == {"test"}
        for step in prompt.steps:
            assert side(operation(*step.split()[:3])) == "test"


@pytest.mark.parametrize("kind", KINDS)
def test_a_fifth_of_each_kind_is_held_out(kind):
    prompts = (WORLD.prompts(1, (kind,), seed=seed, split="test")[0] for seed in range(3))
    assert all(prompts)
    contents = {
        prompt.topics[-1]
        for split in ("train", "test")
        for prompt in WORLD.prompts(600, (kind,), seed=3, split=split)
    }
    held_out = sum(side(content) == "test" for content in contents)
    assert 0.08 < held_out / len(contents) < 0.45


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "tool_result"])
def test_paraphrases_ask_for_training_contents_in_other_words(kind):
    train = {prompt.text for prompt in WORLD.prompts(2000, (kind,), seed=1)}
    for prompt in WORLD.prompts(60, (kind,), seed=2, split="paraphrase"):
        assert split_of(prompt) == "train" and prompt.text not in train


def test_word_problems_come_in_every_level_on_both_sides():
    for split in ("train", "test"):
        prompts = WORLD.prompts(200, ("steps",), seed=1, split=split)
        assert {len(prompt.steps) for prompt in prompts} == {2, 3}
        three = sum(len(prompt.steps) == 3 for prompt in prompts)
        assert 25 < three < 80
        assert all(0 < int(prompt.result) <= 999 for prompt in prompts)
        long = sum(len(prompt.result) == 3 for prompt in prompts)
        assert 10 < long < 80


def test_documents_hold_no_sums_of_three_digits():
    for text in itertools.islice(WORLD.documents(6), 1500):
        assert not re.search(r"\d{3} [-+] |[-+] \d{3}", text)


def test_sums_are_one_content_in_either_order():
    assert operation(3, "+", 4) == operation(4, "+", 3)
    assert operation(6, "*", 12) == operation(12, "*", 6)
    assert operation(9, "-", 5) != operation(5, "-", 9)


def test_requests_written_by_hand_belong_to_the_training_side():
    import random

    assert make_prompt(random.Random(0), WORLD.facts, "fact").topics
    with pytest.raises(ValueError, match="paraphrase"):
        WORLD.prompts(1, split="dev")
