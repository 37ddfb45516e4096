"""The mode of a model while it is measured, sampled from, or trained on rewards and preferences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from ..runtime import autocast


@contextmanager
def evaluating(*models) -> Iterator[None]:
    """Eval mode inside the block; afterwards every submodule is in the mode that it was in.

    Each of `models` is a module or has one under `.model` (a `Policy`); anything else, such as a reward
    that is a plain function, is left alone.
    """
    modules = _modules(models)
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, training in zip(modules, modes, strict=True):
            module.training = training


@contextmanager
def forward_passes(model, device: torch.device | str) -> Iterator[None]:
    """Where the library calls a model: under autocast, and in eval mode unless a gradient is asked for.

    A number that no gradient flows through is a measurement, and a measurement is not to be noisy.
    """
    measuring = nullcontext() if torch.is_grad_enabled() else evaluating(model)
    with autocast(device), measuring:
        yield


@contextmanager
def without_dropout(*models) -> Iterator[None]:
    """No dropout inside the block, as preference and RL steps need it: gradients flow as ever.

    With dropout the policy would be another one at each look, and its ratio to itself not 1. Eval mode
    switches it off wherever a model keeps it; modules that recompute activations to save memory, which
    transformers does in train mode alone, stay in train mode, with their own dropout set to 0.
    """
    recomputing = [m for m in _modules(models) if getattr(m, "gradient_checkpointing", False)]
    recomputing = [m for m in recomputing if m.training]
    rates = [(m, name, rate) for m in recomputing for name, rate in _dropout_rates(m)]
    with evaluating(*models):
        try:
            for module in recomputing:
                module.training = True
            for module, name, _ in rates:
                setattr(module, name, 0.0)
            yield
        finally:
            for module, name, rate in rates:
                setattr(module, name, rate)


def _modules(models) -> list[nn.Module]:
    """All submodules, each once however many of `models` it belongs to."""
    roots = [m if isinstance(m, nn.Module) else getattr(m, "model", None) for m in models]
    found = {module: None for root in roots if root is not None for module in root.modules()}
    return list(found)


def _dropout_rates(module: nn.Module) -> list[tuple[str, float]]:
    """Names and values of the rates that a module holds as plain numbers."""
    return [(k, v) for k, v in vars(module).items() if "drop" in k and isinstance(v, float)]
