"""One more token of each sequence through the decoder, with half as many operations.

A small model spends such a step on calling operations, not on arithmetic. So matrices that read the same
input are joined to one, the norms' weights multiplied into them, and queries and keys turned together.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .decoder import (
    MLP,
    Attention,
    Block,
    Cache,
    Decoder,
    RMSNorm,
    Trunk,
    active_dtype,
    attention_bias,
    cosines_and_sines,
    rotate,
)

LARGEST = 20_000_000
"""Parameters up to which joining (a copy of the weights) pays."""

PARTS = {Decoder, Trunk, Block, Attention, MLP, RMSNorm, nn.Linear, nn.Embedding, nn.ModuleList}
"""What a decoder is made of."""


def next_token_step(model, length: int):
    """A function (token (B,), seen (B, T + 1), cache) -> logits (B, V), for up to `length` tokens in all.

    `seen` is 1 on real tokens so far, the new one included. The weights are those of this moment.
    """
    if isinstance(model, Decoder) and joinable(model):
        return JoinedDecoder(model, length)
    return lambda token, seen, cache: model.logits(
        model.hidden_states(token[:, None], seen, cache)[:, -1]
    )


def joinable(model: Decoder) -> bool:
    """Whether its matrices may be joined: it is small, and each layer is as `Decoder` made it.

    An adapter wraps layers, hooks and parametrizations change what they give: then `weight` is not all.
    """
    if sum(p.numel() for p in model.parameters()) > LARGEST:
        return False
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    return not hooked and all(type(m) in PARTS for m in model.modules())


class JoinedDecoder:
    """What `Decoder` computes for one token, from joined weights.

    `Decoder.forward` is the definition, and this must equal it: tests/lm/test_decoder.py compares them
    token by token. Under autocast the matrices are cast once, and the stream stays in the weights' dtype.
    """

    def __init__(self, model: Decoder, length: int) -> None:
        self.config, self.embedding = model.config, model.model.embed_tokens.weight
        self.dtype = active_dtype(self.embedding)
        layers = [_joined(block) for block in model.model.blocks()]
        self.layers = [tuple(matrix.to(self.dtype) for matrix in layer) for layer in layers]
        self.head = (model.lm_head.weight * model.model.norm.weight).to(self.dtype)
        angles = torch.arange(length, device=self.head.device)[:, None] * model.frequencies
        self.turns = torch.stack(cosines_and_sines(angles, self.embedding.dtype))  # (2, length, D)

    def __call__(self, token: Tensor, seen: Tensor, cache: Cache) -> Tensor:
        """Logits (B, V); stores the token's keys and values in the cache."""
        heads, groups = self.config.num_attention_heads, self.config.num_key_value_heads
        cosine, sine = self.turns[:, seen.sum(1).long() - 1, None]  # (B, 1, D) each
        bias = attention_bias(seen, 1, cache.length, self.dtype)
        x = self.embedding[token]  # (B, H)
        for layer, (attend, project, open_gate, close_gate) in enumerate(self.layers):
            states = F.linear(self._scaled(x), attend).view(len(x), -1, self.config.head_dim)
            turned = rotate(states[:, : heads + groups], cosine, sine).to(self.dtype)
            keys, values = cache.append(
                layer, turned[:, heads:, None], states[:, heads + groups :, None]
            )
            queries = turned[:, :heads].unflatten(1, (groups, -1))  # (B, groups, A / groups, D)
            found = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
            x = _add_product(x, found.flatten(1), project)
            gate, up = F.linear(self._scaled(x), open_gate).chunk(2, dim=-1)
            x = _add_product(x, F.silu(gate) * up, close_gate)
        cache.length += 1
        return F.linear(self._scaled(x), self.head)

    def _scaled(self, x: Tensor) -> Tensor:
        """x / rms(x): an RMSNorm without its weight."""
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        mean_square = norm.square() / x.shape[-1]
        return (x * (mean_square + self.config.rms_norm_eps).rsqrt()).to(self.dtype)


def _add_product(x: Tensor, states: Tensor, matrix: Tensor) -> Tensor:
    """x + states @ matrix, as one operation where all have one dtype."""
    if x.dtype == matrix.dtype:
        return torch.addmm(x, states, matrix)
    return x + states @ matrix


def _joined(block: Block) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Matrices of a layer: queries, keys and values (out, H); output (in, H); gate and up (out, H); down (in, H)."""
    attention, mlp = block.self_attn, block.mlp
    attend = torch.cat([p.weight for p in (attention.q_proj, attention.k_proj, attention.v_proj)])
    open_gate = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
    return (
        attend * block.input_layernorm.weight,
        attention.o_proj.weight.T,
        open_gate * block.post_attention_layernorm.weight,
        mlp.down_proj.weight.T,
    )
