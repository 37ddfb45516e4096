"""Whether two results are the same, and if not, one sentence that says where they differ."""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


def same(got, want, tolerance: float) -> bool:
    """Equal in kind, shape and value. Nothing is broadcast, squared or rounded first."""
    if isinstance(want, Tensor):
        return isinstance(got, Tensor) and got.shape == want.shape and close(got, want, tolerance)
    if isinstance(want, dict):
        return isinstance(got, dict) and same(list(got.items()), list(want.items()), tolerance)
    if isinstance(want, tuple | list):
        return (
            isinstance(got, tuple | list)
            and len(got) == len(want)
            and all(same(g, w, tolerance) for g, w in zip(got, want, strict=True))
        )
    got = plain(got)
    if not isinstance(got, int | float) or not isinstance(want, int | float):
        return type(got) is type(want) and got == want
    return math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance)


def close(got: Tensor, want: Tensor, tolerance: float) -> bool:
    """Whether two tensors of one shape agree, relative to the largest entry that is expected.

    Half precision is held to its own: it cannot do better.
    """
    if tolerance and got.dtype in HALF:
        tolerance = max(tolerance, 4 * torch.finfo(got.dtype).eps)
    got, want = got.detach().double(), want.detach().double()
    largest = want.abs().max().item() if want.numel() else 0.0
    absolute = tolerance * (min(1.0, largest) or 1.0)
    return torch.allclose(got, want, rtol=tolerance, atol=absolute)


def plain(value):
    """A single number of torch or NumPy as one of Python; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def difference(got, want, tolerance: float = 1e-5) -> str:
    """One sentence on how an answer differs from what was expected, by more than `tolerance`."""
    if isinstance(want, Tensor):
        return _tensor_difference(got, want, tolerance)
    if isinstance(want, dict):
        return _named_difference(got, want, tolerance)
    if isinstance(want, tuple | list):
        if not isinstance(got, tuple | list) or len(got) != len(want):
            return f"expected {len(want)} values, got {kind(got)}"
        pairs = list(zip(got, want, strict=True))
        number = next(i for i, pair in enumerate(pairs) if not same(*pair, tolerance))
        return f"value {number + 1} of {len(want)}: {difference(*pairs[number], tolerance)}"
    return _number_difference(got, want, tolerance)


def kind(value) -> str:
    """What a value is, in words: its type, and the shape or length where it has one."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 0):
        return f"a NumPy array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {value!r}"


def _named_difference(got, want: dict, tolerance: float) -> str:
    if not isinstance(got, dict):
        return f"expected {', '.join(want)}; got {kind(got)}"
    name = next(n for n in want if not same(got.get(n), want[n], tolerance))
    return f"{name}: {difference(got.get(name), want[name], tolerance)}"


def _tensor_difference(got, want: Tensor, tolerance: float) -> str:
    if not isinstance(got, Tensor):
        return _no_tensor(got, want, tolerance)
    if got.shape != want.shape:
        alike = got.numel() == want.numel() and close(got.reshape(want.shape), want, tolerance)
        start = "the right numbers, but " if alike else ""
        return f"{start}expected shape {tuple(want.shape)}, got {tuple(got.shape)}"
    if not torch.isfinite(got).all():
        return "your result is not finite (NaN or infinity)"
    place = int((got.double() - want.double()).abs().flatten().argmax())
    there = place_name(place, want.shape)
    expected, yours = told_apart(want.flatten()[place].item(), got.flatten()[place].item())
    return f"{there}expected {expected}, got {yours}"


def _no_tensor(got, want: Tensor, tolerance: float) -> str:
    number = plain(got)
    if isinstance(number, int | float) and want.ndim == 0:
        right = math.isclose(number, want.item(), rel_tol=tolerance, abs_tol=tolerance)
        start = "the right number, but " if right else ""
        return (
            f"{start}expected a tensor, got {kind(got)}: `.item()` and `float(...)` cut a number off "
            "from what made it, and then no gradient comes back"
        )
    if type(got).__module__ == "numpy":
        return f"expected a tensor, got {kind(got)}: return what torch computed"
    return f"expected a tensor of shape {tuple(want.shape)}, got {kind(got)}"


def _number_difference(got, want, tolerance: float) -> str:
    if getattr(got, "ndim", 0):
        one = got.reshape(-1)[0].item() if math.prod(got.shape) == 1 else None
        right = isinstance(one, int | float) and same(one, want, tolerance)
        start = "the right number, but " if right else ""
        return f"{start}expected one number, got {kind(got)}" + (": add `.item()`" * right)
    value = plain(got)
    if isinstance(value, float) and not math.isfinite(value):
        return "your result is not finite (NaN or infinity)"
    if not isinstance(value, int | float) or not isinstance(want, int | float):
        return f"expected {kind(want)}, got {kind(value)}"
    return "expected {}, got {}".format(*told_apart(want, value))


def place_name(place: int, shape: torch.Size) -> str:
    """'at row 1, column 2 (counted from 0): ' of an entry in the flattened tensor."""
    if len(shape) == 0:
        return ""
    if len(shape) == 1:
        return f"at entry {place} (counted from 0): "
    if len(shape) == 2:
        row, column = divmod(place, shape[1])
        return f"at (row, column) = ({row}, {column}), counted from 0: "
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(place), shape))
    return f"at {index}, counted from 0: "


def told_apart(first: float, second: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ, at least four."""
    if isinstance(first, int) and isinstance(second, int):
        return str(first), str(second)
    for digits in range(4, 18):
        texts = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def negated(value):
    """The same result with its sign flipped; None for what has no sign."""
    if isinstance(value, Tensor | int | float):
        return -value
    if isinstance(value, tuple) and all(isinstance(v, Tensor | int | float) for v in value):
        return tuple(-v for v in value)
    return None


def constant_factor(got: list, want: list, tolerance: float) -> float | None:
    """The number that all results are too large by, if it is one number, not 0 and not 1; else None."""
    mine, right = (torch.cat([_numbers(v) for v in values]) for values in (got, want))
    if mine.shape != right.shape or len(right) < 2 or not right.any():
        return None
    factor = float((mine @ right) / (right @ right))
    told = factor != 0 and abs(factor - 1) > 1e-3
    return factor if told and close(mine, factor * right, tolerance) else None


def _numbers(value) -> Tensor:
    """All numbers of a result in one row; none of what holds none."""
    if isinstance(value, Tensor):
        return value.detach().double().flatten()
    if isinstance(value, tuple | list):
        return torch.cat([torch.zeros(0, dtype=torch.float64), *map(_numbers, value)])
    value = plain(value)
    return torch.tensor([value] if isinstance(value, int | float) else [], dtype=torch.float64)
