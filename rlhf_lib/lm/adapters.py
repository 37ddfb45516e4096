"""LoRA: small matrices beside frozen weights, through `peft` (extra 'real').

Source: Hu et al. (2021). A policy with an adapter trains, samples and scores as any other; it is saved as
an adapter folder that peft reads, and its reference is the same model with the adapter switched off.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .folders import read_json

PREFIX = "base_model.model."
"""What peft puts before the names of weights in an adapter file."""


@dataclass(frozen=True)
class LoRA:
    """The shape of an adapter: each matrix W becomes W + alpha / rank * B A, with B = 0 at the start.

    rank: rows of A. alpha: strength. dropout: on the adapter's input. targets: last names of the linear
    layers that get one, such as ("q_proj", "v_proj"); by default all but the output head.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank must be 1 or more; got {self.rank}")
        if self.alpha <= 0:
            raise ValueError(f"alpha must be positive; got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1); got {self.dropout}")


def add_lora(policy, lora: LoRA | None = None):
    """Freeze `policy`'s weights and put a fresh adapter beside them, in place; returns the policy.

    Since its weights may differ from those of any folder, `save` writes them beside the adapter;
    `load_policy(name, lora=...)` saves the adapter alone.

    Raises:
        ValueError: a target that is no linear layer of the model, or a policy that has an adapter.
    """
    lora = lora or LoRA()
    known = linear_names(policy.model)
    strange = [name for name in lora.targets if name not in known]
    if strange:
        raise ValueError(f"targets {strange} are no linear layers of the model: {sorted(known)}")
    if has_adapters(policy.model):
        raise ValueError("the policy has an adapter: merge it first, by policy.merge()")
    LoraConfig = _peft().LoraConfig
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, task_type="CAUSAL_LM",
        target_modules=sorted(lora.targets or known),
    )  # fmt: skip
    policy.source = None
    return _inject(policy, config)


def _inject(policy, config):
    policy.model.requires_grad_(False)
    training = policy.model.training
    _peft().inject_adapter_in_model(config, inner_model(policy.model))
    policy.model.to(policy.device).train(training)
    return policy


def _peft():
    try:
        import peft
    except ImportError as error:
        raise ImportError("adapters need peft: pip install 'peft>=0.19,<0.22'") from error
    return peft


def inner_model(model) -> Any:
    """transformers' model where there is one, else the decoder: names in it are those of checkpoints."""
    return getattr(model, "inner", model)


def linear_names(model) -> set[str]:
    """Last names of the linear layers, but for the output head."""
    inner = inner_model(model)
    head: Any = inner.lm_head if model is inner else inner.get_output_embeddings()
    layers = [(n, m) for n, m in inner.named_modules() if _is_linear(m) and m is not head]
    return {name.rpartition(".")[2] for name, _ in layers}


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"  # GPT-2's


def adapter_layers(model: nn.Module) -> list[Any]:
    """The layers that peft has put in place of the model's own."""
    if "peft" not in sys.modules:
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    kinds = (BaseTunerLayer, AuxiliaryTrainingWrapper)
    return [module for module in model.modules() if isinstance(module, kinds)]


def has_adapters(model: nn.Module) -> bool:
    """Whether peft has changed a layer of it."""
    return bool(adapter_layers(model))


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Inside the block the model computes what it does without its adapters.

    (peft's own switch also turns gradients of the adapter off and on, in the middle of a step.)
    """
    layers = adapter_layers(model)
    before = [layer._disable_adapters for layer in layers]
    try:
        for layer in layers:
            layer._disable_adapters = True
        yield
    finally:
        for layer, off in zip(layers, before, strict=True):
            layer._disable_adapters = off


class WithoutAdapter(nn.Module):
    """A model with its adapters switched off: a reference that needs no second copy of the weights."""

    def __init__(self, model) -> None:
        super().__init__()
        self.whole = model
        self.config = model.config

    def forward(
        self, token_ids: Tensor, attention_mask: Tensor | None = None, cache=None
    ) -> Tensor:
        """Logits (B, T, V)."""
        return self.logits(self.hidden_states(token_ids, attention_mask, cache))

    def hidden_states(
        self, token_ids: Tensor, attention_mask: Tensor | None = None, cache=None
    ) -> Tensor:
        """Last hidden states (B, T, H)."""
        with adapters_off(self.whole), torch.no_grad():
            return self.whole.hidden_states(token_ids, attention_mask, cache)

    def logits(self, hidden: Tensor) -> Tensor:
        """The LM head."""
        with adapters_off(self.whole), torch.no_grad():
            return self.whole.logits(hidden)

    def new_cache(self, batch_size: int, length: int | None = None):
        """An empty cache."""
        return self.whole.new_cache(batch_size, length)


def reference_model(model) -> WithoutAdapter:
    """The model without its adapter; says aloud where that is not the model as it stands."""
    trained = [n for n, p in model.named_parameters() if "lora_B" in n and bool(p.any())]
    if trained:
        warnings.warn(
            "the reference is the model without its adapter, which has been trained already; to take the "
            "policy as it stands as the start, call policy.merge() and add a new adapter",
            stacklevel=3,
        )
    return WithoutAdapter(model)


def merge_adapters(model) -> None:
    """Add the adapters into the weights and take them out, in place; all weights can be trained again."""
    for layer in adapter_layers(model):
        if hasattr(layer, "merge"):
            layer.merge()
    drop_adapters(model)
    model.requires_grad_(True)


def drop_adapters(model) -> None:
    """Put the model's own layers back in place of the adapters'."""
    inner = inner_model(model)
    found = {id(layer) for layer in adapter_layers(inner)}
    for name, module in list(inner.named_modules()):
        if id(module) in found and hasattr(module, "get_base_layer"):
            parent, _, child = name.rpartition(".")
            setattr(inner.get_submodule(parent), child, module.get_base_layer())
    if hasattr(inner, "peft_config"):
        del inner.peft_config


def save_adapter(policy, folder: Path, base: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors as peft does."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    inner = inner_model(policy.model)
    weights = {
        PREFIX + name.removeprefix(PREFIX): weight.detach().cpu().contiguous()
        for name, weight in get_peft_model_state_dict(inner, save_embedding_layers=False).items()
    }
    config = copy.copy(next(iter(inner.peft_config.values())))
    config.base_model_name_or_path, config.inference_mode = base, True
    config.save_pretrained(folder)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def load_adapter(policy, folder: Path):
    """Put the adapter of a folder beside `policy`'s weights, ready to be trained on; returns the policy.

    Raises:
        ValueError: an adapter of a kind that changes more than layers, or weights that do not fit.
    """
    from safetensors.torch import load_file

    peft = _peft()
    kind = read_json(folder / "adapter_config.json").get("peft_type")
    if kind != "LORA":
        raise ValueError(f"{folder}: an adapter of kind {kind} cannot be loaded; merge it first")
    config = peft.PeftConfig.from_pretrained(folder)
    config.inference_mode = False
    _inject(policy, config)
    weights = load_file(folder / "adapter_model.safetensors")
    weights = {name.removeprefix(PREFIX): weight for name, weight in weights.items()}
    inner = inner_model(policy.model)
    found = peft.set_peft_model_state_dict(inner, weights)
    missing = [name for name in found.missing_keys if "lora_" in name]
    if missing or found.unexpected_keys:
        raise ValueError(
            f"{folder}: the adapter does not fit its base model: missing {missing[:3]}, unexpected "
            f"{found.unexpected_keys[:3]}"
        )
    return policy
