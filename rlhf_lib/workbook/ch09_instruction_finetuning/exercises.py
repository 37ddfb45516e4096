"""Exercises of chapter 09."""

from __future__ import annotations

import torch

from ..kit.cases import normal, ragged_mask
from ..kit.exercise import Exercise

# --- the template

_TALK = [
    {"role": "user", "content": "what is 2 + 3?"},
    {"role": "assistant", "content": "2 + 3 = 5."},
    {"role": "user", "content": " and 4 more? "},
]
_SYSTEM = [{"role": "system", "content": "you are a clerk."}, *_TALK[:2]]


def _render(messages, add_generation_prompt, end="<|im_end|>\n", opening="<|im_start|>assistant\n"):
    turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}{end}" for m in messages)
    return turns + (opening if add_generation_prompt else "")


def _stripped(messages, asked):
    return _render([{**m, "content": m["content"].strip()} for m in messages], asked)


render_chat = Exercise(
    name="my_render_chat",
    title="Write a conversation in ChatML",
    difficulty=1,
    minutes=10,
    reference=lambda messages, add_generation_prompt: _render(messages, add_generation_prompt),
    cases=lambda: [(_TALK[:1], True), (_TALK, True), (_SYSTEM, False)],
    mistakes=(
        (
            lambda messages, asked: _render(messages, asked, end="<|im_end|>"),
            "the line end after `<|im_end|>` is missing: a model that was trained with it reads another text",
        ),
        (
            lambda messages, asked: _render(messages, True),
            "you open an answer whether it was asked for or not: a text to train on would end in an empty turn",
        ),
        (
            lambda messages, asked: _render(messages, asked, opening="<|im_start|>assistant"),
            "the line end after the last `assistant` is missing, so the model has to write it",
        ),
        (
            _stripped,
            "you strip the content: what a user typed is not yours to change, unless the template was "
            "trained that way",
        ),
    ),
    hints=(
        "One piece for each message, all joined; then, where it is asked for, the opening of an answer.",
        "A turn is `<|im_start|>`, the role, a line end, the content, `<|im_end|>`, a line end.",
        "`\"\".join(f\"<|im_start|>{m['role']}\\n{m['content']}<|im_end|>\\n\" for m in messages)`, and "
        '`"<|im_start|>assistant\\n"` behind it if `add_generation_prompt`.',
    ),
)

# --- which predictions count


def _prompt_mask(token_ids, prompt_lengths, lengths, pad):
    place = torch.arange(1, token_ids.shape[1])
    return ((place >= prompt_lengths[:, None]) & (place < lengths[:, None])).double()


