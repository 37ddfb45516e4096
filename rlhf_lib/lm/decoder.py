"""The language model: a decoder of the Llama family in one file, with a key-value cache.

RMSNorm, rotary positions (also Llama 3's scaling), grouped-query attention and SwiGLU. Parameters have
the names of transformers' `LlamaForCausalLM`, so checkpoints can be exchanged in both directions.
Source: Touvron et al. (2023), Dubey et al. (2024). Left out: dropout, attention biases, sliding windows.

Shapes: B sequences, T tokens, H hidden size, V vocabulary, A attention heads, D head dimension.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .folders import read_json, weight_files, write_json

SCORE = "score.weight"
"""The name of a reward model's head in the layout of transformers."""

SILENT = frozenset(
    [
        "_name_or_path",
        "architectures",
        "bos_token_id",
        "dtype",
        "eos_token_id",
        "finetuning_task",
        "id2label",
        "initializer_range",
        "is_decoder",
        "is_llama_config",
        "label2id",
        "max_length",
        "num_labels",
        "output_attentions",
        "output_hidden_states",
        "pad_token_id",
        "pretraining_tp",
        "problem_type",
        "return_dict",
        "task_specific_params",
        "tokenizer_class",
        "torch_dtype",
        "transformers.js_config",
        "transformers_version",
        "unsloth_fixed",
        "unsloth_version",
        "use_cache",
        "chunk_size_feed_forward",
    ]
)
"""Fields of a config.json that do not change logits."""

ONLY = {
    "model_type": ("llama",),
    "hidden_act": ("silu", "swish"),
    "attention_bias": (False, None),
    "attention_dropout": (0, None),
    "mlp_bias": (False, None),
    "rope_interleaved": (False, None),
    "partial_rotary_factor": (1, None),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
    "quantization_config": (None,),
}
"""Fields of a config.json that change logits, with the values that the decoder computes."""

LLAMA_DEFAULTS = {
    "vocab_size": 32_000, "hidden_size": 4_096, "intermediate_size": 11_008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "max_position_embeddings": 2_048, "tie_word_embeddings": False,
}  # fmt: skip
"""What transformers takes for fields that a config.json leaves out, where it is not our own default."""

LLAMA3_ROPE = {
    "factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings",
}  # fmt: skip


@dataclass
class DecoderConfig:
    """The shape of a decoder; fields have the names of transformers' `LlamaConfig`.

    num_key_value_heads: 0 for as many as there are attention heads. head_dim: 0 for hidden_size split
    among them.
    """

    vocab_size: int
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 0
    head_dim: int = 0
    max_position_embeddings: int = 512
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True
    rope_theta: float = 10_000.0
    rope_scaling: dict | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    def __post_init__(self) -> None:
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads
        self.num_key_value_heads = self.num_key_value_heads or self.num_attention_heads
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                "num_attention_heads must be a multiple of num_key_value_heads; got "
                f"{self.num_attention_heads} and {self.num_key_value_heads}"
            )

    @classmethod
    def from_dict(cls, values: dict) -> DecoderConfig:
        """Read a transformers config.json, of version 5 (`rope_parameters`) or older.

        Raises:
            ValueError: a field that this decoder does not know, or a value that it does not compute.
        """
        _check_fields(values)
        known = {k: values[k] for k in cls.__dataclass_fields__ if values.get(k) is not None}
        rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
        known["rope_theta"] = rope.get("rope_theta", values.get("rope_theta", 10_000.0))
        known["rope_scaling"] = rope if _rope_kind(rope) == "llama3" else None
        return cls(**{**LLAMA_DEFAULTS, **known})

    def to_dict(self, dtype: str = "float32") -> dict:
        """The config.json that transformers reads as a `LlamaForCausalLM`; `dtype` is the weights'."""
        values = {k: v for k, v in asdict(self).items() if v is not None}
        scaling = values.pop("rope_scaling", None) or {"rope_type": "default"}
        values["rope_parameters"] = {**scaling, "rope_theta": values.pop("rope_theta")}
        return {
            **values,
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "dtype": dtype,
        }


def _check_fields(values: dict) -> None:
    """Raise a ValueError unless each field is known and has a value that the decoder computes."""
    known = SILENT | set(ONLY) | set(DecoderConfig.__dataclass_fields__) | {"rope_parameters"}
    for name, value in {"model_type": "llama", **values}.items():
        if name not in known and value is not None:
            raise ValueError(f"the decoder does not know the field {name} of config.json")
        if name in ONLY and value not in ONLY[name]:
            raise ValueError(f"{name} must be {ONLY[name][0]!r} for the decoder; got {value!r}")
    given = [values[k] for k in ("rope_parameters", "rope_scaling") if values.get(k)]
    for rope in given:
        _check_rope(rope)
    if len(given) == 2 and given[0] != given[1]:
        raise ValueError("rope_parameters and rope_scaling of config.json differ")


