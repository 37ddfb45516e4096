"""Prompts as token ids: messages, the chat template, and the tokens that end a turn."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from functools import partial

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ':\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:\n' }}{% endif %}"
)
"""For a tokenizer without a chat template: 'user:', a line break, the text, an empty line."""

PROMPTS_KEPT = 20_000
"""Prompts whose token ids are remembered; the oldest goes first."""

PROBE = "Qx7"
"""An answer that every template writes as it is, to see what stands around it."""


class ChatFormat:
    """How one tokenizer writes conversations.

    arguments: what the template takes besides messages, such as {"enable_thinking": False} or {"tools": [...]}.
    control_in_content: whether '<|im_end|>' and the like, written in the text of a user, a system prompt or
        a tool, become control tokens. By default they stay text: only the template, and an assistant's own
        turns, make control tokens.
    """

    def __init__(self, tokenizer, arguments: dict | None = None) -> None:
        self.tokenizer = tokenizer
        self.arguments = dict(arguments or {})
        self.control_in_content = False
        self._known: dict[tuple, list[int]] = {}
        self._openings: dict[str, str] = {}
        if tokenizer.chat_template is None:
            tokenizer.chat_template = _plain_template(tokenizer)

    def prompt_ids(self, prompt) -> list[int]:
        """The token ids of one prompt, ready for the assistant's turn.

        A prompt that ends in an assistant's turn is gone on with, as if the policy had begun that answer.

        Raises:
            ValueError: messages that the template cannot write.
        """
        messages = as_messages(prompt)
        settings = (messages, self.arguments, self.control_in_content)
        key = (str(self.tokenizer.chat_template), json.dumps(settings, default=repr))
        if key not in self._known:
            self._known[key] = self._encode(messages)
            if len(self._known) > PROMPTS_KEPT:
                del self._known[next(iter(self._known))]
        return list(self._known[key])

    def _encode(self, messages: list[dict]) -> list[int]:
        *before, last = messages
        if last["role"] != "assistant":
            return self._turn_ids(messages)
        if not before or last.get("tool_calls"):
            raise ValueError(
                "a prompt that ends in an assistant's turn needs a turn before it, and a text to go on "
                "with; after a tool call, add the tool's result"
            )
        begun = self.tokenizer.encode(last["content"], add_special_tokens=False)
        return self._turn_ids(before) + begun

    def _turn_ids(self, messages: list[dict]) -> list[int]:
        """Ids of whole turns and of the opening of the answer."""
        text, encode = self.text(messages), partial(self.tokenizer.encode, add_special_tokens=False)
        control = () if self.control_in_content else control_tokens(self.tokenizer)
        typed = [m["content"] for m in messages if m["role"] != "assistant"]
        if not any(token in content for token in control for content in typed):
            return encode(text + self.opening())
        ids = self._apply(messages, tokenize=True, return_dict=False, sanitize_control_tokens=True)
        return ids + encode(self.opening())

    def text(self, messages: list[dict]) -> str:
        """What the template makes of the messages, up to the next answer."""
        text = self._apply(messages, tokenize=False)
        for name in (_name(call) for m in messages for call in m.get("tool_calls") or ()):
            if name not in text:
                raise ValueError(
                    f"the chat template leaves out tool_calls (here of {name!r}): write the call into "
                    "the message's content, or set a tokenizer.chat_template that writes them"
                )
        return text

    def answer(self, messages: list[dict]) -> str:
        """What the template writes of the last message, an assistant's, after the opening of its turn.

        Raises:
            ValueError: it does not write the turn as it opens one.
        """
        before = self.text(messages[:-1]) + self.opening()
        whole = self._apply(messages, add_generation_prompt=False, tokenize=False)
        if not whole.startswith(before):
            raise ValueError(
                "the chat template does not write an answer after the opening that it has"
            )
        return whole[len(before) :]

    def _apply(self, messages: list[dict], add_generation_prompt: bool = True, **settings):
        from jinja2 import TemplateError

        try:
            return self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=add_generation_prompt, **self.arguments, **settings
            )
        except TemplateError as error:
            raise ValueError(f"the chat template refuses these messages: {error}") from error

    def opening(self) -> str:
        """What the template should have written before an answer and did not: '' unless it ignores
        `add_generation_prompt`, which is said once.
        """
        key = str(self.tokenizer.chat_template)
        if key not in self._openings:
            self._openings[key] = self._missing_opening()
        return self._openings[key]

    def _missing_opening(self) -> str:
        asked, _ = self._around_answer()
        if not asked:
            return ""
        turn = [{"role": "user", "content": PROBE}]
        written = self._apply(turn, tokenize=False)
        closed = self._apply(turn, tokenize=False, add_generation_prompt=False)
        missing = asked[len(written) :]
        if written != closed or not asked.startswith(written) or not missing.strip():
            return ""
        warnings.warn(
            f"the chat template ignores add_generation_prompt; {missing!r} is put before answers. Mend it "
            "by '{% if add_generation_prompt %}...{% endif %}' at its end",
            stacklevel=2,
        )
        return missing

    def turn_end(self) -> int | None:
        """The control token that the template writes after an answer, or None."""
        _, after = self._around_answer()
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        ids = self.tokenizer.encode(after, add_special_tokens=False)
        return next((i for i in ids if i in special), None)

    def _around_answer(self) -> tuple[str, str]:
        """What stands before and after an answer to one user's turn; empty where the template has no such."""
        turns = [{"role": "user", "content": PROBE}, {"role": "assistant", "content": PROBE}]
        try:
            text = self._apply(turns, add_generation_prompt=False, tokenize=False)
        except ValueError:
            return "", ""
        before, found, after = text.rpartition(PROBE)
        return (before, after) if found else ("", "")


