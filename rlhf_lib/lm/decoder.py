"""The language model: a decoder of the Llama family in one file, with a key-value cache.

RMSNorm, rotary positions (also Llama 3's scaling), grouped-query attention and SwiGLU. Parameters have
the names of transformers' `LlamaForCausalLM`, so checkpoints can be exchanged in both directions.
Source: Touvron et al. (2023), Dubey et al. (2024). Left out: dropout, attention biases, sliding windows.

Shapes: B sequences, T tokens, H hidden size, V vocabulary, A attention heads, D head dimension.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class DecoderConfig:
    """The shape of a decoder; fields have the names of transformers' `LlamaConfig`."""

    vocab_size: int
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    head_dim: int | None = None
    max_position_embeddings: int = 512
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    rope_theta: float = 10_000.0
    rope_scaling: dict | None = None
    special_tokens: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                "num_attention_heads must be a multiple of num_key_value_heads; got "
                f"{self.num_attention_heads} and {self.num_key_value_heads}"
            )

    @classmethod
    def from_dict(cls, values: dict) -> DecoderConfig:
        """Read a transformers config.json, of version 5 (`rope_parameters`) or older.

        Raises:
            ValueError: an architecture or a rope type that this decoder does not have.
        """
        if values.get("model_type", "llama") != "llama":
            raise ValueError(f"model_type must be 'llama'; got {values['model_type']!r}")
        rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
        kind = rope.get("rope_type", "default")
        if kind not in ("default", "llama3") or values.get("attention_bias"):
            raise ValueError(f"rope type {kind!r} or attention biases are not supported")
        known = {k: values[k] for k in cls.__dataclass_fields__ if values.get(k) is not None}
        known["rope_theta"] = rope.get("rope_theta", values.get("rope_theta", 10_000.0))
        known["rope_scaling"] = rope if kind == "llama3" else None
        known["special_tokens"] = {
            key: values[key]
            for key in ("bos_token_id", "eos_token_id", "pad_token_id")
            if values.get(key) is not None
        }
        return cls(**known)

    def to_dict(self) -> dict:
        """The config.json that transformers reads as a `LlamaForCausalLM`."""
        values = asdict(self)
        scaling = values.pop("rope_scaling") or {"rope_type": "default"}
        values["rope_parameters"] = {**scaling, "rope_theta": values.pop("rope_theta")}
        return {
            **values.pop("special_tokens"),
            **values,
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "dtype": "float32",
        }


class Cache:
    """Keys and values of the tokens seen so far, preallocated for `length` tokens."""

    def __init__(self, config: DecoderConfig, batch: int, length: int, like: Tensor) -> None:
        shape = (batch, config.num_key_value_heads, length, config.head_dim)
        layers = range(config.num_hidden_layers)
        self.keys = [like.new_empty(shape) for _ in layers]
        self.values = [like.new_empty(shape) for _ in layers]
        self.length = 0

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store the new tokens' keys and values (B, A, T, D); return all so far."""
        stop = self.length + keys.shape[2]
        self.keys[layer][:, :, self.length : stop] = keys
        self.values[layer][:, :, self.length : stop] = values
        return self.keys[layer][:, :, :stop], self.values[layer][:, :, :stop]

    def select(self, rows: Tensor) -> None:
        """Keep (or repeat) these rows of the batch."""
        for stored in (self.keys, self.values):
            for layer, old in enumerate(stored):
                stored[layer] = old.new_empty((len(rows), *old.shape[1:]))
                stored[layer][:, :, : self.length] = old[rows, :, : self.length]


class GrowingCache:
    """Keys and values of the tokens seen so far, joined anew at each step.

    Dearer than `Cache` for many steps, but gradients flow through it.
    """

    def __init__(self, config: DecoderConfig) -> None:
        self.keys: list[Tensor | None] = [None] * config.num_hidden_layers
        self.values: list[Tensor | None] = [None] * config.num_hidden_layers
        self.length = 0

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Join the new tokens' keys and values (B, A, T, D) on; return all so far."""
        for stored, new in ((self.keys, keys), (self.values, values)):
            before = stored[layer]
            stored[layer] = new if before is None else torch.cat((before, new), dim=2)
        return self.keys[layer], self.values[layer]

    def rows(self, index: Tensor) -> GrowingCache:
        """A cache of these rows of the batch (some of them more than once, say)."""
        picked = copy.copy(self)
        picked.keys, picked.values = (
            [x[index] for x in stored] for stored in (self.keys, self.values)
        )
        return picked


