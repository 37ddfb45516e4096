"""What a model knows, asked without a chat: which value of a fact does it find likeliest as plain text?"""

from __future__ import annotations

import torch
from torch import Tensor

from ..lm import EncodedAnswer, Policy, answer_logp
from ..world import PocketWorld
from ..world.facts import attribute_values, fact_sentence, with_article


@torch.no_grad()
def sentence_logp(policy: Policy, sentences: list[str]) -> Tensor:
    """log p (B,) in nats of plain sentences, without a chat template; the first token is given.

    Raises:
        ValueError: no sentences, or one of fewer than two tokens.
    """
    rows = [policy.tokenizer.encode(text, add_special_tokens=False) for text in sentences]
    if not rows or min(map(len, rows)) < 2:
        raise ValueError("sentences must hold one or more, each of two tokens or more")
    return answer_logp(policy, [EncodedAnswer(row, 1) for row in rows])


def cloze_accuracy(policy: Policy, world: PocketWorld, attribute: str) -> float:
    """The share of animals of which the model finds the true value of an attribute likelier than all others.

    Each value stands in a whole sentence, "a fox lives in a den.", so that its end counts too; sums of
    log-probabilities are compared, since the rest of the sentence is the same for all values.
    """
    values = attribute_values(world.facts)[attribute]
    sentences = [
        f"{fact_sentence(with_article(animal), attribute, value)}."
        for animal in world.facts
        for value in values
    ]
    best = sentence_logp(policy, sentences).view(-1, len(values)).argmax(1).tolist()
    right = [row[attribute] == values[i] for row, i in zip(world.facts.values(), best, strict=True)]
    return sum(right) / len(right)
