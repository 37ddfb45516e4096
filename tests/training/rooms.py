"""What the pinned steps and the mutation tests share: a room of modules, and models of a thousand weights."""

from __future__ import annotations

import functools
import importlib

import torch

from rlhf_lib.lm import Decoder, DecoderConfig, Policy, train_tokenizer


class Room:
    """The modules of `rlhf_lib.training`, or of a copy of it with one line changed: `room.online`."""

    def __init__(self, package: str = "rlhf_lib.training") -> None:
        self.package = package

    def __getattr__(self, name: str):
        return importlib.import_module(f"{self.package}.{name}")


@functools.cache
def tokenizer():
    return train_tokenizer(["yes. no. an owl is here.", "system\nuser\nassistant\n"] * 9, 290)


def tiny(seed: int = 0) -> Policy:
    """A random policy: one layer, 16 wide."""
    torch.manual_seed(seed)
    config = DecoderConfig(
        len(tokenizer()), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    policy = Policy(Decoder(config), tokenizer(), device="cpu")
    for weight in policy.model.parameters():  # far enough from uniform that every term counts
        weight.data.mul_(3.0 if weight.ndim > 1 else 1.0)
    return policy


def near(policy: Policy, size: float = 0.02, seed: int = 9) -> Policy:
    """Another policy: this one's weights and a little noise."""
    other, generator = policy.copy(), torch.Generator().manual_seed(seed)
    for weight in other.model.parameters():
        weight.data.add_(size * torch.randn(weight.shape, generator=generator))
    return other


def ragged(rollout, longest: int):
    """The rollout with rows cut to 1, 2, ... tokens, as if they had ended there by themselves.

    Random policies hardly ever end an answer.
    """
    lengths = torch.arange(rollout.batch_size) % longest + 1
    mask = (torch.arange(rollout.completion_mask.shape[1]) < lengths[:, None]).float()
    rollout.completion_mask, rollout.loss_mask, rollout.finished = mask, mask, lengths < longest
    rollout.attention_mask = torch.cat(
        (rollout.attention_mask[:, : rollout.prompt_length], mask), dim=1
    )
    rollout.logp, rollout.sampler_logp = rollout.logp * mask, rollout.sampler_logp * mask
    return rollout


def weights(policy) -> torch.Tensor:
    """All weights of a policy or module, as one vector of their own."""
    module = getattr(policy, "model", policy)
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()


def gradients(policy) -> torch.Tensor:
    """The gradients that its weights hold, as one vector."""
    module = getattr(policy, "model", policy)
    return torch.cat([
        (torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in module.parameters()
    ]).clone()  # fmt: skip


def close(found, wanted, tolerance: float = 1e-5) -> None:
    """Assert that two tensors or numbers are equal, relative to the largest entry."""
    found, wanted = torch.as_tensor(found).double(), torch.as_tensor(wanted).double()
    assert found.shape == wanted.shape, f"shape {tuple(found.shape)}, not {tuple(wanted.shape)}"
    scale = max(1e-3, wanted.abs().max().item())
    difference = (found - wanted).abs().max().item()
    assert difference <= tolerance * scale, f"off by {difference:.3g} at a scale of {scale:.3g}"
