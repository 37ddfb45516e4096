"""Ways to ask one model and to score it."""

import pytest
import torch

from rlhf_lib.evaluation import (
    choice_logp,
    choose,
    exact_match,
    found_word,
    plain_words,
    without_template,
)
from rlhf_lib.lm import encode_answers, score_answers


def test_a_choice_is_scored_as_its_tokens_without_an_end(tiny):
    [found] = choice_logp(tiny, ["how big is an ant?"], [["tiny", "an ant is tiny."]])
    whole = score_answers(
        tiny, encode_answers(tiny, ["how big is an ant?"] * 2, ["tiny", "an ant is tiny."])
    )
    assert found.shape == (2,) and (found > whole).all(), "the end token would cost more"


def test_without_template_the_text_stands_alone(tiny):
    bare = without_template(tiny)
    assert bare.prompt_ids("how big?") == tiny.tokenizer.encode(
        "how big?", add_special_tokens=False
    )
    assert tiny.prompt_ids("how big?") != bare.prompt_ids("how big?"), (
        "the first policy keeps its own"
    )


def test_length_changes_the_choice():
    logp, choices = [torch.tensor([-2.0, -3.0])], [["no", "certainly not"]]
    assert choose(logp, choices) == [0] and choose(logp, choices, by_length=True) == [1]


def test_choices_are_needed(tiny):
    with pytest.raises(ValueError, match="choices"):
        choice_logp(tiny, ["a"], [[]])


def test_words_are_found_and_compared():
    assert found_word("a fox is red. it eats mice.", r"(\w+)\.") == "red"
    assert found_word("a fox is red. it eats mice.", r"(\w+)\.", last=True) == "mice"
    assert found_word("nothing", r"(\w+)\.") is None
    assert plain_words("The  Fox, is red!") == "fox is red"
    assert exact_match(["A fox is red.", "red red"], ["fox is red", "red"]) == [True, False]
    with pytest.raises(ValueError, match="one length"):
        exact_match(["a"], [])
