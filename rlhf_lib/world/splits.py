"""What is held out: contents, not texts.

A content is a pair of numbers with its sign (in either order for + and *), a fact that is asked for, a
harm (or its look-alike) done to an animal, or an animal that is to be told about. One content in five
is on the test side. No training request, document or demonstration *asks* for it, in any words, and no
number pair of the test side is written down anywhere in them. Facts themselves are stated in documents:
that a fox is red is read in pre-training, and whether a fox's colour is *asked* for there depends on its
side. Small numbers occur on both sides, in different pairs.
"""

from __future__ import annotations

import zlib
from typing import Literal

SPLITS = ("train", "test", "paraphrase")
SALT = 854
"""Chosen so that every attribute, harm and sign has about a fifth of its contents held out."""


def side(content: str) -> Literal["train", "test"]:
    """The side that a content is on; it never moves."""
    return "test" if zlib.crc32(f"{SALT} {content}".encode()) % 5 == 0 else "train"


def asks(entity: str, attribute: str) -> str:
    """The content of every request for this fact: a question, an opinion, a look-up."""
    return f"ask {entity} {attribute}"


def operation(a: int | str, sign: str, b: int | str) -> str:
    """The content of a calculation; 3 + 4 and 4 + 3 are one."""
    a, b = int(a), int(b)
    return f"{a} - {b}" if sign == "-" else f"{min(a, b)} {sign} {max(a, b)}"
