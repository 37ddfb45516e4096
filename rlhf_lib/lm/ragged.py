"""Completions of unequal length through a model, with little spent on padding and on repeated prompts.

Shapes: B completions of up to T tokens, after prompts padded on the left to P; H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .decoder import Decoder, GrowingCache
from .modes import forward_passes
from .rollout import Rollout, end_of

PADDING_ALLOWED = 150
"""Tokens of padding in a group; a further forward pass of a small model costs about as much."""

SHARED_FROM = 3
"""Completions per different prompt from which on a prompt is read once and its keys and values are shared."""


TOKENS_AT_ONCE = 16_384
"""Tokens in a group, padding included, so that memory is bounded however long and many the rows are."""


def length_groups(lengths: Sequence[int], largest: int = 256) -> list[list[int]]:
    """Row numbers in groups of like length.

    A group has at most `largest` rows, TOKENS_AT_ONCE tokens (or one row) and PADDING_ALLOWED padding.
    """
    groups: list[list[int]] = []
    tokens = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        last = groups[-1] if groups else []
        padding = len(last) * lengths[i] - tokens
        room = len(last) < largest and (len(last) + 1) * lengths[i] <= TOKENS_AT_ONCE
        if last and room and padding <= PADDING_ALLOWED:
            last.append(i)
            tokens += lengths[i]
        else:
            groups.append([i])
            tokens = lengths[i]
    return groups


def completion_states(model, rollout: Rollout, before: bool = False) -> Tensor:
    """Last hidden states (B, T, H) at the completion's tokens; at padding they mean nothing.

    before: at the token before each instead, from which it is predicted. Both ways of getting them equal
    one padded pass through `Decoder.forward` (tests/lm/test_ragged.py, with gradients).
    """
    first, prompt_of = different_rows(rollout.token_ids[:, : rollout.prompt_length])
    with forward_passes(model, rollout.token_ids.device):
        if isinstance(model, Decoder) and SHARED_FROM * len(first) <= rollout.batch_size:
            return _behind_shared_prompts(model, rollout, before, first, prompt_of)
        return _one_by_one(model, rollout, before)


def different_rows(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Where each different row of ids (B, P) stands first (N,), and which of these each row is (B,)."""
    numbers: dict[tuple, int] = {}
    rows = [numbers.setdefault(tuple(row), len(numbers)) for row in ids.tolist()]
    first = [rows.index(number) for number in range(len(numbers))]
    return torch.tensor(first, device=ids.device), torch.tensor(rows, device=ids.device)


def _one_by_one(model, rollout: Rollout, before: bool) -> Tensor:
    """Each prompt with its completion, all padding on the right, where a causal model never looks."""
    mask, width = rollout.attention_mask, rollout.completion_mask.shape[1]
    starts, lengths = mask.argmax(1), mask.sum(1).long() - int(before)
    steps = torch.arange(mask.shape[1], device=mask.device)

    def states_of(rows: Tensor) -> Tensor:
        longest = int(lengths[rows].max())
        columns = (starts[rows, None] + steps[:longest]).clamp(max=len(steps) - 1)
        states = model.hidden_states(rollout.token_ids[rows].gather(1, columns))
        places = rollout.prompt_length - starts[rows, None] + steps[:width] - int(before)
        places = places.clamp(max=longest - 1)[..., None].expand(-1, -1, states.shape[-1])
        return states.gather(1, places)

    return by_length(states_of, lengths)


def _behind_shared_prompts(
    model: Decoder, rollout: Rollout, before: bool, first: Tensor, prompt_of: Tensor
) -> Tensor:
    """Each different prompt once, and its completions go on from there."""
    ids, mask, start = rollout.token_ids, rollout.attention_mask, rollout.prompt_length
    lengths, width = end_of(rollout.completion_mask) - int(before), rollout.completion_mask.shape[1]
    cache = GrowingCache(model.config)
    prompts = model.hidden_states(ids[first, :start], mask[first, :start], cache)

    def states_of(rows: Tensor) -> Tensor:
        stop = start + int(lengths[rows].max())
        found = [prompts[prompt_of[rows], -1:]] if before else []
        if stop > start:
            known = cache.rows(prompt_of[rows])
            found.append(model.hidden_states(ids[rows, start:stop], mask[rows, :stop], known))
        states = torch.cat(found, dim=1)
        return F.pad(states, (0, 0, 0, width - states.shape[1]))

    return by_length(states_of, lengths)


def by_length(result_of, lengths: Tensor) -> Tensor:
    """`result_of(rows)` for rows of like length at a time, put back into their order."""
    device = lengths.device
    groups = [torch.tensor(group, device=device) for group in length_groups(lengths.tolist())]
    return torch.cat([result_of(rows) for rows in groups])[torch.cat(groups).argsort()]
