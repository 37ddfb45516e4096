"""Runs that survive: a folder from which the same call goes on as if nothing had happened.

    folder/start/          the settings, fingerprints of the data, and the reference as it was at first
    folder/step-00000010/  weights, optimizers, generators, history after ten steps (the last two are kept)
    folder/history.jsonl   the rows so far, one a line, for looking on

Only safetensors and JSON are written. A checkpoint is made in a folder of another name, brought to the
disk and then renamed; `complete.json` holds the sizes and checksums of its files, and one that does not
fit them is passed over. On the same machine a resumed run equals the unbroken one bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..lm import Policy
from ..lm.adapters import WithoutAdapter
from ..lm.chat import as_messages
from .history import History

TENSORS, STATE, COMPLETE, ROWS = (
    "tensors.safetensors",
    "state.json",
    "complete.json",
    "history.jsonl",
)
KEPT = 2


class Checkpoint:
    """What of a run is kept, where, and how often; without a folder it does nothing.

    settings: a dataclass. parts: name -> what changes along the run: modules, optimizers, generators
    (`random.Random` or torch's), the weights of the last rounds, dictionaries and objects of plain
    numbers such as `AdaptiveKL`, objects with a `parts()` of their own; None is left out. fixed: modules that stay as
    they were at first (the reference). facts: name -> function that gives the fingerprint of what must be
    the same again.

    Raises:
        ValueError: every < 1.
    """

    def __init__(
        self,
        folder: str | Path | None,
        every: int,
        settings: Any,
        history: History,
        parts: Mapping[str, Any],
        fixed: Mapping[str, nn.Module] | None = None,
        facts: Mapping[str, Callable[[], str]] | None = None,
    ) -> None:
        if every < 1:
            raise ValueError(f"checkpoint_every must be 1 or more; got {every}")
        self.folder, self.every = Path(folder) if folder is not None else None, every
        self.history, self.settings = history, json.loads(json.dumps(asdict(settings)))
        self.facts = {k: fact() for k, fact in (facts or {}).items()} if self.folder else {}
        self.parts = {**parts, "history": history, "global": GlobalGenerators()}
        self.fixed = fixed or {}
        self.written, self.done = 0, -1

    def resume(self) -> int:
        """Load the latest whole checkpoint, if there is one; returns how many steps are done.

        Raises:
            ValueError: the folder holds a run with other settings, data or weights' shapes (the message
                names which), or no checkpoint in it is whole.
        """
        if self.done < 0:
            self.done = 0 if self.folder is None else self._resume(self.folder)
        return self.done

    def _resume(self, folder: Path) -> int:
        if not (folder / "start").exists():
            self._begin(folder)
            return 0
        self._check_the_same(self._read(folder / "start", self.fixed))
        for step in reversed(_steps(folder)):
            if is_complete(step):
                self._read(step, self.parts)
                self._write_rows(folder)
                return int(step.name.removeprefix("step-"))
        raise ValueError(f"{folder} holds no whole checkpoint: remove it to begin anew")

    def after(self, done: int, last: bool = False) -> None:
        """To be called when `done` steps are done: writes the new rows and, when it is time, all."""
        if self.folder is None:
            return
        with (self.folder / ROWS).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in self.history.rows[self.written :])
        self.written = len(self.history.rows)
        if last or done % self.every == 0:
            self._save(self.folder, done)

    def _begin(self, folder: Path) -> None:
        tensors, states = _collect(self.fixed)
        about = {"settings": self.settings, "facts": self.facts, "states": states}
        self._save(folder, 0)
        write_folder(folder / "start", tensors, about)
        self._write_rows(folder)

    def _save(self, folder: Path, done: int) -> None:
        tensors, states = _collect(self.parts)
        write_folder(folder / f"step-{done:08d}", tensors, {"states": states})
        for old in _steps(folder)[:-KEPT]:
            shutil.rmtree(old)

    def _read(self, folder: Path, parts: Mapping[str, Any]) -> dict:
        if not is_complete(folder):
            raise ValueError(f"{folder} is damaged: remove {self.folder} to begin anew")
        from safetensors.torch import load_file

        about = json.loads((folder / STATE).read_text(encoding="utf-8"))
        _restore(parts, load_file(folder / TENSORS), about["states"], folder)
        return about

    def _check_the_same(self, about: dict) -> None:
        saved, now = about["settings"], self.settings
        for name in dict.fromkeys([*saved, *now]):
            if saved.get(name) != now.get(name):
                raise ValueError(
                    f"{self.folder} holds a run with {name} = {saved.get(name)!r}; this one has "
                    f"{name} = {now.get(name)!r}. Go on with the old settings, or name another folder"
                )
        for name in dict.fromkeys([*about["facts"], *self.facts]):
            if about["facts"].get(name) != self.facts.get(name):
                raise ValueError(
                    f"{self.folder} holds a run with another {name}. Go on with the old {name}, or "
                    "name another folder"
                )

    def _write_rows(self, folder: Path) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in self.history.rows)
        temporary = folder / f".{ROWS}"
        temporary.write_text(lines, encoding="utf-8")
        temporary.replace(folder / ROWS)
        self.written = len(self.history.rows)


# --- one folder, whole or not at all
def write_folder(folder: Path, tensors: dict[str, Tensor], state: dict) -> None:
    """Write tensors and state into `folder`; killed on the way, it leaves no folder of that name."""
    from safetensors.torch import save_file

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(tensors, partial / TENSORS)
    (partial / STATE).write_text(json.dumps(state), encoding="utf-8")
    marks = {name: _mark(partial / name) for name in (TENSORS, STATE)}
    (partial / COMPLETE).write_text(json.dumps(marks), encoding="utf-8")
    for path in (*partial.iterdir(), partial):
        _to_disk(path)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    _to_disk(folder.parent)


def is_complete(folder: Path) -> bool:
    """Whether all files are there, with the sizes and checksums that `complete.json` says."""
    try:
        marks = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        return all(_mark(folder / name) == mark for name, mark in marks.items())
    except (OSError, ValueError, AttributeError):
        return False


def _steps(folder: Path) -> list[Path]:
    """Checkpoints that were finished once, in order; other folders of such a name are let be."""
    return sorted(path.parent for path in folder.glob(f"step-*/{COMPLETE}"))


def _mark(path: Path) -> list[int]:
    """Size in bytes and CRC-32."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            checksum = zlib.crc32(block, checksum)
    return [path.stat().st_size, checksum]


