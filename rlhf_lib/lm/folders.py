"""Checkpoint folders: written whole or not at all, and read as JSON."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARKS = ("config.json", "adapter_config.json")
"""Without one of these a folder is no checkpoint: they go first when it is replaced, and come last."""

STALE = (
    *MARKS, "generation_config.json", "model*.safetensors", "*.safetensors.index.json",
    "adapter_model*", "head.safetensors", "pytorch_model*", "chat_template.*", "added_tokens.json",
    "special_tokens_map.json", "additional_chat_templates",
)  # fmt: skip
"""What an older checkpoint may have left that would be read with, or instead of, the new one."""


@contextmanager
def replacing(folder: str | Path) -> Iterator[Path]:
    """A folder to write a checkpoint into; when it is whole, it takes the place of the one in `folder`.

    Other files in `folder` stay. A save that is cut off leaves the old checkpoint, or none: never one
    that is half new.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".saving-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as part:
        yield Path(part)
        for pattern in STALE:
            for path in folder.glob(pattern):
                remove(path)
        for path in sorted(Path(part).iterdir(), key=lambda path: path.name in MARKS):
            remove(folder / path.name)
            os.replace(path, folder / path.name)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint: one, or the shards that its index names."""
    index = read_json(folder / "model.safetensors.index.json")
    names = set(index["weight_map"].values()) if index else {"model.safetensors"}
    return [folder / name for name in sorted(names)]


def read_weight(folder: Path, name: str):
    """One weight of a checkpoint as a tensor; None where it has none of that name."""
    from safetensors import safe_open

    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            if name in file.keys():  # noqa: SIM118
                return file.get_tensor(name)
    return None


def add_weight(folder: Path, name: str, weight) -> None:
    """Put one more weight into a checkpoint: into its only file, or as a further shard."""
    from safetensors.torch import load_file, save_file

    index_path = folder / "model.safetensors.index.json"
    index = read_json(index_path)
    if not index:
        path = folder / "model.safetensors"
        save_file({**load_file(path), name: weight}, path, metadata={"format": "pt"})
        return
    save_file({name: weight}, folder / f"model-{name}.safetensors", metadata={"format": "pt"})
    index["weight_map"][name] = f"model-{name}.safetensors"
    write_json(index_path, index)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_json(path: Path) -> dict:
    """The object in a JSON file; empty where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_json(path: Path, values: dict) -> None:
    """Write an object as JSON, in UTF-8 wherever it runs."""
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
