"""One conversation written in many ways: as in training, nine ways to get it wrong, and other families."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ...lm import Policy
from ...lm.sampling import sample

Messages = Sequence[dict]

OPENING = "<|im_start|>assistant\n"
"""ChatML's generation prompt: where an answer begins."""


def chatml(messages: Messages) -> str:
    """The turns of a conversation in ChatML, without the opening of the next answer."""
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)


def as_in_training(messages: Messages) -> str:
    """What pocket models were fine-tuned on: ChatML, and the opening of the answer."""
    return chatml(messages) + OPENING


def other_family(messages: Messages) -> str:
    """The same conversation as a model of another family would want it."""
    return "".join(f"### {m['role']}:\n{m['content']}\n" for m in messages) + "### assistant:\n"


def with_system(messages: Messages) -> str:
    """A system prompt in front, as some templates put in by default."""
    return as_in_training(
        [{"role": "system", "content": "you are a helpful assistant."}, *messages]
    )


def twice(messages: Messages) -> str:
    """The template applied to its own result, as if that were what a user said."""
    return as_in_training([{"role": "user", "content": as_in_training(messages)}])


WAYS: dict[str, Callable[[Messages], str]] = {
    "as in training": as_in_training,
    "no generation prompt": chatml,
    "no line end after “assistant”": lambda m: as_in_training(m)[:-1],
    "one space too many": lambda m: as_in_training(m) + " ",
    "tags as plain letters": lambda m: as_in_training(m).replace("<|", "[").replace("|>", "]"),
    "no end tokens": lambda m: as_in_training(m).replace("<|im_end|>", ""),
    "a system prompt it never saw": with_system,
    "another family (### user:)": other_family,
    "template applied twice": twice,
    "plain text": lambda m: m[-1]["content"] + " ",
}
"""The right way first, then nine wrong ones."""

FAMILIES = {
    "ChatML": (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "Zephyr": (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '</s>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    "Tülu": (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content }}"
        "{{ '<|endoftext|>' if m.role == 'assistant' else '' }}{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
    "Llama 3": (
        "{{ '<|begin_of_text|>' }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
        "'<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
}
"""Chat templates of four families in Jinja, without what they say of tools."""


@torch.no_grad()
def go_on(
    policy: Policy, texts: Sequence[str], seed: int | None = None, **settings
) -> tuple[list[str], list[bool]]:
    """What a policy writes after raw texts, no template between, and whether it ends by itself.

    settings: as `sampling.sample` takes them; 40 new tokens unless they say otherwise.
    """
    rows = [policy.tokenizer.encode(text, add_special_tokens=False) for text in texts]
    width = max(map(len, rows))
    ids = [[policy.pad_token] * (width - len(row)) + row for row in rows]
    mask = [[0.0] * (width - len(row)) + [1.0] * len(row) for row in rows]
    drawn = sample(
        policy.model,
        torch.tensor(ids, device=policy.device),
        torch.tensor(mask, device=policy.device),
        end_token=policy.end_tokens,
        pad_token=policy.pad_token,
        seed=seed,
        **{"max_new_tokens": 40, **settings},
    )
    return policy.decode(drawn.completion_ids), drawn.finished.tolist()
