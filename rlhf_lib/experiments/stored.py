"""Stored runs: `data/chNN_name/<experiment>.json`, with settings, command and the results of each seed.

Written seed by seed, so that what is killed keeps what it has, and two processes may share the seeds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..runtime import data_path
from .experiment import Experiment


def path_of(chapter: str, name: str) -> Path:
    """The file of an experiment; chapter such as '07_reward_modeling'."""
    return data_path(f"ch{chapter}", f"{name}.json")


def store(chapter: str, experiment: Experiment, seed: int, result: dict, command: str) -> None:
    """Put one seed's result into the experiment's file. Seeds of other settings are dropped.

    Raises:
        ValueError: JSON cannot hold the result, or a number in it is not finite.
    """
    path = path_of(chapter, experiment.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = _plain(dict(experiment.settings))
    with _alone(path.parent):
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        seeds = known["seeds"] if known.get("settings") == settings else {}
        seeds = dict(sorted({**seeds, str(seed): _plain(result)}.items(), key=lambda s: int(s[0])))
        _write(path, {"command": command, "settings": settings, "seeds": seeds})


def results_of(chapter: str, name: str) -> dict[int, dict]:
    """Seed -> stored result.

    Raises:
        FileNotFoundError: not stored yet; says how to make it.
    """
    path = path_of(chapter, name)
    if not path.exists():
        raise FileNotFoundError(f"no {path}: `make experiments ONLY={chapter[:2]}` makes it")
    return {int(s): r for s, r in json.loads(path.read_text(encoding="utf-8"))["seeds"].items()}


def band(name: str) -> dict:
    """Lowest, median and highest value over the stored seeds, for figures: {'low': ..., 'median': ..., 'high': ...}.

    name: of an experiment, or 'chapter/experiment' ('07_reward_modeling/epochs') where two chapters have one
    of that name. The result has the keys of a seed's result, with a band in place of each number or curve;
    what stands under "step" stays as it is.

    Raises:
        FileNotFoundError: no chapter has stored it.
        ValueError: several chapters have, or the seeds' curves have different lengths.
    """
    chapter, _, word = name.rpartition("/")
    found = sorted(data_path().glob(f"ch{chapter or '*'}/{word}.json"))
    if not found:
        raise FileNotFoundError(f"no stored runs {name!r} in {data_path()}: `make experiments`")
    if len(found) > 1:
        chapters = ", ".join(path.parent.name[2:] for path in found)
        raise ValueError(f"name {name!r} is stored by {chapters}: say 'chapter/{word}'")
    return band_over([*results_of(found[0].parent.name[2:], word).values()])


def band_over(results: list) -> dict:
    """The band of results of one form: see `band`.

    Raises:
        ValueError: curves of different lengths.
    """
    first = results[0]
    if isinstance(first, dict):
        return {
            key: first[key] if key == "step" else band_over([result[key] for result in results])
            for key in first
        }
    table = np.array(results, dtype=float)
    found = {"low": table.min(0), "median": np.median(table, 0), "high": table.max(0)}
    return {end: values.tolist() for end, values in found.items()}


def _plain(value):
    """The value as JSON gives it back, floats with six digits. Raises ValueError if it cannot hold it."""
    try:
        text = json.dumps(_rounded(value), allow_nan=False, default=float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"result must hold finite numbers, texts, lists and dicts: {error}"
        ) from error
    return json.loads(text)


def _rounded(value):
    if isinstance(value, dict):
        return {str(key): _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _write(path: Path, content: dict) -> None:
    """Replace the file as a whole, or not at all."""
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    os.replace(fresh, path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time, where the system has file locks (Windows has none of this kind)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