def _check_rope(rope: dict) -> None:
    """Raise a ValueError unless it is the plain rotation or Llama 3's."""
    kind, names = _rope_kind(rope), set(rope) - {"rope_type", "type", "rope_theta"}
    if rope.get("partial_rotary_factor", 1) == 1:
        names.discard("partial_rotary_factor")
    if {"default": set(), "llama3": LLAMA3_ROPE}.get(kind) != names:
        raise ValueError(f"rope type {kind!r} with {sorted(names)} is not one of the decoder's")


def _rope_kind(rope: dict) -> str:
    """The kind of rotation, under its newer or its older name."""
    return rope.get("rope_type") or rope.get("type") or "default"


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
        self.keys: list[Tensor] = [torch.empty(0)] * config.num_hidden_layers
        self.values: list[Tensor] = [torch.empty(0)] * config.num_hidden_layers
        self.length = 0

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Join the new tokens' keys and values (B, A, T, D) on; return all so far."""
        for stored, new in ((self.keys, keys), (self.values, values)):
            stored[layer] = torch.cat((stored[layer], new), dim=2) if self.length else new
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


def cosines_and_sines(angles: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
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

    def blocks(self) -> list[Block]:
        """The layers, in order."""
        return [block for block in self.layers if isinstance(block, Block)]


class Decoder(nn.Module):
    """A causal language model: token ids (B, T) -> logits (B, T, V)."""

    frequencies: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.apply(_initialise)
        self._finish()

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
        weight = self.lm_head.weight
        return Cache(
            self.config, batch_size, length, weight.new_empty(0, dtype=active_dtype(weight))
        )

    def _apply(self, fn, recurse: bool = True) -> Decoder:
        """Move or cast the model; rotations stay exact, since late positions multiply their rounding."""
        super()._apply(fn, recurse)
        exact = rope_frequencies(self.config)
        if not self.frequencies.is_meta:
            self.frequencies = exact.to(self.frequencies.device)
        return self

    def _rope(self, token_ids: Tensor, attention_mask: Tensor | None, seen: int, dtype):
        """Cosines and sines (B, 1, T, D) of each token's position, for `rotate`; padding does not count."""
        length = token_ids.shape[1]
        if attention_mask is None:
            positions = torch.arange(seen, seen + length, device=token_ids.device)[None]
        else:
            positions = (attention_mask.cumsum(1) - 1).clamp(min=0)[:, seen:]
        angles = positions[:, None, :, None].float() * self.frequencies
        return cosines_and_sines(angles, dtype)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Decoder:
        """Load a checkpoint in the transformers layout (config.json and safetensors).

        Raises:
            FileNotFoundError: no config.json or no weights there.
            ValueError: not a Llama architecture, or weights that do not fit it.
        """
        folder = Path(folder)
        if not (folder / "config.json").exists():
            raise FileNotFoundError(f"no config.json in {folder}")
        values = read_json(folder / "config.json")
        with torch.device("meta"):  # no random weights that would be overwritten
            model = cls(DecoderConfig.from_dict(values))
        weights = _read_weights(folder)
        is_scorer = weights.pop(SCORE, None) is not None  # a reward model: it needs no LM head
        if is_scorer and "lm_head.weight" not in weights:
            model.config.tie_word_embeddings = True
        if model.config.tie_word_embeddings:
            weights.pop("lm_head.weight", None)
            if "model.embed_tokens.weight" in weights:
                weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
        missing = [name for name in model.state_dict() if name not in weights]
        unexpected = [name for name in weights if name not in model.state_dict()]
        if missing or unexpected:
            raise ValueError(
                f"{folder}: weights missing {missing[:3]}, unexpected {unexpected[:3]}"
            )
        model.load_state_dict(weights, assign=True)
        return model._finish()

    def _finish(self) -> Decoder:
        """Tie the head and compute the rotations, which are in no checkpoint."""
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.register_buffer("frequencies", rope_frequencies(self.config), persistent=False)
        return self

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors as transformers does, with the dtype of the weights."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        values = self.config.to_dict(str(self.lm_head.weight.dtype).removeprefix("torch."))
        weights = {name: w.detach().cpu().contiguous() for name, w in self.state_dict().items()}
        if self.config.tie_word_embeddings:
            weights.pop("lm_head.weight")
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        write_json(folder / "config.json", values)


def active_dtype(weight: Tensor) -> torch.dtype:
    """What matrix products with this weight are calculated in, here and now: autocast's, or its own."""
    device = weight.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


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
    """All weights in float32, one at a time, so that no second copy of them is held."""
    from safetensors import safe_open

    weights: dict[str, Tensor] = {}
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            found = [key for key in file.keys() if "rotary_emb" not in key]  # noqa: SIM118
            weights |= {key: file.get_tensor(key).float() for key in found}
    return weights
