"""Interactive labs, by name: `from rlhf_lib.labs import walk_lab`. They live in `workbook`, a folder a chapter."""

from __future__ import annotations

from .workbook.contents import lab_modules


def __getattr__(name: str):
    """What a lab's module defines under this name; of several modules, none, for then it says too little."""
    found = [
        vars(module)[name]
        for module in ([] if name.startswith("_") else lab_modules())
        if getattr(vars(module).get(name), "__module__", None) == module.__name__
    ]
    if len(found) != 1:
        raise AttributeError(f"module 'rlhf_lib.labs' has no attribute {name!r}")
    return found[0]


def __dir__() -> list[str]:
    return sorted(
        name for module in lab_modules() for name in vars(module) if name.endswith("_lab")
    )
