"""The chat template: what is rendered, and which tokens are the assistant's."""

import pytest

from rlhf_lib.lm import train_tokenizer
from rlhf_lib.lm.tokenizer import CHAT_TEMPLATE

CHAT = [
    {"role": "system", "content": "you are a clerk."},
    {"role": "user", "content": "what is 27 * 3?"},
    {"role": "assistant", "content": "27 * 3 = 81."},
    {"role": "user", "content": "and a fox?"},
    {"role": "assistant", "content": "a fox is red."},
]
CALL = {"type": "function", "function": {"name": "calculator", "arguments": "27 * 3"}}
TOOLS = [
    {"role": "user", "content": "what is 27 * 3?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "81"},
    {"role": "assistant", "content": "27 * 3 = 81."},
]


@pytest.fixture(scope="module")
def tokenizer():
    texts = [message["content"] for message in CHAT] * 50
    return train_tokenizer([*texts, "system\nuser\nassistant\ntool\n" * 50], 400)


def rendered(tokenizer, messages, **settings):
    return tokenizer.apply_chat_template(messages, tokenize=False, **settings)


def test_messages_are_rendered_as_plain_chatml(tokenizer):
    plain = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in CHAT)
    assert rendered(tokenizer, CHAT) == plain
    start = "<|im_start|>assistant\n"
    assert rendered(tokenizer, CHAT, add_generation_prompt=True) == plain + start


def test_the_assistants_mask_holds_its_words_and_end_tokens_alone(tokenizer):
    found = tokenizer.apply_chat_template(CHAT, return_dict=True, return_assistant_tokens_mask=True)
    marked = zip(found["input_ids"], found["assistant_masks"], strict=True)
    said = tokenizer.decode([token for token, mark in marked if mark])
    assert said == "27 * 3 = 81.<|im_end|>a fox is red.<|im_end|>"


@pytest.mark.parametrize("arguments", ["27 * 3", {"expression": "27 * 3"}])
def test_a_tool_call_is_written_as_text(tokenizer, arguments):
    call = {"type": "function", "function": {"name": "calculator", "arguments": arguments}}
    messages = [TOOLS[0], {**TOOLS[1], "tool_calls": [call]}, *TOOLS[2:]]
    text = rendered(tokenizer, messages)
    assert "<|im_start|>assistant\ncall calculator(27 * 3).<|im_end|>\n" in text
    assert "<|im_start|>tool\n81<|im_end|>\n" in text


def test_calls_follow_what_is_said_and_missing_content_is_nothing(tokenizer):
    messages = [TOOLS[0], {"role": "assistant", "content": "wait.", "tool_calls": [CALL, CALL]}]
    assert "wait. call calculator(27 * 3). call calculator(27 * 3).<|im_end|>" in rendered(
        tokenizer, messages
    )
    silent = [TOOLS[0], {"role": "assistant", "tool_calls": [CALL]}, {"role": "assistant"}]
    assert rendered(tokenizer, silent).endswith("<|im_start|>assistant\n<|im_end|>\n")


def test_the_mask_leaves_a_tools_result_out(tokenizer):
    found = tokenizer.apply_chat_template(
        TOOLS, return_dict=True, return_assistant_tokens_mask=True
    )
    marked = zip(found["input_ids"], found["assistant_masks"], strict=True)
    said = tokenizer.decode([token for token, mark in marked if mark])
    assert said == "call calculator(27 * 3).<|im_end|>27 * 3 = 81.<|im_end|>"


def test_any_text_comes_back_and_numbers_are_their_digits(tokenizer):
    text = "Größe  \t a_b\n\n 日本 -3 = -4 — 🙂 12 + 345."
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.tokenize("345")) == 3
    assert "generation" in CHAT_TEMPLATE
