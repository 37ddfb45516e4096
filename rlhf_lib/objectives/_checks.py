"""Argument checks shared by the objectives: each raises ValueError with the argument's name."""

from __future__ import annotations

from torch import Tensor


def same_shape(**tensors: Tensor | None) -> None:
    """All tensors (None is skipped) have the shape of the first."""
    present = {name: t for name, t in tensors.items() if t is not None}
    (first, reference), *others = present.items()
    for name, tensor in others:
        if tensor.shape != reference.shape:
            raise ValueError(
                f"{name} must have the shape of {first}, {tuple(reference.shape)}; "
                f"got {tuple(tensor.shape)}"
            )


def has_dimensions(name: str, tensor: Tensor, wanted: str) -> None:
    """`tensor` has as many dimensions as `wanted`, such as '(B, T)', and none is empty."""
    if tensor.ndim != wanted.count(",") + (0 if wanted.endswith(",)") else 1):
        raise ValueError(f"{name} must have shape {wanted}; got {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty: shape {tuple(tensor.shape)}")


def mask_covers_rows(mask: Tensor) -> None:
    """Each row of mask (B, T) has at least one completion token."""
    if not bool((mask.sum(-1) > 0).all()):
        raise ValueError("mask has a row without a completion token: its mean would be 0/0")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """`value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def at_least(name: str, value: float, low: float) -> None:
    """`value` >= `low`."""
    if not value >= low:
        raise ValueError(f"{name} must be {low} or more; got {value}")


def within(name: str, value: float, low: float, high: float) -> None:
    """`low` <= `value` <= `high`."""
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low} and {high}; got {value}")
