"""A generative judge: a language model that is asked which of two answers is better."""

from __future__ import annotations

import torch
from torch import Tensor

from ..lm import Policy, evaluating
from ..runtime import autocast
from .protocol import last_request

QUESTION = "{request} answer a: {first} answer b: {second} which answer is better, a or b?"


@torch.no_grad()
def judge_pairs(
    policy: Policy, prompts: list, first: list[str], second: list[str], question: str = QUESTION
) -> Tensor:
    """P(answer a is better) (B,) from the logits of 'a' and 'b' as first token of the reply.

    The question is one user turn; the request shown in it is a prompt's last user message. Source: Zheng et al. (2023), 'Judging
    LLM-as-a-judge'; book `c/05-reward-models`.

    Raises:
        ValueError: the lists differ in length.
    """
    if not len(prompts) == len(first) == len(second):
        raise ValueError("prompts, first and second must be of one length")
    asked = [
        question.format(request=last_request(p), first=a, second=b)
        for p, a, b in zip(prompts, first, second, strict=True)
    ]
    token_ids, mask = policy.encode(asked)
    with evaluating(policy), autocast(policy.device):
        states = policy.model.hidden_states(token_ids, mask)[:, -1]
        logits = policy.model.logits(states).float()
    a, b = (policy.tokenizer.encode(word, add_special_tokens=False)[-1] for word in ("a", "b"))
    return torch.sigmoid(logits[:, a] - logits[:, b])


def judge_both_orders(policy: Policy, prompts: list, first: list[str], second: list[str]) -> Tensor:
    """The mean over both orders of presentation, which takes out a liking for the first place."""
    forward = judge_pairs(policy, prompts, first, second)
    return (forward + 1 - judge_pairs(policy, prompts, second, first)) / 2