def as_messages(prompt) -> list[dict]:
    """Any kind of prompt as a list of messages, each with a role and a text as content.

    A row of data is one with a prompt or messages. Parts of text are joined by line breaks; a message
    that only calls a tool has the content ''.

    Raises:
        ValueError: not a prompt, or a message without role or text, by its number.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if isinstance(prompt, Mapping):  # a row of data
        return as_messages(prompt.get("prompt", prompt.get("messages")))
    messages = getattr(prompt, "messages", prompt)
    if not isinstance(messages, list | tuple) or not all(isinstance(m, dict) for m in messages):
        raise ValueError(
            f"a prompt is a text, messages, or has .messages; got {type(prompt).__name__}"
        )
    if not messages:
        raise ValueError("a prompt needs at least one message; got an empty list")
    return [_message(message, number) for number, message in enumerate(messages)]


def _message(message: dict, number: int) -> dict:
    """The message without empty fields, its content a text."""
    given = {name: value for name, value in message.items() if value is not None}
    role, content = given.get("role"), given.get("content", "")
    if not isinstance(role, str):
        raise ValueError(f"message {number} needs a role: 'system', 'user', 'assistant' or 'tool'")
    if "content" not in given and not given.get("tool_calls"):
        raise ValueError(f"message {number} ({role}) has no content")
    return {**given, "role": role, "content": as_text(content, f"message {number} ({role})")}


def as_text(content, owner: str = "content") -> str:
    """A text, or a list of text parts {'type': 'text', 'text': ...} (joined by line breaks), as text.

    Raises:
        ValueError: anything else, pictures say; `owner` names where it stands.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else [content]
    texts: list = [part.get("text") if isinstance(part, dict) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(
            f"{owner}: content must be a text or a list of text parts; got {content!r}"
        )
    return "\n".join(texts)


def control_tokens(tokenizer) -> tuple[str, ...]:
    """Texts that are control tokens: special ones, and added ones that the chat template writes."""
    template = str(tokenizer.chat_template)
    added = tokenizer.added_tokens_decoder.values()
    named = [t.content for t in added if t.special or t.content in template]
    return tuple(text for text in named if text.strip())


def find_end_tokens(
    tokenizer, chat: ChatFormat, others: Sequence[int], size: int
) -> tuple[int, ...]:
    """All token ids that end an answer, first the one to write after answers in training.

    That is the one that the chat template writes there, else the tokenizer's. others: the ids that the
    checkpoint's configurations name. size: of the vocabulary; ids outside it are left out.

    Raises:
        ValueError: there is none.
    """
    found = [chat.turn_end(), tokenizer.eos_token_id, *others]
    ends = dict.fromkeys(i for i in found if i is not None and 0 <= i < size)
    if not ends:
        raise ValueError(
            "no token ends an answer: give the tokenizer one, as in tokenizer.eos_token = '</s>'"
        )
    return tuple(ends)


def find_pad_token(tokenizer, end_token: int, size: int) -> int:
    """The tokenizer's pad token where the model has a place for it, else the end token.

    Padding is masked everywhere, so it does not matter that the end token stands for it.
    """
    pad = tokenizer.pad_token_id
    return pad if pad is not None and 0 <= pad < size else end_token


def _plain_template(tokenizer) -> str:
    if tokenizer.eos_token is None:
        raise ValueError(
            "the tokenizer has no chat template and no end token: give it one, as in "
            "tokenizer.eos_token = '</s>'"
        )
    warnings.warn(
        "the tokenizer has no chat template: prompts are written as 'user:\\n...\\n\\nassistant:\\n'. "
        "Set tokenizer.chat_template for another form",
        stacklevel=2,
    )
    begins = tokenizer.bos_token is not None and tokenizer("").input_ids[:1] == [
        tokenizer.bos_token_id
    ]
    return ("{{ bos_token }}" if begins else "") + PLAIN_TEMPLATE


def _name(call: dict) -> str:
    """The name of the function that a tool call asks for."""
    return str(call.get("function", call).get("name", ""))
