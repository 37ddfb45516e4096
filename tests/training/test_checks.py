"""`check_settings`: wrong types, ranges and names, by the field's name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from rlhf_lib.training.checks import check_settings


@dataclass
class Dials:
    count: int = 1
    rate: float = 0.5
    cap: float | None = None
    loud: bool = False
    name: str = "a"
    limit: int | None = None

    def __post_init__(self) -> None:
        check_settings(
            self,
            positive=("count", "cap", "limit"),
            non_negative=("rate",),
            within={"rate": (0, 1)},
            choices={"name": ("a", "b")},
            notes={"rate": "a rate is a share"},
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 1.5}, "count must be a whole number; got 1.5"),
        ({"count": True}, "count must be a whole number; got True"),
        ({"count": None}, "count must be a whole number; got None"),
        ({"count": 0}, "count must be positive; got 0"),
        ({"rate": "0.5"}, "rate must be a number; got '0.5'"),
        ({"rate": float("nan")}, "rate must be a number; got nan"),
        ({"rate": -0.1}, r"rate must be 0 or more; got -0.1 \(a rate is a share\)"),
        ({"rate": 1.1}, "rate must lie between 0 and 1; got 1.1"),
        ({"cap": 0.0}, "cap must be positive; got 0.0"),
        ({"limit": 2.5}, "limit must be a whole number; got 2.5"),
        ({"loud": "no"}, "loud must be True or False; got 'no'"),
        ({"name": "c"}, "name must be one of a, b; got 'c'"),
        ({"name": 3}, "name must be a word; got 3"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Dials(**change)


def test_what_is_taken():
    Dials()
    Dials(count=np.int64(3), rate=1, cap=np.float32(2.0), loud=np.bool_(True), limit=4, name="b")