def _rows(seed: int, batch: int = 3, width: int = 8):
    """(ids padded by 0, which is also the end token, prompt lengths, lengths, pad)."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 20, (batch, width), generator=generator)
    prompts = torch.randint(1, 4, (batch,), generator=generator)
    lengths = prompts + torch.randint(2, 5, (batch,), generator=generator)
    for row, stop in enumerate(lengths.tolist()):
        ids[row, stop - 1 :] = 0
    return ids, prompts, lengths, 0


prompt_mask = Exercise(
    name="my_prompt_mask",
    title="Mask the prompt [SFT-1]",
    difficulty=2,
    minutes=15,
    reference=_prompt_mask,
    cases=lambda: [_rows(1), _rows(2, 2, 7), _rows(3, 4, 9)],
    mistakes=(
        (
            lambda ids, p, n, pad: _prompt_mask(ids, p + 1, n, pad),
            "the answer's first token is missing: it is predicted at the prompt's last place",
        ),
        (
            lambda ids, p, n, pad: _prompt_mask(ids, p - 1, n, pad),
            "one token of the prompt is learned: column j is the prediction of token j + 1",
        ),
        (
            lambda ids, p, n, pad: _prompt_mask(ids, p, n - 1, pad),
            "the end token is missing: without it in the loss answers never end. Do you mask by the number of the "
            "pad token? Here it is the end token, too: mask by the place",
        ),
        (
            lambda ids, p, n, pad: _prompt_mask(ids, p, n + 99, pad),
            "padding is learned: stop at each row's length",
        ),
    ),
    hints=(
        "Column j of the loss is about the token at place j + 1. Which places belong to the answer?",
        "Places from `prompt_lengths` on and before `lengths`; the end token is the last of these.",
        "`place = torch.arange(1, T)`; then `(place >= prompt_lengths[:, None]) & (place < lengths[:, None])`.",
    ),
)

# --- several turns

START, END, USER, ASSISTANT, LINE = 2, 3, 10, 11, 12


def _chat(*turns) -> torch.Tensor:
    """Ids of turns (role, tokens): start, role, line end, tokens, end, line end."""
    return torch.tensor([i for role, said in turns for i in (START, role, LINE, *said, END, LINE)])


_CHATS = (
    _chat((USER, (20, 21)), (ASSISTANT, (30, 31, 32))),
    _chat((USER, (20,)), (ASSISTANT, (30, 31)), (USER, (22, 11, 23)), (ASSISTANT, (33,))),
    _chat((USER, (25, 26)), (ASSISTANT, ()), (USER, (27,)), (ASSISTANT, (34, 35))),
)


def _turn_mask(token_ids, start, end, assistant, begin=3, stop=1, last_only=False):
    ids, mask = token_ids.tolist(), torch.zeros(len(token_ids), dtype=torch.float64)
    openings = [i for i in range(len(ids) - 1) if ids[i : i + 2] == [start, assistant]]
    for place in openings[-1:] if last_only else openings:
        mask[place + begin : ids.index(end, place + 3) + stop] = 1.0
    return mask


def _everybody(token_ids, start, end, assistant):
    ids, mask = token_ids.tolist(), torch.zeros(len(token_ids), dtype=torch.float64)
    for place in (i for i, one in enumerate(ids) if one == start):
        mask[place + 3 : ids.index(end, place + 3) + 1] = 1.0
    return mask


assistant_mask = Exercise(
    name="my_assistant_mask",
    title="Mask all but the assistant's turns",
    difficulty=2,
    minutes=15,
    reference=lambda token_ids, start, end, assistant: _turn_mask(token_ids, start, end, assistant),
    cases=lambda: [(chat.clone(), START, END, ASSISTANT) for chat in _CHATS],
    mistakes=(
        (
            lambda ids, s, e, a: _turn_mask(ids, s, e, a, begin=0),
            "the header is learned: the template writes it, never the model",
        ),
        (
            lambda ids, s, e, a: _turn_mask(ids, s, e, a, stop=0),
            "the end token belongs to the turn that it ends: such a model never learns to stop",
        ),
        (
            lambda ids, s, e, a: _turn_mask(ids, s, e, a, stop=2),
            "the line end after the end token is learned: nobody will ever draw it",
        ),
        (
            lambda ids, s, e, a: _turn_mask(ids, s, e, a, last_only=True),
            "only the last answer is learned; the task asks for all of them",
        ),
        (_everybody, "the users' turns are learned too"),
    ),
    hints=(
        "Find where the assistant's turns open, and where each of them ends.",
        "A turn opens where `start` and `assistant` stand side by side; its text begins three places later.",
        "`ids = token_ids.tolist()`; from `place + 3` up to and including `ids.index(end, place + 3)`.",
    ),
)

# --- one mean over all tokens


def _token_mean(losses, masks):
    return (losses * masks).sum() / masks.sum()


def _parts(lengths: list[list[int]], width: int, seed: int):
    """Losses and masks (M, B, T) of M micro-batches with answers of these lengths."""
    masks = torch.stack([ragged_mask(part, width) for part in lengths])
    return normal(*masks.shape, seed=seed).abs(), masks


token_mean = Exercise(
    name="my_token_mean",
    title="One mean over several micro-batches",
    difficulty=1,
    minutes=10,
    reference=_token_mean,
    cases=lambda: [
        _parts([[1, 2], [5, 3]], 5, seed=1),
        _parts([[2, 2], [6, 1], [3, 4]], 6, seed=5),
        _parts([[1, 1, 2], [4, 4, 3], [1, 3, 2], [2, 4, 4]], 4, seed=11),
    ],
    mistakes=(
        (
            lambda x, m: ((x * m).sum((1, 2)) / m.sum((1, 2))).mean(),
            "this is a mean of means: a token in a micro-batch of few tokens counts more than others",
        ),
        (
            lambda x, m: ((x * m).sum((1, 2)) / m.sum((1, 2))).sum(),
            "you add up the means of the micro-batches: the gradient grows with their number",
        ),
        (lambda x, m: x.mean(), "padding is counted: multiply by the mask, divide by its sum"),
        (
            lambda x, m: ((x * m).sum(2) / m.sum(2)).mean(),
            "this is a mean over answers: tokens of short ones count more",
        ),
    ),
    hints=(
        "The batch is one thing; that it came in parts must not show in the result.",
        "Add up the losses of all real tokens of all parts. Divide once, by how many these are.",
        "`(losses * masks).sum() / masks.sum()`",
    ),
    learns=("losses",),
)

# --- packing


def _attention(documents):
    same = documents[:, None] == documents[None, :]
    return (same & torch.ones_like(same).tril()).double()


packed_attention = Exercise(
    name="my_packed_attention",
    title="The wall between packed conversations",
    difficulty=2,
    minutes=10,
    reference=_attention,
    cases=lambda: [
        (torch.tensor([0, 0, 1, 1, 1]),),
        (torch.tensor([0, 0, 0]),),
        (torch.tensor([0, 1, 1, 2, 2, 2]),),
    ],
    mistakes=(
        (
            lambda d: torch.ones(len(d), len(d), dtype=torch.float64).tril(),
            "no wall: a token sees the conversations before its own",
        ),
        (
            lambda d: (d[:, None] == d[None, :]).double(),
            "a token sees what comes after it in its own conversation",
        ),
        (
            lambda d: _attention(d).T,
            "rows and columns are swapped: row i says what token i sees",
        ),
        (
            lambda d: _attention(d) - torch.eye(len(d), dtype=torch.float64),
            "a token has to see itself too",
        ),
    ),
    hints=(
        "Two conditions for each pair of places: the same conversation, and not later.",
        "Compare `documents[:, None]` with `documents[None, :]`: that is (T, T) at once.",
        "`same = documents[:, None] == documents[None, :]`, then `(same & torch.ones_like(same).tril()).double()`.",
    ),
)

EXERCISES = (render_chat, prompt_mask, assistant_mask, token_mean, packed_attention)
