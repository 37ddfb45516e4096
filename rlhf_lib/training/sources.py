"""Any source of rows as plain dictionaries: files (JSON Lines, JSON, CSV, parquet), data sets, frames.

All files are read as UTF-8, whatever the locale (a byte order mark is dropped; UTF-16 is told by its own).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_MARK = b"\xef\xbb\xbf"  # a byte order mark, as Windows writes it at the head of UTF-8
Located = tuple[str, Any]
"""Where a row stands ("labels.jsonl, line 3"), and the row (or the ValueError that it is)."""


def rows_of(source: Any) -> Iterator[Located]:
    """The rows of a path, a `datasets.Dataset`, a pandas frame, a pyarrow table or a list, one by one.

    A row that cannot be read comes as a `ValueError` in place of the row, so that it costs only itself.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a source of no known kind.
    """
    if isinstance(source, str | Path):
        rows, nulls = _file_rows(Path(source)), not str(source).endswith(".parquet")
    else:
        rows = ((f"row {i}", row) for i, row in enumerate(_row_iterable(source)))
        nulls = isinstance(source, list | tuple)
    return ((at, as_plain(row, nulls) if isinstance(row, Mapping) else row) for at, row in rows)


def _row_iterable(source: Any) -> Iterable:
    if isinstance(source, Mapping):
        raise ValueError(
            "rows must be a list of rows; got one mapping with the keys "
            f"{', '.join(map(str, source))}: name a split, as in data['train'], or give [row]"
        )
    if hasattr(source, "to_pylist"):  # pyarrow
        return source.to_pylist()
    if hasattr(source, "to_dicts"):  # polars
        return source.to_dicts()
    if hasattr(source, "iloc"):  # pandas
        return source.to_dict("records")
    if not isinstance(source, Iterable):
        raise ValueError(
            f"rows must be a path, a data set, a frame or a list; got {type(source).__name__}"
        )
    return source


def as_plain(value: Any, nulls: bool = True) -> Any:
    """Arrays as lists, NumPy's scalars as Python's, NaN and pandas' NA as None; deep.

    nulls: False leaves out the None that Arrow puts for each key that other rows have.
    """
    if isinstance(value, Mapping):
        plain = {key: as_plain(item, nulls) for key, item in value.items()}
        return plain if nulls else {k: item for k, item in plain.items() if item is not None}
    if isinstance(value, list | tuple):
        return [as_plain(item, nulls) for item in value]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return as_plain(value.tolist(), nulls)
    missing = isinstance(value, float) and math.isnan(value)
    return None if missing or type(value).__name__ in ("NAType", "NaTType") else value


def _file_rows(path: Path) -> Iterator[Located]:
    if not path.exists():
        raise FileNotFoundError(f"no file {path}; `make models` writes the shipped ones")
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder: give one of its files, or datasets.load_from_disk(...)"
        )
    ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if ending == ".parquet":
        return _parquet_rows(path)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if ending in (".csv", ".tsv"):
        return _csv_rows(path, raw)
    return _json_rows(path, raw)


def _parquet_rows(path: Path) -> Iterator[Located]:
    from pyarrow import parquet

    rows = parquet.read_table(path).to_pylist()
    return ((f"{path}, row {i}", row) for i, row in enumerate(rows))


def _json_rows(path: Path, raw: bytes) -> Iterator[Located]:
    """JSON Lines, a JSON array of rows, or an object that holds nothing but such an array."""
    raw = _as_utf8(raw)
    try:
        found = json.loads(raw)
    except ValueError as error:
        if raw.lstrip().startswith(b"["):
            raise ValueError(f"{path}: not valid JSON ({error})") from None
        return _json_lines(path, raw)
    if isinstance(found, dict):
        first, *others = found.values() or [None]
        if others or not _are_rows(first):
            return iter([(f"{path}, line 1", found)])
        found = first
    if not isinstance(found, list):
        raise ValueError(f"{path} must hold an array of rows; it holds {type(found).__name__}")
    return ((f"{path}, row {i}", row) for i, row in enumerate(found))


def _are_rows(value: Any) -> bool:
    """Whether it is a list of rows (and not of messages)."""
    return isinstance(value, list) and all(
        isinstance(row, dict) and not row.keys() & {"role", "from"} for row in value
    )


def _json_lines(path: Path, raw: bytes) -> Iterator[Located]:
    """One row a line; a line ends at a line feed and nowhere else (a text may hold U+2028)."""
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, _parsed(line.removeprefix(_MARK), where)


def _parsed(line: bytes, where: str) -> Any:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return ValueError(f"{where}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8")
    except json.JSONDecodeError as error:
        return ValueError(f"{where}: not valid JSON ({error.msg})")


def _csv_rows(path: Path, raw: bytes) -> Iterator[Located]:
    """Cells stay texts as they stand ("NA" is an answer); an empty cell is None."""
    try:
        text = _as_utf8(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    csv.field_size_limit(2**31 - 1)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    for i, row in enumerate(reader):
        where = f"{path}, row {i}"
        if None in row:
            yield where, ValueError(f"{where}: more cells than the header has columns")
        else:
            yield where, {column: cell or None for column, cell in row.items()}


def _as_utf8(raw: bytes) -> bytes:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):  # what PowerShell's > writes
        return raw.decode("utf-16").encode("utf-8")
    return raw.removeprefix(_MARK)
