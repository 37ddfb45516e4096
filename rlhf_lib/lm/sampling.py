"""Draw completions from a language model, keeping the log-probabilities of what was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from .next_token import next_token_logits

COMPACT_BELOW = 0.75
"""Where fewer than this share of a batch is still unfinished, the finished sequences leave it."""


@dataclass
class Samples:
    """Completion ids (B, T), mask (B, T) and log-probabilities (B, T); see `Rollout`."""

    completion_ids: Tensor
    completion_mask: Tensor
    logp: Tensor
    sampler_logp: Tensor


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
    end_token: int | Sequence[int],
    pad_token: int,
    seed: int | None = None,
) -> Samples:
    """Complete left-padded prompts (B, P); rows i*G .. i*G+G-1 of the result continue prompt i.

    temperature: 0 takes the likeliest token (its sampler_logp is 0). top_k, top_p: keep only the k
        likeliest tokens, or the smallest set with probability >= top_p.
    end_token: what ends a completion, one token or several.
    seed: of this call alone; the global random state is left as it was.

    Raises:
        ValueError: a parameter out of range.
    """
    _check(samples_per_prompt, max_new_tokens, temperature, top_k, top_p)
    device = token_ids.device
    generator = torch.Generator(device).manual_seed(seed) if seed is not None else None
    choose = partial(draw, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
    with torch.inference_mode():  # quicker than no_grad, but autograd takes nothing made in it:
        columns = _complete(
            model, token_ids, attention_mask, samples_per_prompt, max_new_tokens, choose,
            end_token, pad_token,
        )  # fmt: skip
    return Samples(*(column.clone() for column in columns))  # so copies leave it


def _complete(
    model, token_ids, attention_mask, per_prompt, max_new_tokens, choose, end_token, pad_token
) -> tuple[Tensor, ...]:
    """The fields of `Samples`, in order."""
    longest = token_ids.shape[1] + max_new_tokens
    cache, next_logits = model.new_cache(len(token_ids), longest), next_token_logits(model, longest)
    logits = model.logits(model.hidden_states(token_ids, attention_mask, cache)[:, -1])
    rows = torch.arange(len(token_ids), device=logits.device).repeat_interleave(per_prompt)
    if per_prompt > 1:
        cache.select(rows)
    logits, seen = logits[rows], attention_mask[rows]
    batch = torch.arange(len(rows), device=logits.device)  # the row of the result that each is
    alive = torch.ones_like(batch, dtype=torch.bool)
    ends = torch.as_tensor(end_token, device=logits.device).view(-1)
    ids = torch.full((len(rows), max_new_tokens), pad_token, device=logits.device)
    columns, drawn = (ids, *torch.zeros(3, *ids.shape, device=logits.device)), []
    for step in range(1, max_new_tokens + 1):
        token, logp, sampler_logp = choose(logits)
        drawn.append((token, alive, logp, sampler_logp))
        seen = torch.cat((seen, alive[:, None].to(seen.dtype)), dim=1)
        alive = alive & ~torch.isin(token, ends)
        unfinished = int(alive.sum())
        if step == max_new_tokens or unfinished == 0:
            break
        if unfinished < COMPACT_BELOW * len(alive):
            _store(columns, batch, drawn, step)
            cache.select(rows := alive.nonzero()[:, 0])
            batch, token, seen, alive = (x[rows] for x in (batch, token, seen, alive))
        logits = next_logits(token, seen, cache)
    _store(columns, batch, drawn, step)
    return tuple(column[:, :step] for column in columns)


def _store(columns: tuple[Tensor, ...], rows: Tensor, drawn: list[tuple], stop: int) -> None:
    """Write what was drawn up to step `stop` into its rows of the result, and empty `drawn`.

    Where a sequence was finished before, the result keeps its padding and zeros.
    """
    news = [torch.stack(parts, dim=1) for parts in zip(*drawn, strict=True)]
    alive, steps = news[1], slice(stop - len(drawn), stop)
    for column, new in zip(columns, news, strict=True):
        column[rows, steps] = torch.where(alive, new.to(column.dtype), column[rows, steps])
    drawn.clear()


def draw(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
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
    plain = temperature == 1 and top_k is None and top_p is None
    drawn_from = model_logp if plain else truncate(logits.float() / temperature, top_k, top_p)
    mass = drawn_from.exp().cumsum(-1)
    point = 1 - torch.rand(len(mass), 1, generator=generator, device=mass.device)  # in (0, 1]
    token = torch.searchsorted(mass, point * mass[:, -1:]).squeeze(-1)
    token = token.clamp(max=mass.shape[-1] - 1)  # where logits are NaN, so that they get through
    logp = _pick(model_logp, token)
    return token, logp, logp if plain else _pick(drawn_from, token)


def truncate(logits: Tensor, top_k: int | None = None, top_p: float | None = None) -> Tensor:
    """Log-probabilities (B, V) after keeping the `top_k` likeliest tokens or the `top_p` nucleus.

    The nucleus is the smallest set of likeliest tokens whose probability is `top_p` or more. With logits
    divided by a temperature this is the distribution that `sample` draws from. Equation: [DF-3].
    """
    if top_k is not None and top_k < logits.shape[-1]:
        smallest = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    if top_p is not None and top_p < 1:
        ordered, order = logits.sort(descending=True, dim=-1)
        probabilities = ordered.softmax(-1)
        before = probabilities.cumsum(-1) - probabilities  # mass of the likelier tokens
        outside = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= top_p)
        logits = logits.masked_fill(outside, -torch.inf)
    return logits.log_softmax(-1)


def _pick(logp: Tensor, token: Tensor) -> Tensor:
    return logp.gather(-1, token[:, None]).squeeze(-1)


def _check(samples_per_prompt, max_new_tokens, temperature, top_k, top_p) -> None:
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
