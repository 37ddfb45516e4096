"""What is trained on in a conversation: our masks, transformers' assistant masks and TRL's labels are the same."""

import importlib.util
import random

import pytest

from rlhf_lib.lm import load_policy
from rlhf_lib.lm.tokenizer import CHAT_TEMPLATE
from rlhf_lib.runtime import data_path
from tests.interop import ways

FOLDER = data_path("models", "pocket-sft")
WORDS = [
    "a",
    "fox",
    "is",
    "red",
    ".",
    "call",
    "it",
    "12",
    "+",
    "7",
    "=",
    "\n",
    "é",
    "狐",
    "owl,",
    "don't!",
]


def conversation(rng: random.Random) -> list[dict]:
    """A system prompt perhaps, one to four questions and answers, some of these by way of a tool."""

    def says(role: str, shortest: int = 1) -> dict:
        words = rng.choices(WORDS, k=rng.randint(shortest, 8))
        return {"role": role, "content": " ".join(words)}

    messages = [says("system")] if rng.random() < 0.3 else []
    for _ in range(rng.randint(1, 4)):
        messages.append(says("user"))
        while rng.random() < 0.3:
            messages += [says("assistant"), says("tool")]
        messages.append(says("assistant", shortest=0))
    return messages


CONVERSATIONS = [conversation(random.Random(seed)) for seed in range(200)]


@pytest.fixture(scope="module")
def policy():
    return load_policy(str(FOLDER), device="cpu")


def theirs(policy, messages: list[dict]) -> tuple[list[int], list[int]]:
    """Token ids and transformers' mask of the assistant's tokens."""
    found = policy.tokenizer.apply_chat_template(
        messages, return_dict=True, return_assistant_tokens_mask=True
    )
    return found["input_ids"], found["assistant_masks"]


def ours(policy, messages: list[dict]) -> tuple[list[int], list[int]]:
    """The same from `encode_conversations`."""
    rollout = policy.encode_conversations([messages])
    before = rollout.prompt_length
    mask = [0] * before + rollout.loss_mask[0].int().tolist()
    there = rollout.attention_mask[0].bool().tolist()
    ids = rollout.token_ids[0].tolist()
    return [i for i, t in zip(ids, there, strict=True) if t], [
        m for m, t in zip(mask, there, strict=True) if t
    ]


def test_our_masks_are_those_of_transformers(policy):
    """The line break after the last end token is part of the template, and of no answer."""
    for messages in CONVERSATIONS:
        (their_ids, their_mask), (ids, mask) = theirs(policy, messages), ours(policy, messages)
        assert ids == their_ids[: len(ids)], messages
        assert mask == their_mask[: len(ids)], messages
        assert not any(their_mask[len(ids) :]) and len(their_ids) <= len(ids) + 1


def test_masked_tokens_are_the_answers_with_their_ends(policy):
    for messages in CONVERSATIONS:
        ids, mask = theirs(policy, messages)
        kept = policy.tokenizer.decode([i for i, m in zip(ids, mask, strict=True) if m])
        said = [m["content"] + "<|im_end|>" for m in messages if m["role"] == "assistant"]
        assert kept == "".join(said)


def test_the_shipped_template_has_the_marks(policy):
    assert "{% generation %}" in CHAT_TEMPLATE
    assert policy.tokenizer.chat_template == CHAT_TEMPLATE


@pytest.mark.skipif(
    importlib.util.find_spec("trl") is None, reason="trl is not installed here: `make interop`"
)
def test_our_masks_are_the_labels_of_trl(policy, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    settings = ways.trl_common(str(tmp_path), per_device_train_batch_size=1)
    config = SFTConfig(**settings, assistant_only_loss=True, shuffle_dataset=False)
    data = Dataset.from_list([{"messages": messages} for messages in CONVERSATIONS])
    trainer = SFTTrainer(str(FOLDER), args=config, train_dataset=data)
    trainer._get_train_sampler = lambda dataset=None: range(len(data))
    for messages, batch in zip(CONVERSATIONS, trainer.get_train_dataloader(), strict=True):
        ids, mask = ours(policy, messages)
        labels = batch["labels"][0, : len(ids)].tolist()
        assert batch["input_ids"][0, : len(ids)].tolist() == ids
        assert [label != -100 for label in labels] == [bool(m) for m in mask]
