"""Which tokens of a conversation are learned: its tokens with what each of them is, and weights for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...lm import Policy

ALL, COMPLETION, LAST, ASSISTANT = (
    "all tokens",
    "completion",
    "last answer",
    "all answers",
)
RULES = (ALL, COMPLETION, LAST, ASSISTANT)


@dataclass(frozen=True)
class Piece:
    """One token of a conversation.

    part: 'header' (<|im_start|>, the role, the line ends), 'text' or 'end' (<|im_end|>). turn: number of the
    message, from 0. role: who speaks.
    """

    token: int
    part: str
    turn: int
    role: str


def pieces(tokenizer, messages: Sequence[dict]) -> list[Piece]:
    """The tokens of a whole conversation in ChatML, in order, each with what it is."""

    def some(text: str, part: str, turn: int, role: str) -> list[Piece]:
        return [
            Piece(i, part, turn, role) for i in tokenizer.encode(text, add_special_tokens=False)
        ]

    found = []
    for turn, message in enumerate(messages):
        role = message["role"]
        found += some(f"<|im_start|>{role}\n", "header", turn, role)
        found += some(message["content"], "text", turn, role)
        found += some("<|im_end|>", "end", turn, role)
        found += some("\n", "header", turn, "")
    return found


def weights(
    row: Sequence[Piece], rule: str = ASSISTANT, header: bool = False, end: bool = True
) -> list[float]:
    """1.0 on the tokens that are learned, 0.0 on those that are only read.

    rule: one of `RULES`. header, end: whether the headers and the end tokens of learned answers count.

    Raises:
        ValueError: an unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule!r}")
    if rule == ALL:
        return [1.0] * len(row)
    answers = [piece.turn for piece in row if piece.role == "assistant"]
    if rule == COMPLETION:  # as in TRL: whatever comes after the first request, users' words too
        start = next(i for i, p in enumerate(row) if p.turn == answers[0] and p.part == "text")
        return [float(place >= start) for place in range(len(row))]
    learned = {answers[-1]} if rule == LAST else set(answers)
    counts = {"text": True, "header": header, "end": end}
    return [float(p.role == "assistant" and p.turn in learned and counts[p.part]) for p in row]


def library_mask(tokenizer, messages: Sequence[dict], template: str | None = None) -> list[float]:
    """transformers' assistant mask of the same conversation: from the {% generation %} marks of the template.

    template: another one than the tokenizer's. Without marks the mask is all zeros; transformers' warning of
    that is left out.
    """
    from transformers.utils import logging

    loudness = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        found = tokenizer.apply_chat_template(
            list(messages), chat_template=template, tokenize=True, return_dict=True,
            return_assistant_tokens_mask=True,
        )  # fmt: skip
    finally:
        logging.set_verbosity(loudness)
    return [float(one) for one in found["assistant_masks"]]


def surprises(policy: Policy, rows: Sequence[Sequence[Piece]], wall: bool = True) -> Tensor:
    """-log p (nats) of each token of conversations that stand end to end in one row (T,); 0 for a first one.

    wall: whether a token sees its own conversation alone (block-diagonal attention, positions from 0).
    Differentiable.
    """
    documents = [[p.token for p in row] for row in rows]
    documents = documents if wall else [sum(documents, [])]
    return torch.cat([_surprises(policy, ids) for ids in documents])


def _surprises(policy: Policy, ids: list[int]) -> Tensor:
    row = torch.tensor([ids], device=policy.device)
    logp = policy.model(row)[0, :-1].log_softmax(-1).gather(-1, row[0, 1:, None])[:, 0]
    return torch.cat((logp.new_zeros(1), -logp))


def learn(policy: Policy, surprise: Tensor, weight: Sequence[float]) -> tuple[float, float]:
    """(loss, norm of its gradient): the mean surprise of the learned tokens, NaN where there are none."""
    mask = torch.tensor(weight, device=surprise.device)
    if not mask.sum():
        return float("nan"), 0.0
    loss = (surprise * mask).sum() / mask.sum()
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return loss.item(), sum(g.norm() ** 2 for g in gradients if g is not None).sqrt().item()
