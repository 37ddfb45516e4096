"""Any causal language model of transformers behind the decoder's interface."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .decoder import SCORE, Decoder
from .modes import evaluating


class TransformersModel(nn.Module):
    """Any causal language model of transformers, with logits that are its own.

    When it is made, a few tokens go through it in its own way and in ours. Logits come from the code that
    the model itself has after its trunk (scales and caps are there), and a model whose cache cannot hold
    left-padded rows, such as a state-space model, reads whole sequences again at each new token instead.
    """

    def __init__(self, model) -> None:
        super().__init__()
        self.inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.config = self.inner.config.get_text_config(decoder=True)
        self.own_head, self.cached = True, True
        with evaluating(self), torch.no_grad():
            self._find_ways()

    def _find_ways(self) -> None:
        """Set `own_head` and `cached`.

        Raises:
            ValueError: on no way the logits are those of the model's own forward pass.
        """
        token_ids = (torch.arange(6)[None] * 7 + 5) % self.config.vocab_size
        token_ids = token_ids.to(self.inner.device)
        own = self.inner(input_ids=token_ids).logits
        for self.own_head in (True, False):
            if same(lambda: self(token_ids), own):
                break
        else:
            raise ValueError(
                f"{type(self.inner).__name__} computes its logits in a way that is not known here: its "
                "log-probabilities would be wrong"
            )
        alone = [self.hidden_states(token_ids[:, start:])[:, -1] for start in (2, 2, 0)]
        self.cached = same(lambda: self._cached_states(token_ids), torch.cat(alone))

    def _apply(self, fn, recurse: bool = True) -> TransformersModel:
        """Move or cast the model; rotary frequencies stay exact, as they do where transformers casts it."""
        buffers = {
            name: old for name, old in self.inner.named_buffers() if name.endswith("inv_freq")
        }
        super()._apply(fn, recurse)
        for name, exact in buffers.items():
            owner, _, last = name.rpartition(".")
            if not exact.is_meta:
                place = self.inner.get_buffer(name).device
                setattr(self.inner.get_submodule(owner), last, exact.to(place))
        return self

    def _cached_states(self, token_ids: Tensor) -> Tensor:
        """States (3, H) at the last token of rows without their first two tokens, twice, and of a whole row."""
        both, rows = token_ids.expand(2, -1), torch.tensor([0, 0, 1], device=token_ids.device)
        mask = torch.ones_like(both, dtype=torch.float32)
        mask[0, :2] = 0
        cache = self.new_cache(2)
        self.hidden_states(both[:, :-1], mask[:, :-1], cache)
        cache.select(rows)
        return self.hidden_states(both[rows, -1:], mask[rows], cache)[:, -1]

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> TransformersModel:
        """Load through `AutoModelForCausalLM`, from safetensors; code from a checkpoint is never run.

        Raises:
            ValueError: weights are missing, or its logits cannot be had.
        """
        from transformers import AutoModelForCausalLM

        load: Any = AutoModelForCausalLM.from_pretrained  # the hints leave out output_loading_info
        model, found = load(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
        missing = sorted(found["missing_keys"])
        if SCORE in found["unexpected_keys"]:  # a reward model: it needs no LM head
            missing = [name for name in missing if not name.startswith(("lm_head", "embed_out"))]
        if missing:
            raise ValueError(f"{folder}: weights missing {missing[:3]} ({len(missing)} in all)")
        return cls(model)

    def forward(
        self, token_ids: Tensor, attention_mask: Tensor | None = None, cache=None
    ) -> Tensor:
        """Logits (B, T, V)."""
        return self.logits(self.hidden_states(token_ids, attention_mask, cache))

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) of hidden states (..., H)."""
        if not self.own_head:
            return self.inner.get_output_embeddings()(hidden)
        head = copy.copy(self.inner)  # shares all weights; its trunk hands on what it is given
        head._modules = {**self.inner._modules, self._trunk_name: _Trunk()}
        found = head(inputs_embeds=hidden.reshape(1, -1, hidden.shape[-1])).logits
        return found.view(*hidden.shape[:-1], -1)

    @property
    def _trunk_name(self) -> str:
        """Where the trunk is (Llama 4's class names another place)."""
        prefix = self.inner.base_model_prefix
        return prefix if hasattr(self.inner, prefix) else "model"

    def _trunk(self, **inputs):
        return getattr(self.inner, self._trunk_name)(**inputs)

    def hidden_states(
        self, token_ids: Tensor, attention_mask: Tensor | None = None, cache=None
    ) -> Tensor:
        """Last hidden states (B, T, H); arguments as in `Decoder.forward`."""
        if isinstance(cache, SeenTokens):
            whole = cache.append(token_ids)
            return self._left_aligned(whole, attention_mask)[:, -token_ids.shape[1] :]
        if attention_mask is not None and not self.cached:
            return self._left_aligned(token_ids, attention_mask)
        inputs = {"input_ids": token_ids}
        if cache is not None:
            inputs["past_key_values"] = cache.inner
        if attention_mask is not None:
            positions = (attention_mask.cumsum(1) - 1).clamp(min=0).long()
            inputs["position_ids"] = positions[:, -token_ids.shape[1] :]
            inputs["attention_mask"] = attention_mask
        return self._trunk(**inputs, use_cache=cache is not None)[0]

    def _left_aligned(self, token_ids: Tensor, mask: Tensor | None) -> Tensor:
        """States (B, T, H) of padded rows: padding moves to the end, where no causal model looks."""
        if mask is None:
            return self._trunk(input_ids=token_ids, use_cache=False)[0]
        order = (mask == 0).int().argsort(dim=1, stable=True)
        states = self._trunk(input_ids=token_ids.gather(1, order), use_cache=False)[0]
        return states.gather(1, order.argsort(1)[..., None].expand_as(states))

    def new_cache(self, batch_size: int, length: int | None = None):
        """An empty cache that grows by itself."""
        return _TransformersCache(self.config) if self.cached else SeenTokens()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write safetensors in the transformers layout."""
        self.inner.save_pretrained(folder)


def has_own_logits(decoder: Decoder, folder: str | Path) -> bool:
    """Whether transformers' forward pass gives a few tokens the logits that the decoder gives them.

    transformers' model is made without memory of its own and looks at the decoder's weights.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(decoder.state_dict(), strict=False, assign=True)
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # its frequencies were not stored
    token_ids = (torch.arange(6)[None] * 7 + 5) % config.vocab_size
    with evaluating(decoder), torch.no_grad():
        own = model.eval()(input_ids=token_ids).logits
        return same(lambda: decoder(token_ids), own)


