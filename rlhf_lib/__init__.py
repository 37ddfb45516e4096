"""`rlhf_lib`: the library that the workbook's chapters call.

Rooms, in the order in which data walks through them (each imports only from those before it):
`world`, `lm`, `rewards`, `objectives`, `training`, `evaluation`, `exact`, `landscape`, `plots`,
`experiments`, and above them the `workbook`, a folder a chapter. The names below are loaded on first use, so that `import rlhf_lib` stays quick.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "PocketWorld": "rlhf_lib.world",
    "load_policy": "rlhf_lib.lm",
    "set_seed": "rlhf_lib.runtime",
    "get_device": "rlhf_lib.runtime",
    "data_path": "rlhf_lib.runtime",
}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'rlhf_lib' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