class RMSNorm(nn.Module):
    """x / rms(x) * weight, computed in float32."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), x.shape[-1:], eps=self.epsilon).to(x.dtype) * self.weight


def rope_frequencies(config: DecoderConfig) -> Tensor:
    """Rotation speed of each pair of channels (D/2,), in radians per position."""
    exponents = torch.arange(0, config.head_dim, 2).float() / config.head_dim
    frequencies = config.rope_theta**-exponents
    return _llama3_scaling(frequencies, config.rope_scaling) if config.rope_scaling else frequencies


def _llama3_scaling(frequencies: Tensor, scaling: dict) -> Tensor:
    """Slow rotations are divided by `factor`, fast ones kept, those between blended."""
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    keep = ((turns - low) / (high - low)).clamp(0, 1)
    return keep * frequencies + (1 - keep) * frequencies / scaling["factor"]


def turns(angles: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines (..., D) of angles (..., D/2), as `rotate` wants them."""
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((cosine, cosine), -1).to(dtype), torch.cat((-sine, sine), -1).to(dtype)


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the channel pairs (i, i + D/2) of x (B, A, T, D) by the angles (B, 1, T, D).

    (a, b) becomes (a cos - b sin, b cos + a sin); `sine` has the minus of its first half in it.
    """
    other = x.roll(x.shape[-1] // 2, dims=-1)
    return torch.addcmul(x * cosine, other, sine)


class Attention(nn.Module):
    """Causal self-attention with grouped queries."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        queries = config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)

    def forward(
        self, x: Tensor, rope, mask: Tensor | None, cache: Cache | GrowingCache | None, layer: int
    ):
        q, k, v = (self._heads(p(x)) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, *rope), rotate(k, *rope)  # (B, A, T, D)
        if cache is not None:
            k, v = cache.append(layer, k, v)
        grouped = q.shape[1] != k.shape[1]
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None and q.shape[2] > 1, enable_gqa=grouped
        )
        return self.o_proj(out.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (B, T, A*D) -> (B, A, T, D)


class MLP(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One layer: attention and MLP, each after a norm and added to the stream."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(
        self, x: Tensor, rope, mask: Tensor | None, cache: Cache | GrowingCache | None, layer: int
    ):
        x = x + self.self_attn(self.input_layernorm(x), rope, mask, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    """Everything but the LM head."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Decoder(nn.Module):
    """A causal language model: token ids (B, T) -> logits (B, T, V)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.apply(_initialise)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.register_buffer("frequencies", rope_frequencies(config), persistent=False)

    def forward(
        self,
        token_ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: Cache | GrowingCache | None = None,
    ) -> Tensor:
        """Logits (B, T, V) of the next token after each of `token_ids` (B, T).

        attention_mask: 1 on real tokens, 0 on padding, over all tokens so far (B, cached + T); needed
        only where there is padding. With a cache, `token_ids` are the new tokens alone.
        """
        return self.logits(self.hidden_states(token_ids, attention_mask, cache))

    def logits(self, hidden: Tensor) -> Tensor:
        """The LM head: hidden states (..., H) -> logits (..., V)."""
        return self.lm_head(hidden)

    def hidden_states(
        self,
        token_ids: Tensor,
        attention_mask: Tensor | None = None,
        cache: Cache | GrowingCache | None = None,
    ) -> Tensor:
        """States (B, T, H) after the last norm. Arguments as in `forward`."""
        x = self.model.embed_tokens(token_ids)
        seen = cache.length if cache is not None else 0
        rope = self._rope(token_ids, attention_mask, seen, x.dtype)
        mask = attention_bias(attention_mask, token_ids.shape[1], seen, x.dtype)
        for layer, block in enumerate(self.model.layers):
            x = block(x, rope, mask, cache, layer)
        if cache is not None:
            cache.length += token_ids.shape[1]
        return self.model.norm(x)

    def all_states(self, token_ids: Tensor) -> list[Tensor]:
        """The stream (B, T, H) of unpadded rows after the embedding, after each layer, and after the last norm.

        L + 2 tensors for L layers, to look at; `hidden_states` keeps the last one alone.
        """
        x = self.model.embed_tokens(token_ids)
        rope, found = self._rope(token_ids, None, 0, x.dtype), [x]
        for layer, block in enumerate(self.model.layers):
            x = block(x, rope, None, None, layer)
            found.append(x)
        return [*found, self.model.norm(x)]

    def new_cache(self, batch_size: int, length: int | None = None) -> Cache | GrowingCache:
        """An empty cache for `batch_size` sequences of up to `length` tokens.

        Without a length it is one that gradients flow through.
        """
        if length is None:
            return GrowingCache(self.config)
        return Cache(self.config, batch_size, length, like=self.lm_head.weight)

    def _rope(self, token_ids: Tensor, attention_mask: Tensor | None, seen: int, dtype):
        """Cosines and sines (B, 1, T, D) of each token's position, for `rotate`; padding does not count."""
        length = token_ids.shape[1]
        if attention_mask is None:
            positions = torch.arange(seen, seen + length, device=token_ids.device)[None]
        else:
            positions = (attention_mask.cumsum(1) - 1).clamp(min=0)[:, seen:]
        angles = positions[:, None, :, None].float() * self.frequencies
        return turns(angles, dtype)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Decoder:
        """Load a checkpoint in the transformers layout (config.json and safetensors).

        Raises:
            FileNotFoundError: no config.json or no weights there.
            ValueError: not a Llama architecture, or weights that do not fit it.
        """
        folder = Path(folder)
        model = cls(DecoderConfig.from_dict(json.loads((folder / "config.json").read_text())))
        weights = _read_weights(folder)
        missing, unexpected = model.load_state_dict(weights, strict=False)
        missing = [
            m for m in missing if not (m == "lm_head.weight" and model.config.tie_word_embeddings)
        ]
        if missing or unexpected:
            raise ValueError(
                f"{folder}: weights missing {missing[:3]}, unexpected {unexpected[:3]}"
            )
        return model

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors as transformers does."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: w.detach().cpu().contiguous() for name, w in self.state_dict().items()}
        if self.config.tie_word_embeddings:
            weights.pop("lm_head.weight")
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(self.config.to_dict(), indent=2) + "\n")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


def attention_bias(
    attention_mask: Tensor | None, length: int, seen: int, dtype: torch.dtype
) -> Tensor | None:
    """0 where a token may look, -inf where not (B, 1, T, seen + T); None for plain causal or one token."""
    if attention_mask is None and (seen == 0 or length == 1):
        return None
    if attention_mask is None:
        raise ValueError("attention_mask is needed to add several tokens to a cache")
    if length == 1:  # all other tokens come before it
        bias = torch.zeros(attention_mask.shape, dtype=dtype, device=attention_mask.device)
        return bias.masked_fill_(attention_mask == 0, -math.inf)[:, None, None]
    columns = torch.arange(seen + length, device=attention_mask.device)
    causal = columns[None, :] <= columns[seen:, None]  # (T, seen + T)
    allowed = causal & attention_mask.bool()[:, None, None, :]
    allowed = allowed | (columns[None, :] == columns[seen:, None])  # padding sees itself: no NaN
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(
        ~allowed, -math.inf
    )


def _read_weights(folder: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = set(json.loads(index.read_text())["weight_map"].values())
    else:
        names = {"model.safetensors"}
    weights: dict[str, Tensor] = {}
    for name in sorted(names):
        weights.update(load_file(folder / name))
    return {name: weight.float() for name, weight in weights.items() if "rotary_emb" not in name}