def same(compute, expected: Tensor) -> bool:
    """Whether `compute()` gives `expected`, to rounding; no where the model has no such way."""
    try:
        found = compute()
    except Exception:  # models fail in many ways at what they cannot do
        return False
    tolerance = 1e-4 if expected.dtype == torch.float32 else 3e-2
    return torch.allclose(
        found, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max())
    )


class _Trunk(nn.Module):
    """Stands for a model's trunk where its output is known: hands on `inputs_embeds`."""

    def forward(self, *inputs, inputs_embeds: Tensor, **settings) -> _TrunkOutput:
        return _TrunkOutput((inputs_embeds,))

    @property
    def decoder(self) -> _Trunk:
        """The trunk within the trunk that some models call."""
        return self


class _TrunkOutput(tuple):
    """What a trunk returns, with None for all but the hidden states."""

    @property
    def last_hidden_state(self) -> Tensor:
        """(1, N, H)."""
        return self[0]

    def __getattr__(self, name: str) -> None:
        return None


class _TransformersCache:
    """transformers' DynamicCache with the one method that sampling needs besides."""

    def __init__(self, config) -> None:
        from transformers import DynamicCache

        self.inner = DynamicCache(config=config)

    def select(self, rows: Tensor) -> None:
        """Keep (or repeat) these rows of the batch."""
        self.inner.batch_select_indices(rows)


class SeenTokens:
    """The token ids so far (B, T), in place of a cache."""

    def __init__(self) -> None:
        self.token_ids: Tensor | None = None

    def append(self, token_ids: Tensor) -> Tensor:
        """Join the new tokens on; return all so far."""
        old = self.token_ids
        self.token_ids = token_ids if old is None else torch.cat((old, token_ids), dim=1)
        return self.token_ids

    def select(self, rows: Tensor) -> None:
        """Keep (or repeat) these rows of the batch."""
        if self.token_ids is not None:
            self.token_ids = self.token_ids[rows]
