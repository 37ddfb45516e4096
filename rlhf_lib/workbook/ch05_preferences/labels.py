"""A reader's labels on disk: one JSON Lines file that is replaced whole, label by label, or not at all.

The columns are those of our other preference files and of TRL: `prompt`, `chosen` and `rejected` are lists of
messages. What more a label knows stands in further columns. A label that `add` has returned from is on the
disk: a killed kernel loses none. Two desks may write to one file: each waits for the other and keeps its rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...runtime import data_path

VERSION = 1
"""Of the columns. A file of another version is not touched."""

NEEDED = ("prompt", "chosen", "rejected", "tie", "version", "id", "pair")


class LabelError(RuntimeError):
    """A label that could not be read or kept; the message says what happened and what is safe."""


def labels_folder() -> Path:
    """Where labels are kept: `RLHF_LABELS` if set, else `chapters/my_labels`, which git ignores, else `my_labels` here."""
    chosen = os.environ.get("RLHF_LABELS")
    if chosen:
        return Path(chosen)
    chapters = data_path().parent / "chapters"
    return (chapters if chapters.is_dir() else Path.cwd()) / "my_labels"


@dataclass
class LabelFile:
    """The labels of one file, such as `LabelFile(labels_folder() / "labels.jsonl")`."""

    path: Path

    def rows(self) -> list[dict]:
        """All whole rows, oldest first; broken lines are passed over (see `broken`).

        Raises:
            LabelError: the file cannot be read, or is of another version.
        """
        return self._parts()[0]

    def broken(self) -> list[bytes]:
        """Lines that are no labels: half-written by another program, or damaged."""
        return self._parts()[1]

    def add(self, row: dict) -> None:
        """Keep one more label; it is on the disk when this returns.

        Raises:
            LabelError: it could not be written (a full disk, no permission). What was there is still there.
        """
        with self._alone():
            self._write([*self._sound_rows(), row])

    def remove(self, identity: str) -> bool:
        """Take one label back by its `id`; whether there was one.

        Raises:
            LabelError: as `add`.
        """
        with self._alone():
            rows = self._sound_rows()
            kept = [row for row in rows if row["id"] != identity]
            if len(kept) < len(rows):
                self._write(kept)
            return len(kept) < len(rows)

    def _parts(self) -> tuple[list[dict], list[bytes]]:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return [], []
        except OSError as error:
            raise LabelError(f"{self.path.name} could not be read: {_why(error)}") from error
        found = [(line, _row(line)) for line in lines if line.strip()]
        self._refuse_other_versions([row for _, row in found if row is not None])
        rows = [row for _, row in found if row is not None and is_label(row)]
        return rows, [line for line, row in found if row is None or not is_label(row)]

    def _refuse_other_versions(self, rows: Sequence[dict]) -> None:
        others = {row["version"] for row in rows if "version" in row} - {VERSION}
        if others:
            raise LabelError(
                f"{self.path.name} was written by version {', '.join(map(str, sorted(others, key=str)))} of this desk; "
                f"this is version {VERSION}. Nothing in it was changed. Move it away, or give your labels another "
                "name: label_desk(..., name='second')"
            )

    def _sound_rows(self) -> list[dict]:
        """The rows to write back; broken lines are first put aside into a file of their own."""
        rows, broken = self._parts()
        if broken:
            aside = self.path.with_name(self.path.name + ".broken")
            known = aside.read_bytes().split(b"\n") if aside.exists() else []
            _replace(
                aside,
                b"\n".join([*(x for x in known if x), *(x for x in broken if x not in known), b""]),
            )
        return rows

    def _write(self, rows: Sequence[dict]) -> None:
        lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
        _replace(self.path, "".join(line + "\n" for line in lines).encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One desk at a time. The system itself gives the lock back when a process dies."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = self.path.with_name(self.path.name + ".lock").open("ab")
        except OSError as error:
            raise LabelError(_not_saved(self.path, error)) from error
        with handle:
            _lock(handle.fileno())
            yield


def is_label(row: Any) -> bool:
    """Whether a row of a file has what a label needs."""
    return isinstance(row, dict) and all(name in row for name in NEEDED)


def _row(line: bytes) -> dict | None:
    try:
        row = json.loads(line)
    except ValueError:  # half a line, or no text at all
        return None
    return row if isinstance(row, dict) else None


def _replace(path: Path, content: bytes) -> None:
    """The new content, or the old one: never a part of either, whenever the power fails."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise LabelError(_not_saved(path, error)) from error


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, too (where a folder can be opened)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock(handle: int) -> None:
    """Wait until no other process holds this file."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(handle, fcntl.LOCK_EX)


def _not_saved(path: Path, error: OSError) -> str:
    return (
        f"this label was not saved: {_why(error)}. All labels before it are safe in {path.name}. Mend that and press "
        "the key again"
    )


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def pool(paths: Sequence[Path]) -> list[dict]:
    """The labels of several readers' files in one list, each row once.

    A row without a reader's name gets its file's name. Raises LabelError as `LabelFile.rows`.
    """
    found: dict[str, dict] = {}
    for path in paths:
        for row in LabelFile(Path(path)).rows():
            found.setdefault(row["id"], {**row, "reader": row.get("reader") or Path(path).stem})
    return list(found.values())
