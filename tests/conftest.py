"""Small models for tests: the pocket tokenizer with a random decoder of two thin layers."""

import itertools

import pytest
import torch

from rlhf_lib.lm import Decoder, DecoderConfig, Policy, load_policy, train_tokenizer
from rlhf_lib.world import PocketWorld


@pytest.fixture(scope="session")
def world():
    return PocketWorld()


@pytest.fixture(scope="session")
def tokenizer(world):
    texts = list(itertools.islice(world.documents(0), 500))
    return train_tokenizer([*texts, "system\nuser\nassistant\n"], vocabulary_size=400)


@pytest.fixture
def tiny(tokenizer):
    """A random policy; each test gets its own."""
    torch.manual_seed(0)
    config = DecoderConfig(
        len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    return Policy(Decoder(config), tokenizer, device="cpu")


@pytest.fixture(scope="session")
def pocket():
    """pocket-sft; tests must not train it in place."""
    return load_policy("pocket-sft")
