"""One model, several ways to ask and to score: likelihood of choices, words taken from an answer, templates."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from ..lm import EncodedAnswer, Policy, score_answers
from ..lm.chat import ChatFormat

BARE_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def without_template(policy: Policy) -> Policy:
    """The same weights, reading the text of a request alone: no roles, no special tokens."""
    bare = copy.copy(policy)
    bare.tokenizer = copy.deepcopy(policy.tokenizer)
    bare.tokenizer.chat_template = BARE_TEMPLATE
    bare.chat = ChatFormat(bare.tokenizer)
    return bare


def choice_logp(
    policy: Policy, prompts: Sequence, choices: Sequence[Sequence[str]], delimiter: str = ""
) -> list[Tensor]:
    """log-probability (K,), in nats, of each of a prompt's K choices as the next words, for each prompt.

    delimiter: put before each choice. No end token is asked for: a choice is what comes next, whatever
    follows it.

    Raises:
        ValueError: prompts and choices differ in length, or a prompt without choices.
    """
    if len(prompts) != len(choices) or not all(len(some) for some in choices):
        raise ValueError("choices must hold one list, not empty, for each of the prompts")
    encode = policy.tokenizer.encode
    starts = [policy.prompt_ids(prompt) for prompt in prompts]
    rows = [
        EncodedAnswer([*start, *encode(delimiter + text, add_special_tokens=False)], len(start))
        for start, some in zip(starts, choices, strict=True)
        for text in some
    ]
    return list(score_answers(policy, rows).split([len(some) for some in choices]))


def choose(
    logp: Sequence[Tensor], choices: Sequence[Sequence[str]], by_length: bool = False
) -> list[int]:
    """The likeliest choice of each item; by_length: likeliest for each character, as `acc_norm` has it."""
    lengths = [torch.tensor([len(text) if by_length else 1 for text in some]) for some in choices]
    return [int((lp.cpu() / n).argmax()) for lp, n in zip(logp, lengths, strict=True)]


def found_word(text: str, pattern: str, last: bool = False) -> str | None:
    """The first (or last) match of a regular expression with one group; None where there is none."""
    found = re.findall(pattern, text)
    return found[-1 if last else 0] if found else None


def plain_words(text: str) -> str:
    """Lower case, no punctuation, no articles, single blanks: what exact match is usually taken on."""
    bare = re.sub(r"[^\w\s]", " ", text.lower())
    return " ".join(word for word in bare.split() if word not in ("a", "an", "the"))


def exact_match(answers: Sequence[str], keys: Sequence[str]) -> list[bool]:
    """Whether each answer is its key, in `plain_words`.

    Raises:
        ValueError: lengths differ.
    """
    if len(answers) != len(keys):
        raise ValueError(f"answers and keys must be of one length; got {len(answers)}, {len(keys)}")
    pairs = zip(answers, keys, strict=True)
    return [plain_words(answer) == plain_words(key) for answer, key in pairs]
