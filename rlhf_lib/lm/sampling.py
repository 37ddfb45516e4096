"""Draw completions from a language model, keeping the log-probabilities of what was drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .modes import forward_passes
from .next_token import next_token_step
from .turns import Reply, Turns

COMPACT_BELOW = 0.75
"""Where fewer than this share of a batch is still unfinished, the finished sequences leave it."""


@dataclass
class Samples:
    """Completion ids, masks and log-probabilities (B, T), and which rows finished (B,); see `Rollout`."""

    completion_ids: Tensor
    completion_mask: Tensor
    loss_mask: Tensor
    logp: Tensor
    sampler_logp: Tensor
    finished: Tensor


def sample(
    model,
    token_ids: Tensor,
    attention_mask: Tensor,
    *,
    samples_per_prompt: int = 1,
    max_new_tokens: int = 48,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
    end_token: int | Sequence[int],
    pad_token: int,
    seed: int | None = None,
    reply: Reply | None = None,
    budget: int | None = None,
    max_replies: int = 8,
) -> Samples:
    """Complete left-padded prompts (B, P); rows i*G .. i*G+G-1 of the result continue prompt i.

    max_new_tokens: of a completion, those that were put in included.
    temperature: 0 takes the likeliest token (its sampler_logp is 0). top_k, top_p, min_p: as `truncate`.
    end_token: one or several; each ends a completion.
    seed: of this call alone; the global random state is left as it was.
    reply, budget, max_replies: what is put between the model's own tokens, and when (`turns.Turns`).

    The model is in eval mode and under autocast here.

    Raises:
        ValueError: a parameter out of range.
    """
    _check(samples_per_prompt, max_new_tokens, temperature, top_k, top_p, min_p)
    if (budget is not None and (reply is None or budget < 1)) or max_replies < 0:
        raise ValueError(
            "budget must be 1 or more and needs a reply, and max_replies must be 0 or more; got "
            f"budget={budget}, reply={reply}, max_replies={max_replies}"
        )
    device, rows = token_ids.device, len(token_ids) * samples_per_prompt
    generator = torch.Generator(device).manual_seed(seed) if seed is not None else None
    choose = partial(
        draw_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        generator=generator,
    )
    turns = Turns(reply, rows, budget, max_replies) if reply is not None else None
    ends = (end_token,) if isinstance(end_token, int) else tuple(end_token)
    result = _Result(rows, max_new_tokens, pad_token, device)
    # inference mode is quicker than no_grad, but autograd takes nothing made in it: copies leave it
    with torch.inference_mode(), forward_passes(model, device):
        columns = _complete(
            model, token_ids, attention_mask, samples_per_prompt, choose, ends, turns, result
        )
    return Samples(*(column.clone() for column in columns))


class _Result:
    """Ids, masks and log-probabilities (B, T) as they fill up, for rows that leave the batch early."""

    def __init__(self, rows: int, width: int, pad_token: int, device) -> None:
        self.width = width
        ids = torch.full((rows, width), pad_token, device=device)
        self.columns = (ids, *torch.zeros(4, rows, width, device=device))
        self.finished = torch.ones(rows, dtype=torch.bool, device=device)
        self.drawn: list[tuple[Tensor, ...]] = []

    def store(self, rows: Tensor, stop: int) -> None:
        """Write what was drawn up to step `stop` into its rows, and empty `drawn`.

        Where a sequence was finished before, padding and zeros stay; so do zeros for the log-probabilities
        of tokens that were put in.
        """
        ids, alive, own, *logps = (
            torch.stack(parts, dim=1) for parts in zip(*self.drawn, strict=True)
        )
        steps = slice(stop - len(self.drawn), stop)
        news = ((ids, alive), (alive, alive), (own, own), *((logp, own) for logp in logps))
        for column, (new, where) in zip(self.columns, news, strict=True):
            column[rows, steps] = torch.where(where, new.to(column.dtype), column[rows, steps])
        self.drawn.clear()


def _complete(
    model, token_ids, attention_mask, per_prompt, choose, ends, turns, result
) -> tuple[Tensor, ...]:
    """The fields of `Samples`, in order."""
    longest = token_ids.shape[1] + result.width
    cache, next_logits = model.new_cache(len(token_ids), longest), next_token_step(model, longest)
    logits = model.logits(model.hidden_states(token_ids, attention_mask, cache)[:, -1])
    rows = torch.arange(len(token_ids), device=logits.device).repeat_interleave(per_prompt)
    if per_prompt > 1:
        cache.select(rows)
    logits, seen = logits[rows], attention_mask[rows]
    batch = torch.arange(len(rows), device=logits.device)  # the row of the result that each is
    alive = torch.ones_like(batch, dtype=torch.bool)
    for step in range(1, result.width + 1):
        token, logp, sampler_logp = choose(logits)
        own = alive
        if turns is not None:
            token, drawn = turns.force(batch, token)
            own = alive & drawn
        result.drawn.append((token, alive, own, logp, sampler_logp))
        seen = torch.cat((seen, alive[:, None].to(seen.dtype)), dim=1)
        ended = own & _is_one_of(token, ends)
        if turns is not None:
            ended = turns.hear(batch, token, own, ended, result.width - step)
        alive = alive ^ ended
        unfinished = int(alive.sum())
        if step == result.width or unfinished == 0:
            break
        if unfinished < COMPACT_BELOW * len(alive):
            result.store(batch, step)
            cache.select(rows := alive.nonzero()[:, 0])
            batch, token, seen, alive = (x[rows] for x in (batch, token, seen, alive))
        logits = next_logits(token, seen, cache)
    result.store(batch, step)
    result.finished[batch[alive]] = False
    if turns is not None:
        for row in turns.cut:
            result.finished[row] = False
    return (*(column[:, :step] for column in result.columns), result.finished)


def _is_one_of(token: Tensor, ends: tuple[int, ...]) -> Tensor:
    """Which of the tokens (B,) are an end token."""
    found = token == ends[0]
    for end in ends[1:]:
        found |= token == end
    return found


def draw_tokens(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
    min_p: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """One token per row of `logits` (B, V): (token (B,), logp (B,), sampler_logp (B,)).

    The vocabulary's probabilities are laid end to end, and a point is thrown on the line: one random
    number a row. (In float32, tokens rarer than about 1e-7 may have no room on it.)
    """
    model_logp = logits.float().log_softmax(-1)
    if temperature == 0:
        token = model_logp.argmax(-1)
        logp = _pick(model_logp, token)
        return token, logp, torch.zeros_like(logp)
    plain = temperature == 1 and top_k is None and top_p is None and min_p is None
    drawn_from = (
        model_logp if plain else truncate(logits.float() / temperature, top_k, top_p, min_p)
    )
    mass = drawn_from.exp().cumsum(-1)
    point = 1 - torch.rand(len(mass), 1, generator=generator, device=mass.device)  # in (0, 1]
    token = torch.searchsorted(mass, point * mass[:, -1:]).squeeze(-1)
    token = token.clamp(max=mass.shape[-1] - 1)  # where logits are NaN, so that they get through
    logp = _pick(model_logp, token)
    return token, logp, logp if plain else _pick(drawn_from, token)


def truncate(
    logits: Tensor,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Tensor:
    """Log-probabilities (B, V) after keeping the likeliest tokens alone.

    top_k: so many (of equals at the rim, the ones that `Tensor.topk` names). top_p: the nucleus, the
    smallest set of likeliest tokens whose probability is `top_p` or more. min_p: those with at least this
    share of the likeliest token's probability. With logits divided by a temperature this is the
    distribution that `sample` draws from. Equation: [DF-3].
    """
    if top_k is not None and top_k < logits.shape[-1]:
        kept = logits.topk(top_k, dim=-1).indices
        outside = torch.ones_like(logits, dtype=torch.bool).scatter(-1, kept, False)
        logits = logits.masked_fill(outside, -torch.inf)
    if top_p is not None and top_p < 1:
        ordered, order = logits.sort(descending=True, dim=-1)
        probabilities = ordered.softmax(-1)
        before = probabilities.cumsum(-1) - probabilities  # mass of the likelier tokens
        outside = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= top_p)
        logits = logits.masked_fill(outside, -torch.inf)
    if min_p is not None:
        least = logits.amax(-1, keepdim=True) + math.log(min_p)
        logits = logits.masked_fill(logits < least, -torch.inf)
    return logits.log_softmax(-1)


def _pick(logp: Tensor, token: Tensor) -> Tensor:
    return logp.gather(-1, token[:, None]).squeeze(-1)


def _check(samples_per_prompt, max_new_tokens, temperature, top_k, top_p, min_p) -> None:
    if samples_per_prompt < 1:
        raise ValueError(f"samples_per_prompt must be 1 or more; got {samples_per_prompt}")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be 1 or more; got {max_new_tokens}")
    if temperature < 0:
        raise ValueError(f"temperature must be 0 (greedy) or more; got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be 1 or more, or None for all tokens; got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must lie in (0, 1], or be None; got {top_p}")
    if min_p is not None and not 0 < min_p <= 1:
        raise ValueError(f"min_p must lie in (0, 1], or be None; got {min_p}")
