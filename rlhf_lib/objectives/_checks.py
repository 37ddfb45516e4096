"""Argument checks shared by the objectives: each raises ValueError with the argument's name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def same_shape(**tensors: Tensor | None) -> None:
    """All tensors (None is skipped) have the shape of the first."""
    present = {name: t for name, t in tensors.items() if t is not None}
    (first, reference), *others = present.items()
    for name, tensor in others:
        has_shape(name, tensor, reference.shape, first)


def has_shape(name: str, tensor: Tensor, shape: Sequence[int], origin: str) -> None:
    """`tensor` has exactly this shape, which comes from `origin`."""
    if tuple(tensor.shape) != tuple(shape):
        raise ValueError(
            f"{name} must have the shape of {origin}, {tuple(shape)}; got {tuple(tensor.shape)}"
        )


def has_dimensions(name: str, tensor: Tensor, wanted: str) -> None:
    """`tensor` has floating numbers, as many dimensions as `wanted`, such as '(B, T)', and an entry."""
    if tensor.ndim != wanted.count(",") + (0 if wanted.endswith(",)") else 1):
        raise ValueError(f"{name} must have shape {wanted}; got {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        raise ValueError(f"{name} is empty: shape {tuple(tensor.shape)}")
    if not tensor.is_floating_point():
        raise ValueError(f"{name} must hold floating-point numbers; got {tensor.dtype}")


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


def positive(name: str, value: float) -> None:
    """`value` > 0."""
    if not value > 0:
        raise ValueError(f"{name} must be positive; got {value}")


def within(name: str, value: float, low: float, high: float) -> None:
    """`low` <= `value` <= `high`."""
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low} and {high}; got {value}")
