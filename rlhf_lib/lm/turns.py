"""Completions of several turns: a tool's result or a user's next words between what the model writes.

Token-in, token-out: what was drawn stays as it was drawn, and what is put in between follows it as token
ids. Nothing is decoded and tokenised anew, which gives other ids and so trains on a text that was never
sampled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor

Reply = Callable[[int, list[int]], Sequence[int] | None]
"""reply(row, turn) -> token ids to put in, or None. `row` is a row of the result, `turn` the ids that it
has drawn since the last tokens that were put in, an end token included."""


class Turns:
    """What is to be put into each of `rows` completions while they are sampled.

    reply: asked whenever a row draws an end token, and once where it has drawn `budget` tokens of its own
        (to end its thinking, say). After None it goes on as it would have.
    max_replies: of one row. A row whose reply is one too many, or has no room with a token after it, ends
        where it is, unfinished.
    """

    def __init__(self, reply: Reply, rows: int, budget: int | None, max_replies: int) -> None:
        self.reply, self.budget, self.max_replies = reply, budget, max_replies
        self.waiting: list[deque[int]] = [deque() for _ in range(rows)]
        self.turn: list[list[int]] = [[] for _ in range(rows)]
        self.drawn, self.replies = [0] * rows, [0] * rows
        self.cut: list[int] = []

    def force(self, rows: Tensor, token: Tensor) -> tuple[Tensor, Tensor]:
        """The next tokens of `rows` (n,): put in where some wait, else as drawn; and which are drawn."""
        waiting = [self.waiting[row] for row in rows.tolist()]
        put_in = [ids.popleft() if ids else -1 for ids in waiting]
        forced = torch.tensor(put_in, device=token.device)
        return torch.where(forced < 0, token, forced), forced < 0

    def hear(self, rows: Tensor, token: Tensor, own: Tensor, ended: Tensor, left: int) -> Tensor:
        """Take note of these tokens (n,); returns which rows have ended. left: room for more tokens."""
        over = ended.tolist()
        for place, (row, id, mine) in enumerate(
            zip(rows.tolist(), token.tolist(), own.tolist(), strict=True)
        ):
            if mine:
                over[place] = self._after(row, id, over[place], left)
        return torch.tensor(over, device=ended.device)

    def _after(self, row: int, id: int, ended: bool, left: int) -> bool:
        """Whether a row is over after a token of its own."""
        self.turn[row].append(id)
        self.drawn[row] += 1
        if not ended and self.drawn[row] != self.budget:
            return False
        ids = self.reply(row, list(self.turn[row]))
        if ids is None:
            return ended
        if len(ids) >= left or self.replies[row] == self.max_replies:
            self.cut.append(row)
            return True
        self.replies[row] += 1
        self.waiting[row].extend(map(int, ids))
        self.turn[row] = []
        return False


def own_turns(completion_ids: Tensor, loss_mask: Tensor) -> list[list[list[int]]]:
    """Of each row of ids (B, T), the runs of tokens that the policy itself wrote."""
    return [
        own_turns_of(ids, mask)
        for ids, mask in zip(completion_ids.tolist(), loss_mask.tolist(), strict=True)
    ]


def own_turns_of(ids: Sequence[int], mask: Sequence[float]) -> list[list[int]]:
    """`own_turns` of one row."""
    runs = groupby(zip(ids, mask, strict=True), key=lambda pair: pair[1] > 0)
    return [[id for id, _ in run] for own, run in runs if own]
