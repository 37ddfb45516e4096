"""Conversations as lists of messages: checked, told apart into what is asked and what is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..lm.chat import as_text

Turn = dict[str, Any]

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
"""Names of roles as they come -> ours (ShareGPT says human and gpt)."""

_SPEAKER = re.compile(r"\n\n(Human|Assistant|System):")


def turns_of(value: Any, column: str, speaker: str = "user") -> list[Turn]:
    """A column's value as messages: a text is one turn of `speaker`, or a whole transcript
    ("\\n\\nHuman: ... \\n\\nAssistant: ..."); messages are checked and brought to role and content.

    Raises:
        ValueError: neither text nor messages; an unknown role; content that is not text. The message
            begins with `column`.
    """
    if isinstance(value, str):
        listed = _listed(value, column)
        if listed is None:
            return transcript(value) or [{"role": speaker, "content": value}]
        value = listed
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or not value:
        raise ValueError(f"{column} must be a text or a list of messages; got {_name(value)}")
    return [_turn(message, f"{column}, message {i}") for i, message in enumerate(value)]


def asked_of(value: Any, column: str = "prompt") -> list[Turn]:
    """A prompt's value as messages; the "Assistant:" that ends a transcript's prompt is no turn."""
    turns = turns_of(value, column)
    begins = isinstance(value, str) and turns[-1] == {"role": "assistant", "content": ""}
    return turns[:-1] if begins else turns


def transcript(text: str) -> list[Turn] | None:
    """The turns of an hh-rlhf transcript; None if the text is not one."""
    text = "\n\n" + text.lstrip("\n")
    pieces = _SPEAKER.split(text)
    if pieces[0] or "Assistant" not in pieces or pieces[1] == "Assistant":
        return None
    names = {"Human": "user", "Assistant": "assistant", "System": "system"}
    return [
        {"role": names[name], "content": said.strip()}
        for name, said in zip(pieces[1::2], pieces[2::2], strict=True)
    ]


def _listed(text: str, column: str) -> list | None:
    """Messages that stand in a text as JSON (as in a CSV cell); None for an ordinary text.

    Raises:
        ValueError: a list that Python printed, which cannot be read back safely.
    """
    if not (text.startswith("[{") and text.rstrip().endswith("}]")):
        return None
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        if re.match(r"\[\{'(role|content|from|value)'", text):
            raise ValueError(
                f"{column} holds a list of messages as Python prints it; save the rows as JSON Lines "
                "or parquet"
            ) from None
        return None
    return found if any(key in found[0] for key in ("role", "from")) else None


def _turn(message: Any, where: str) -> Turn:
    if not isinstance(message, Mapping):
        raise ValueError(f"{where} must have a role and a content; got {_name(message)}")
    turn = {key: value for key, value in message.items() if value is not None}
    if "role" not in turn and "from" in turn:
        turn = {"role": turn.pop("from"), "content": turn.pop("value", None), **turn}
    role = turn.get("role")
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise ValueError(f"{where}: role must be one of {', '.join(ROLES)}; got {role!r}")
    content = turn.get("content", "" if turn.get("tool_calls") else None)
    return {**turn, "role": ROLES[role.lower()], "content": as_text(content, where)}


def split_answer(turns: list[Turn], column: str) -> tuple[list[Turn], str]:
    """A whole conversation -> (what stands before, the text of the last answer); see `answer_text`."""
    return turns[:-1], answer_text(turns[-1], column)


def answer_text(turn: Turn, column: str) -> str:
    """The text of an answer.

    Raises:
        ValueError: another one's turn, or a tool call in a field of its own.
    """
    if turn["role"] != "assistant":
        raise ValueError(f"{column} must end in the assistant's turn, not in the {turn['role']}'s")
    if turn.get("tool_calls"):
        raise ValueError(f"{column} ends in a tool call in a field of its own; write it as text")
    return turn["content"]


def complete(asked: list[Turn], answer: list[Turn], column: str) -> list[Turn]:
    """The prompt column and an answer column as one whole conversation, each turn once.

    The answer may hold all of `asked` (and more before or after it), overlap with its end, or go on
    where it ends.

    Raises:
        ValueError: the two don't fit together.
    """
    begun = answer[:-1]
    for start in range(len(begun) - len(asked) + 1):
        if _all_alike(begun[start : start + len(asked)], asked):
            return answer
    for shared in range(min(len(asked), len(begun)), 0, -1):
        if _all_alike(asked[-shared:], begun[:shared]):
            return asked[:-shared] + answer
    if begun and asked[-1]["role"] == "user" and begun[0]["role"] in ("user", "system"):
        raise ValueError(f"the prompt is not the beginning of the conversation in {column}")
    return asked + answer


def common_beginning(first: list[Turn], second: list[Turn]) -> int:
    """How many turns two conversations share; the last turn of each is not counted."""
    length = min(len(first), len(second)) - 1
    return next((i for i in range(length) if not _alike(first[i], second[i])), length)


def _all_alike(first: list[Turn], second: list[Turn]) -> bool:
    return all(_alike(a, b) for a, b in zip(first, second, strict=True))


def _alike(first: Turn, second: Turn) -> bool:
    """The same turn, but for white space at its ends."""
    a, b = ({**turn, "content": turn["content"].strip()} for turn in (first, second))
    return a == b


def _name(value: Any) -> str:
    return "nothing" if value is None or value == [] else type(value).__name__
