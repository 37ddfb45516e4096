"""What can be asked about an answer, what each question costs, and what a reward learns from it.

Asked of a team whose members differ in strictness. An answer costs one dollar to read, whatever is asked about it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...experiments.convex import minimised
from ...objectives import plackett_luce_loss
from ...world import PocketWorld
from .crowds import ANSWERS, HELD_OUT, Written, order_found, written_answers

READ = {"thumb": 1, "mark 1 to 5": 1, "better of two": 2, "best of four": 4, "rank four": 4}
"""Question -> answers that are read for one reply."""

DOLLARS = (60, 120, 240, 480, 960)
TEAM, SPREAD, NOISE = 8, 0.1, 0.3
REQUESTS = 1400


@functools.lru_cache(maxsize=2)
def team_views(seed: int, spread: float = SPREAD) -> tuple[Written, Tensor, Tensor]:
    """The answers; what each of the team perceives in them (TEAM, N, 4); and each one's strictness (TEAM,)."""
    written, human = written_answers(REQUESTS, seed), PocketWorld().annotator()
    team = [human.individual(100 * seed + member, spread) for member in range(TEAM)]
    seen = torch.stack([written.seen_by(member) for member in team])
    return written, seen, torch.tensor([member.strictness for member in team]).double()


def learned(question: str, dollars: int, seed: int, draw: int = 0, strict: float = 1.0) -> float:
    """Share of unseen pairs in the team's mean order, after spending so many dollars on one question.

    strict: factor on how far the members differ in strictness.

    Raises:
        ValueError: an unknown question, or too little money.
    """
    if question not in READ or dollars < READ[question]:
        raise ValueError(
            f"question must be one of {', '.join(READ)} and cost at most the {dollars} dollars"
        )
    written, seen, strictness = team_views(seed)
    dice = torch.Generator().manual_seed(10_000 * seed + draw)
    count = dollars // READ[question]
    rows = torch.randint(0, REQUESTS - HELD_OUT, (count,), generator=dice)
    who = torch.randint(0, TEAM, (count,), generator=dice)
    places = torch.rand(count, ANSWERS, generator=dice).argsort(1)[:, : READ[question]]
    looks = written.looks[rows[:, None], places]
    felt = seen[who[:, None], rows[:, None], places] - strict * strictness[who, None]
    weights = minimised(loss_of(question, looks, felt, dice), looks.shape[-1] + 1)[:-1]
    return order_found(weights, written.looks[-HELD_OUT:], seen.mean(0)[-HELD_OUT:])


def loss_of(
    question: str, looks: Tensor, felt: Tensor, dice: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """The replies to a question as a loss of weights (H + 1,), of which the last is a level.

    looks (n, K, H) and felt (n, K): of the K answers that are read; replies are drawn here.
    """
    chance = torch.rand(felt.shape, generator=dice, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
    if question == "thumb":
        up = (felt + NOISE * chance.logit() > 0.5).double()[:, 0]
        return lambda w: F.binary_cross_entropy_with_logits(
            looks[:, 0] @ w[:-1] + w[-1], up, reduction="sum"
        )
    if question == "mark 1 to 5":
        mark = (3 + (2 * (felt + NOISE * chance.logit() - 0.5)).round()).clamp(1, 5)[:, 0]
        return lambda w: (looks[:, 0] @ w[:-1] + w[-1] - (mark - 3)).square().sum()
    order = (felt / NOISE - (-chance.log()).log()).argsort(1, descending=True)
    ranked = looks.gather(1, order[..., None].expand_as(looks))
    if question == "best of four":
        return lambda w: (torch.logsumexp(ranked @ w[:-1], 1) - ranked[:, 0] @ w[:-1]).sum()
    return lambda w: plackett_luce_loss(ranked @ w[:-1]) * len(ranked)


def bits(question: str, seed: int = 0, strict: float = 1.0) -> float:
    """Bits that a reply by somebody of the team carries about the answers: I(reply; answers).

    The entropy of replies, less what is left of it when the answers are known, and who replied is not.

    Raises:
        ValueError: an unknown question.
    """
    if question not in READ:
        raise ValueError(f"question must be one of {', '.join(READ)}; got {question!r}")
    _, seen, strictness = team_views(seed)
    if READ[question] == 1:
        felt = seen - strict * strictness[:, None, None]
        known = reply_chances(question, felt).mean(0).flatten(0, 1)
    elif question == "better of two":
        first = torch.sigmoid((seen[..., 0] - seen[..., 1]) / NOISE).mean(0)
        known = torch.stack((first, 1 - first), -1)
    elif question == "best of four":
        known = (seen / NOISE).softmax(-1).mean(0)
    else:
        known = torch.stack([ranking_chances(one / NOISE) for one in seen]).mean(0)
    before = (
        known.mean(0) if READ[question] == 1 else torch.full_like(known[0], 1 / known.shape[-1])
    )
    return (entropy(before) - entropy(known).mean()).item()


def reply_chances(question: str, felt: Tensor) -> Tensor:
    """Chance of each reply (..., 2 or 5) to a question about one answer, whose felt worth is given (...)."""
    cuts = [0.5] if question == "thumb" else [0.5 + (k - 1.5) / 2 for k in range(4)]
    above = [
        torch.ones_like(felt),
        *(torch.sigmoid((felt - cut) / NOISE) for cut in cuts),
        torch.zeros_like(felt),
    ]
    return torch.stack([a - b for a, b in zip(above, above[1:], strict=False)], -1)


def ranking_chances(utilities: Tensor) -> Tensor:
    """Chance of each of the 24 orders (n, 24) of four answers (n, 4), by Plackett-Luce."""
    import itertools

    found = []
    for order in itertools.permutations(range(ANSWERS)):
        u = utilities[:, list(order)]
        found.append(sum(u[:, k] - torch.logsumexp(u[:, k:], 1) for k in range(ANSWERS)).exp())
    return torch.stack(found, -1)


def entropy(chances: Tensor) -> Tensor:
    """Entropy in bits over the last dimension."""
    return -(chances * chances.clamp(min=1e-12).log2()).sum(-1)
