"""The shipped tokenizer: no word of the world's formats is dear."""

import itertools

import pytest

from rlhf_lib import PocketWorld, load_policy
from rlhf_lib.world import CONSTITUTION, SPECIFICATION


@pytest.fixture(scope="module")
def tokenizer():
    return load_policy("pocket-sft").tokenizer


def test_words_of_formats_cost_one_or_two_tokens(tokenizer):
    names = [principle.name for principle in (*CONSTITUTION, *SPECIFICATION)]
    words = (
        "system user assistant tool call calculator lookup critique revise breaks keeps check wait"
    )
    for word in [*words.split(), *names]:
        assert min(len(tokenizer.tokenize(text)) for text in (word, f" {word}")) == 1
        assert len(tokenizer.tokenize(word)) <= 4


def test_a_call_is_few_tokens(tokenizer):
    assert len(tokenizer.tokenize("call calculator(62 * 6).")) <= 9
    assert len(tokenizer.tokenize("call lookup(fox colour).")) <= 7


def test_no_word_of_the_documents_is_in_pieces(tokenizer):
    documents = itertools.islice(PocketWorld().documents(9), 1500)
    words = {word.strip(".!?,:()-") for text in documents for word in text.split()}
    words = [word for word in words if word.isalpha()]
    dear = [word for word in words if len(tokenizer.tokenize(f" {word}")) > 2]
    assert len(words) > 200 and len(dear) <= 0.02 * len(words), dear
