"""transformers keeps functions of torch when it first loads a model: these must be torch's own, not pretended."""

import pytest

from rlhf_lib import data_path


@pytest.fixture(scope="session", autouse=True)
def loaded_before():
    """A model of transformers, loaded before anything is pretended."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(data_path("models", "pocket-sft"))
