"""Draw completions from a language model, keeping the log-probabilities of what was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Samples:
    """Completion ids (B, T), mask (B, T) and log-probabilities (B, T); see `Rollout`."""

    completion_ids: Tensor
    completion_mask: Tensor
    logp: Tensor
    sampler_logp: Tensor


@torch.no_grad()
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
    end_token: int,
    pad_token: int,
    seed: int | None = None,
) -> Samples:
    """Complete left-padded prompts (B, P); rows i*G .. i*G+G-1 of the result continue prompt i.

    temperature: 0 takes the likeliest token (its sampler_logp is 0). top_k, top_p: keep only the k
        likeliest tokens, or the smallest set with probability >= top_p.
    seed: of this call alone; the global random state is left as it was.

    Raises:
        ValueError: a parameter out of range.
    """
    _check(samples_per_prompt, max_new_tokens, temperature, top_k, top_p)
    device = token_ids.device
    generator = torch.Generator(device).manual_seed(seed) if seed is not None else None
    batch = len(token_ids) * samples_per_prompt
    cache = model.new_cache(len(token_ids), token_ids.shape[1] + max_new_tokens)
    logits = model.logits(model.hidden_states(token_ids, attention_mask, cache)[:, -1])
    rows = torch.arange(len(token_ids), device=device).repeat_interleave(samples_per_prompt)
    if samples_per_prompt > 1:
        cache.select(rows)
    logits, seen = logits[rows], attention_mask[rows]
    tokens, masks, logps, sampler_logps = [], [], [], []
    alive = torch.ones(batch, device=device)
    for step in range(max_new_tokens):
        token, logp, sampler_logp = draw(logits, temperature, top_k, top_p, generator)
        token = torch.where(alive.bool(), token, pad_token)
        tokens.append(token)
        masks.append(alive)
        logps.append(logp * alive)
        sampler_logps.append(sampler_logp * alive)
        seen = torch.cat((seen, alive[:, None].to(seen.dtype)), dim=1)
        alive = alive * (token != end_token)
        if step + 1 == max_new_tokens or not alive.any():
            break
        logits = model.logits(model.hidden_states(token[:, None], seen, cache)[:, -1])
    columns = (torch.stack(column, dim=1) for column in (tokens, masks, logps, sampler_logps))
    return Samples(*columns)


def draw(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """One token per row of `logits` (B, V): (token (B,), logp (B,), sampler_logp (B,))."""
    model_logp = logits.float().log_softmax(-1)
    if temperature == 0:
        token = model_logp.argmax(-1)
        logp = _pick(model_logp, token)
        return token, logp, torch.zeros_like(logp)
    plain = temperature == 1 and top_k is None and top_p is None
    drawn_from = model_logp if plain else truncate(logits.float() / temperature, top_k, top_p)
    noise = torch.empty_like(drawn_from).exponential_(generator=generator)
    token = (drawn_from - noise.log()).argmax(-1)  # the Gumbel-max trick
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
