"""Mutation tests of the trainers: a pinned step that no wrong line can move pins nothing.

Each mutant is a copy of `rlhf_lib.training` with one line changed, loaded beside it under another name.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import rlhf_lib.training

from . import mutants, pins_online, pins_rounds, test_pinned_offline
from .rooms import Room

FOLDER = Path(rlhf_lib.training.__file__).parent
NUMBER = itertools.count()


def mutated(mutant: mutants.Mutant, folder: Path) -> Room:
    """The room of a package whose modules are the library's but for one changed file."""
    source = (FOLDER / f"{mutant.file}.py").read_text(encoding="utf-8")
    assert source.count(mutant.old) >= 1, f"{mutant.file}.py has no {mutant.old!r}: mend the mutant"
    folder.mkdir()
    changed = source.replace(mutant.old, mutant.new, 1)
    (folder / f"{mutant.file}.py").write_text(changed, encoding="utf-8")
    name = f"rlhf_lib.training_mutant{next(NUMBER)}"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(folder), str(FOLDER)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return Room(name)


def of_rooms(pins: dict, room: Room) -> dict:
    """Pins that take a room, for this one."""
    return {name: functools.partial(pin, room) for name, pin in pins.items()}


def of_offline_trainers(room: Room) -> dict:
    """The checks of `test_pinned_offline`, as if it had imported this room."""
    pinned = ModuleType("pinned_on_a_mutant")
    source = Path(test_pinned_offline.__file__).read_text(encoding="utf-8")
    exec(
        source.replace("from rlhf_lib.training import", f"from {room.package} import"), vars(pinned)
    )
    pinned._start = test_pinned_offline._start  # the models' start is the same for all
    checks = {**pinned.CHECKS}
    checks |= {loss: functools.partial(pinned.check_direct, loss) for loss in pinned.DIRECT}
    whole = {name: functools.partial(check, micro_batch=None) for name, check in checks.items()}
    parts = {
        f"{name}, micro-batches": functools.partial(check, micro_batch=3)
        for name, check in checks.items()
    }
    return {**whole, **parts, **{f"settings {i}": c for i, c in enumerate(pinned.SETTINGS)}}


PARTS = (
    (mutants.ONLINE, functools.partial(of_rooms, pins_online.PINS)),
    (mutants.ROUNDS, functools.partial(of_rooms, pins_rounds.PINS)),
    (mutants.OFFLINE, of_offline_trainers),
)


def killer(mutant: mutants.Mutant, pins_of, folder: Path) -> str | None:
    """The name of the first pin that fails on the mutant, its own first; None if it survives."""
    try:
        room = mutated(mutant, folder)
        pins = pins_of(room)
        for name in [mutant.pin, *(other for other in pins if other != mutant.pin)]:
            try:
                pins[name]()
            except Exception:
                return name
        return None
    finally:
        for module in [m for m in sys.modules if m.startswith("rlhf_lib.training_mutant")]:
            del sys.modules[module]


def test_nine_of_ten_wrong_lines_are_found(tmp_path, capsys):
    """And a table of those that are not, by file."""
    everything = [(mutant, pins_of) for part, pins_of in PARTS for mutant in part]
    killed, total, survivors, elsewhere = Counter(), Counter(), [], []
    for number, (mutant, pins_of) in enumerate(everything):
        total[mutant.file] += 1
        found = killer(mutant, pins_of, tmp_path / str(number))
        killed[mutant.file] += found is not None
        if found is None:
            survivors.append(f"{mutant.file}: {mutant.new.strip()!r}")
        elif found != mutant.pin:
            elsewhere.append(f"{mutant.file}: {mutant.new.strip()!r} by {found!r}")
    with capsys.disabled():
        print(f"\n{'trainers':16s} mutants killed")
        for file in sorted(total):
            print(f"{file:16s} {total[file]:7d} {killed[file]:6d}")
        print(f"{'all':16s} {len(everything):7d} {killed.total():6d}")
        print("".join(f"  survives: {line}\n" for line in survivors), end="")
        print("".join(f"  not by its own pin: {line}\n" for line in elsewhere), end="")
    assert killed.total() >= 0.9 * len(everything)
