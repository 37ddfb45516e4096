"""Log-probabilities of whole given answers: tokenised once, then one forward pass a batch.

`Policy.logprobs` scores rollouts token by token. Here answers stand at once behind their prompts and all
padding is on the right, where a causal model never looks: no attention mask is needed, and the LM head
sees completion tokens alone. Equal to `Policy.logprobs` (tests/lm/test_scoring.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .modes import forward_passes
from .policy import Policy
from .ragged import by_length, length_groups
from .token_scores import token_scores


@dataclass(frozen=True)
class EncodedAnswer:
    """Token ids of a prompt in the chat template and of the answer after it, its end token included."""

    token_ids: list[int]
    prompt_length: int

    @property
    def length(self) -> int:
        """Tokens of the answer."""
        return len(self.token_ids) - self.prompt_length


def encode_answers(policy: Policy, prompts: Sequence, texts: Sequence[str]) -> list[EncodedAnswer]:
    """Tokenise answers behind their prompts, once for a whole training run.

    Raises:
        ValueError: no answers, or `prompts` and `texts` differ in length.
    """
    if len(prompts) != len(texts) or len(texts) == 0:
        raise ValueError(
            "prompts and texts must be of one length, 1 or more; got "
            f"{len(prompts)} and {len(texts)}"
        )
    answers = policy.answer_ids(texts)
    starts = [policy.prompt_ids(prompt) for prompt in prompts]
    longest = max(len(s) + len(a) for s, a in zip(starts, answers, strict=True))
    policy.check_length(longest, "the longest prompt with its answer")
    return [
        EncodedAnswer([*start, *answer], len(start))
        for start, answer in zip(starts, answers, strict=True)
    ]


def answer_logp(policy: Policy, answers: Sequence[EncodedAnswer], mean: bool = False) -> Tensor:
    """log pi(answer | prompt) (B,) in nats, differentiable: the sum over the answer's tokens.

    mean: divide by the number of tokens instead (SimPO, ORPO, IPO as TRL has it). Answers of like
    length go through the model together, so that little is spent on padding. Equation: [DF-1].
    """
    groups = length_groups([len(answer.token_ids) for answer in answers])
    with forward_passes(policy.model, policy.device):
        parts = [_states(policy, answers, group) for group in groups]
        states, ids, rows = (torch.cat(part) for part in zip(*parts, strict=True))
        logp, _ = token_scores(policy.model, states, ids)
    sums = logp.new_zeros(len(answers)).index_add(0, rows, logp)
    if not mean:
        return sums
    return sums / torch.tensor([answer.length for answer in answers], device=sums.device)


def _states(policy: Policy, answers: Sequence[EncodedAnswer], group: list[int]):
    """States (n, H) before the n tokens of these answers, ids (n,) of the tokens, and whose (n,) they are."""
    chosen = [answers[i] for i in group]
    token_ids, targets, rows = padded(chosen, policy.pad_token, policy.device)
    states = policy.model.hidden_states(token_ids[:, :-1])[targets]
    return states, token_ids[:, 1:][targets], torch.tensor(group, device=rows.device)[rows]


def padded(answers: Sequence[EncodedAnswer], pad_token: int, device) -> tuple[Tensor, ...]:
    """Ids (B, T), whether position t predicts a token of the answer (B, T - 1), row of each such token."""
    lengths = torch.tensor([len(answer.token_ids) for answer in answers])
    starts = torch.tensor([answer.prompt_length for answer in answers])
    width = int(lengths.max())
    ids = [answer.token_ids + [pad_token] * (width - len(answer.token_ids)) for answer in answers]
    place = torch.arange(1, width)[None]
    targets = (place >= starts[:, None]) & (place < lengths[:, None])
    rows = targets.nonzero()[:, 0]
    return torch.tensor(ids, device=device), targets.to(device), rows.to(device)


@torch.no_grad()
def score_answers(policy: Policy, answers: Sequence[EncodedAnswer], mean: bool = False) -> Tensor:
    """`answer_logp` of any number of answers, without gradient, in eval mode, a group at a time."""
    lengths = torch.tensor([len(answer.token_ids) for answer in answers], device=policy.device)
    return by_length(
        lambda rows: answer_logp(policy, [answers[i] for i in rows.tolist()], mean), lengths
    )
