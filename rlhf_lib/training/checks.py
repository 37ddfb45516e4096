"""Checks of settings that all settings classes share: each raises ValueError with the field's name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real

KINDS = {"int": Integral, "float": Real, "str": str}
WORDS = {"int": "a whole number", "float": "a number", "bool": "True or False", "str": "a word"}


def check_settings(
    settings,
    positive: Iterable[str] = (),
    non_negative: Iterable[str] = (),
    within: Mapping[str, tuple[float, float]] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Refuse a settings dataclass with a field of the wrong type, out of range, or of unknown name.

    Types are those of the annotations: int, float, bool or str, alone or with None. positive: fields
    above 0; non_negative: 0 or more; within: {field: (low, high)}, both ends allowed; choices:
    {field: names}; None passes them all where its field allows None. notes: {field: why}, for messages.

    Raises:
        ValueError: names the first field that is wrong, what it must be and what it is.
    """
    notes = notes or {}

    def demand(name: str, right: bool, wanted: str) -> None:
        if not right:
            why = f" ({notes[name]})" if name in notes else ""
            raise ValueError(f"{name} must {wanted}; got {getattr(settings, name)!r}{why}")

    for field in fields(settings):
        kind, none_allowed = _kind(str(field.type))
        if getattr(settings, field.name) is not None or not none_allowed:
            demand(field.name, _is_a(getattr(settings, field.name), kind), f"be {WORDS[kind]}")
    for name in positive:
        demand(name, _or_none(settings, name, lambda x: x > 0), "be positive")
    for name in non_negative:
        demand(name, _or_none(settings, name, lambda x: x >= 0), "be 0 or more")
    for name, (low, high) in (within or {}).items():
        inside = _or_none(settings, name, lambda x, low=low, high=high: low <= x <= high)
        demand(name, inside, f"lie between {low} and {high}")
    for name, names in (choices or {}).items():
        inside = _or_none(settings, name, lambda x, names=names: x in names)
        demand(name, inside, f"be one of {', '.join(names)}")


def _kind(annotation: str) -> tuple[str, bool]:
    """('float', True) of 'float | None'."""
    kinds = [part.strip() for part in annotation.split("|")]
    return kinds[0], "None" in kinds


def _is_a(value, kind: str) -> bool:
    if kind == "bool":
        return value in (True, False)
    if kind != "str" and isinstance(value, bool):
        return False
    return isinstance(value, KINDS[kind]) and (kind != "float" or not math.isnan(value))


def _or_none(settings, name: str, test) -> bool:
    value = getattr(settings, name)
    return value is None or bool(test(value))