def _to_disk(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- what is kept of each kind of part
def _collect(parts: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """({"part/key": tensor}, {"part": what JSON can hold}) of all parts."""
    tensors: dict[str, Tensor] = {}
    states: dict[str, Any] = {}
    for name, part in _flat(parts):
        tensors |= {f"{name}/{key}": _whole(tensor) for key, tensor in _tensors_of(part).items()}
        states[name] = _state_of(part)
    return tensors, states


def _restore(parts: Mapping[str, Any], tensors: dict, states: dict, folder: Path) -> None:
    """Put back what `_collect` took."""
    for name, part in _flat(parts):
        if name not in states:
            raise ValueError(f"{folder} was written by another kind of run: it has no {name}")
        own = {
            k.removeprefix(f"{name}/"): t for k, t in tensors.items() if k.startswith(f"{name}/")
        }
        _put_back(part, own, states[name], f"{folder}: {name}")


def _flat(parts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, part in parts.items():
        if hasattr(part, "parts"):
            yield from _flat({f"{name}.{key}": value for key, value in part.parts().items()})
        elif part is not None:
            yield name, part


def _tensors_of(part: Any) -> dict[str, Tensor]:
    if isinstance(part, nn.Module):
        return _weights(part)
    if isinstance(part, torch.optim.Optimizer):
        return {
            f"{i}.{key}": value
            for i, slots in part.state_dict()["state"].items()
            for key, value in slots.items()
            if isinstance(value, Tensor)
        }
    if isinstance(part, deque):  # of past weights
        return {f"{i}.{key}": t for i, weights in enumerate(part) for key, t in weights.items()}
    return {}


def _state_of(part: Any) -> Any:
    if isinstance(part, nn.Module):
        return None
    if isinstance(part, torch.optim.Optimizer):
        return [group["lr"] for group in part.param_groups]
    if isinstance(part, deque):
        return len(part)
    if isinstance(part, torch.Generator):
        return part.get_state().tolist()
    if isinstance(part, random.Random):
        return part.getstate()
    if isinstance(part, dict):
        return dict(part)
    return part.state() if hasattr(part, "state") else dict(vars(part))


def _put_back(part: Any, tensors: dict[str, Tensor], state: Any, where: str) -> None:
    if isinstance(part, nn.Module):
        _put_weights(part, tensors, where)
    elif isinstance(part, torch.optim.Optimizer):
        _put_optimizer(part, tensors, state)
    elif isinstance(part, deque):
        part.clear()
        part.extend({} for _ in range(state))
        for name, tensor in tensors.items():
            number, key = name.split(".", 1)
            part[int(number)][key] = tensor
    elif isinstance(part, torch.Generator):
        part.set_state(torch.tensor(state, dtype=torch.uint8))
    elif isinstance(part, random.Random):
        part.setstate(_as_random_state(state))
    elif hasattr(part, "restore"):
        part.restore(state)
    else:
        (part if isinstance(part, dict) else vars(part)).update(state)


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; tied ones once."""
    seen: dict[int, str] = {}
    named = module.state_dict(keep_vars=True)
    return {k: t for k, t in named.items() if seen.setdefault(id(t), k) == k}


@torch.no_grad()
def _put_weights(module: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    weights = _weights(module)
    for name in dict.fromkeys([*weights, *tensors]):
        ours, saved = weights.get(name), tensors.get(name)
        if ours is None or saved is None or ours.shape != saved.shape:
            raise ValueError(f"{where} is of another model: see its weight {name}")
        ours.copy_(saved)


def _put_optimizer(optimizer: torch.optim.Optimizer, tensors: dict, rates: list[float]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, key = name.split(".", 1)
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def _whole(tensor: Tensor) -> Tensor:
    """On the CPU, in one piece, and with a memory of its own."""
    tensor = tensor.detach().cpu().contiguous()
    own = tensor.untyped_storage().nbytes() == tensor.nbytes
    return tensor if own else tensor.clone()


def _as_random_state(state: Sequence) -> tuple:
    version, numbers, following = state
    return version, tuple(numbers), following


class GlobalGenerators:
    """The generators that nobody names: Python's, NumPy's and torch's (dropout draws from the last)."""

    def state(self) -> dict[str, Any]:
        """Their states, as JSON takes them."""
        import numpy

        state: Any = numpy.random.get_state()
        kind, numbers, *rest = state
        return {
            "python": random.getstate(),
            "numpy": [kind, numbers.tolist(), *rest],
            "torch": torch.get_rng_state().tolist(),
            "devices": [state.tolist() for state in self._cuda()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Set them to what `state` gave."""
        import numpy

        random.setstate(_as_random_state(state["python"]))
        numpy.random.set_state(tuple(state["numpy"]))
        torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
        if len(state["devices"]) == len(self._cuda()) > 0:
            saved = [torch.tensor(one, dtype=torch.uint8) for one in state["devices"]]
            torch.cuda.set_rng_state_all(saved)

    def _cuda(self) -> list[Tensor]:
        return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []


class CountedStream:
    """An iterator that knows how much was taken from it; resuming takes as much from a new one."""

    def __init__(self, items: Iterable) -> None:
        self.items, self.taken = iter(items), 0

    def __iter__(self) -> Iterator:
        return self

    def __next__(self):
        item = next(self.items)
        self.taken += 1
        return item

    def state(self) -> int:
        """How many items were taken."""
        return self.taken

    def restore(self, taken: int) -> None:
        """Go to where `taken` items were taken."""
        while self.taken < taken:
            next(self)


# --- fingerprints
def digest(rows: Iterable[Sequence]) -> str:
    """A fingerprint of rows of a prompt and whatever follows it."""
    found = hashlib.sha256()
    for prompt, *rest in rows:
        found.update(json.dumps([as_messages(prompt), rest], default=str).encode())
    return found.hexdigest()[:16]


def digest_of_weights(module: nn.Module | None) -> str:
    """A fingerprint of a module's weights; an empty one for None."""
    if module is None:
        return ""
    checksum = 0
    for tensor in _weights(module).values():
        data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        checksum = zlib.crc32(data.numpy().tobytes(), checksum)
    return f"{checksum:08x}"


Facts = dict[str, Callable[[], str]]


def of_reference(used: Policy | None, given: Policy | None) -> tuple[dict[str, nn.Module], Facts]:
    """What is kept of a reference, as `fixed` and `facts` of a `Checkpoint`.

    Of one that was given a fingerprint: it must be given again. Of one that a trainer made of the policy
    at its start the weights, which the policy itself no longer has when the run goes on; but a LoRA
    policy's has none of its own, it is the policy with its adapter switched off.
    """
    if used is None or isinstance(used.model, WithoutAdapter):
        return {}, {}
    if given is None:
        return {"reference": used.model}, {"reference": lambda: "the policy at its start"}
    return {}, {"reference": lambda: digest_of_weights(given.model)}
