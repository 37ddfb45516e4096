"""The pocket tokenizer: byte-level BPE with single digits and a ChatML chat template."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD, END_OF_TEXT, TURN_START, TURN_END = "<|pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"

PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Names of transformers' class for a tokenizer that is wholly described by tokenizer.json."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% set said = message.get('content') or '' %}"
    "{% set calls = namespace(text=said) %}"
    "{% for call in message.get('tool_calls') or [] %}"
    "{% set tool = call.get('function', call) %}"
    "{% set given = tool['arguments'] %}"
    "{% set given = given.values() | join(' ') if given is mapping else given %}"
    "{% set gap = ' ' if calls.text else '' %}"
    "{% set calls.text = calls.text + gap + 'call ' + tool['name'] + '(' + given + ').' %}"
    "{% endfor %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ calls.text + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ calls.text + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML. A message's `tool_calls` are written as text: 'call calculator(27 * 3).'. What the assistant says,
with its end token, stands in {% generation %} marks, so that
`apply_chat_template(..., return_assistant_tokens_mask=True)` knows it.
"""

WORDS = r" ?[A-Za-z_]+|[0-9]| [-+*=] | ?[^\sA-Za-z0-9_]+|\s+"
"""How a text is cut before bytes are merged: words with the space before them, single digits, signs between
two spaces, punctuation, and white space.
"""


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = 1024) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE vocabulary from `texts`. Any Unicode text can be encoded and comes back.

    Tokens never reach over the pieces that `WORDS` cuts, so that a number is its digits.

    Raises:
        ValueError: a vocabulary too small for the 256 bytes and the 4 special tokens.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if vocabulary_size < 260:
        raise ValueError(f"vocabulary_size must be 260 or more; got {vocabulary_size}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[PAD, END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=TURN_END,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder (or Hub id), through transformers.

    Where the folder says that tokenizer.json is all there is to it, as ours do, it is read by that class:
    AutoTokenizer loads two seconds' worth of code for models first.
    """
    settings = Path(folder) / "tokenizer_config.json"
    if (
        settings.exists()
        and json.loads(settings.read_text(encoding="utf-8")).get("tokenizer_class") in PLAIN
    ):
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(folder)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)
