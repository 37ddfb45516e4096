"""One step of each trainer, pinned to a few lines of `objectives`."""

import pytest

from . import pins_online, pins_rounds
from .rooms import Room

PINS = {**pins_online.PINS, **pins_rounds.PINS}


@pytest.mark.parametrize("name", PINS)
def test_one_step(name):
    PINS[name](Room())
