"""The silent-bug clinic of chapter 03."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..kit.bug import Bug
from ..kit.cases import normal
from .clinic_runs import run_completion_mask, run_next_token

# --- labels that are not shifted


def _next_token(logits, token_ids):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), token_ids[:, 1:].flatten())


def _next_token_gathered(logits, token_ids):
    logp = logits.log_softmax(-1)[:, :-1]
    return -logp.gather(-1, token_ids[:, 1:, None]).mean()


def _same_token(logits, token_ids):
    return F.cross_entropy(logits.flatten(0, 1), token_ids.flatten())


def _prove_shift(implementation):
    logits, ids = torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]])
    logits[0, 0, 1] = logits[0, 1, 2] = 50.0  # sure of the token that comes next
    assert float(implementation(logits, ids)) < 1e-4, "a sure and right prediction costs nothing"


shifted_labels = Bug(
    name="shifted_labels",
    chapter="03",
    title="Too good to be true",
    story="A small model is trained on documents from scratch. Its loss falls to 0.03 nats a token, less "
    "than these documents can be predicted by anyone. What it writes is a stammer.",
    function="loss(logits (B, T, V), token_ids (B, T)) -> the mean next-token loss in nats",
    source="Token indices that were off by one: errata 140 and 141 of the book, in formulas.",
    lesson="Logits at position t predict token t + 1. A loss below what is possible is a bug.",
    right=_next_token,
    also_right=_next_token_gathered,
    wrong=_same_token,
    example=lambda: (normal(2, 5, 7, seed=1), torch.tensor([[1, 2, 3, 4, 5], [6, 5, 4, 3, 2]])),
    run=run_next_token,
    watch=("loss", "next_token_loss"),
    options=(
        (
            "Position t is trained to give token t, which it has read.",
            "Copying is easy, so the loss goes to 0, and the loss on the token after it goes up and up.",
        ),
        (
            "The learning rate is too high for this loss.",
            "Then the loss would jump or stay up. It has never been so low.",
        ),
        (
            "The documents are too few, so that the model knows them by heart.",
            "The stream of documents has no end, and nothing here is seen twice.",
        ),
    ),
    hints=(
        "Make logits by hand that are sure of the next token, whatever comes before.",
        "Three tokens 0, 1, 2: a large logit for token 1 at position 0 and for token 2 at position 1. The "
        "loss has to be almost 0.",
    ),
    proof=_prove_shift,
)


# --- an end token that nobody learns


def _mask_to_end(ids, end, pad):
    ends = ids == end
    return ((ends.cumsum(1) - ends.long()) == 0).to(torch.float32)


def _mask_to_end_by_loop(ids, end, pad):
    mask = torch.zeros(ids.shape)
    for row, tokens in enumerate(ids.tolist()):
        stop = tokens.index(end) + 1 if end in tokens else len(tokens)
        mask[row, :stop] = 1.0
    return mask


def _mask_of_padding(ids, end, pad):
    return (ids != pad).to(torch.float32)


def _prove_end(implementation):
    mask = implementation(torch.tensor([[5, 6, 2, 2], [7, 8, 9, 3]]), 2, 2)
    assert mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]], (
        "the first end token counts, padding does not"
    )


unlearned_end = Bug(
    name="unlearned_end",
    chapter="03",
    title="Answers that never end",
    story="pocket-base is fine-tuned on demonstrations with a tokenizer that has no pad token of its own, so "
    "the end token serves as padding. The loss falls as it should. All answers run into the length limit.",
    function="mask(ids (B, T), end, pad) -> 1.0 on completion tokens, the end token included (B, T)",
    source="The book's code masks the end token out where pad and end token are the same.",
    lesson="The end token is part of the answer. Find it by its place and not by its number.",
    right=_mask_to_end,
    also_right=_mask_to_end_by_loop,
    wrong=_mask_of_padding,
    example=lambda: (torch.tensor([[5, 6, 2, 2], [7, 8, 9, 3]]), 2, 2),
    run=run_completion_mask,
    watch=("loss", "finished", "length"),
    options=(
        (
            "The end token is masked out with the padding.",
            "It is the same number, so the model is never asked to predict it, and never does.",
        ),
        (
            "The demonstrations are too long to be learned.",
            "They are a few words, and the healthy run learns to stop from the same ones.",
        ),
        (
            "The temperature of sampling is too high for it.",
            "It is 1 in both runs; the healthy model stops at it.",
        ),
    ),
    hints=(
        "Give it a row in which end and pad are the same number, and say which places must count.",
        "ids [[5, 6, 2, 2]] with end = pad = 2: the mask has to be [[1, 1, 1, 0]].",
    ),
    proof=_prove_end,
)

BUGS = (
    shifted_labels,
    unlearned_end,
)
