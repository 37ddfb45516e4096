"""Files of every usual kind, as they come from other people's machines."""

import csv
import gzip
import json

import pandas
import pytest

from rlhf_lib.training import read_demonstrations, read_preferences
from rlhf_lib.world import Demonstration, Preference

ROWS = [
    {"prompt": "why?", "chosen": 'he said "no",\nthen left', "rejected": "NA"},
    {"prompt": "größe?", "chosen": "a\u2028b\u2029c\u0085d\x0be", "rejected": "日本 🦊"},
]
PAIRS = [Preference(*row.values()) for row in ROWS]
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)


def written(path, raw):
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("plain.jsonl", LINES.encode()),
        ("windows.jsonl", LINES.replace("\n", "\r\n").encode("utf-8-sig")),
        ("powershell.jsonl", LINES.encode("utf-16")),
        ("blank_lines.jsonl", f"\n{LINES}\n\n  \n".encode()),
        ("packed.jsonl.gz", gzip.compress(LINES.encode())),
        ("no_ending", LINES.encode()),
        ("lines.json", LINES.encode()),
        ("array.json", json.dumps(ROWS, indent=2).encode("utf-8-sig")),
        ("array_by_another_name.jsonl", json.dumps(ROWS).encode()),
        ("joined.jsonl", b"\n".join(json.dumps(r).encode("utf-8-sig") for r in ROWS)),
        ("within.json", json.dumps({"data": ROWS}).encode()),
    ],
)
def test_json_and_json_lines(tmp_path, name, raw):
    assert read_preferences(written(tmp_path / name, raw), on_bad="raise") == PAIRS


def test_one_row_of_messages_is_a_row_and_no_list_of_rows(tmp_path):
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    path = written(tmp_path / "p.json", json.dumps({"messages": turns}).encode())
    assert read_demonstrations(path) == [Demonstration(turns[:1], "a")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_with_quotes_and_newlines(tmp_path, delimiter, encoding):
    path = tmp_path / "p.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
    assert read_preferences(str(path), on_bad="raise") == PAIRS


def test_parquet_and_frames(tmp_path):
    pandas.DataFrame(ROWS).to_parquet(tmp_path / "p.parquet")
    assert read_preferences(tmp_path / "p.parquet", on_bad="raise") == PAIRS
    assert read_preferences(pandas.DataFrame(ROWS), on_bad="raise") == PAIRS


def test_parquet_of_nested_messages(tmp_path):
    """Arrow fills each key that other messages have with None; those are no keys of the message."""
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}],
    }
    turns = [{"role": "user", "content": "hi"}, call, {"role": "tool", "content": "2"}]
    rows = [
        {
            "prompt": turns,
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": [{"role": "assistant", "content": "b"}],
        }
    ]
    pandas.DataFrame(rows).to_parquet(tmp_path / "p.parquet")
    assert read_preferences(tmp_path / "p.parquet") == [Preference(turns, "a", "b")]


def test_a_huge_cell(tmp_path):
    long = "x" * 200_000
    path = written(tmp_path / "p.csv", f"prompt,chosen,rejected\nq,{long},b\n".encode())
    assert read_preferences(path)[0].chosen == long


@pytest.mark.parametrize(
    ("name", "raw", "place"),
    [
        ("p.jsonl", LINES.encode() + b"\n{broken", "line 3: not valid JSON"),
        ("p.jsonl", LINES.encode() + b"\n[1, 2]", "line 3: each row must be a JSON object"),
        ("p.jsonl", LINES.encode() + b"\n" + "größe".encode("latin-1"), "line 3: not UTF-8"),
        ("p.jsonl", LINES.encode() + b'\n{"prompt": "q", "chosen": NaN, "rejected": "b"}', "line 3: no value for chosen"),
        ("p.json", json.dumps([*ROWS, {"prompt": "q"}]).encode(), "row 2: no value for chosen"),
        ("p.csv", b"prompt,chosen,rejected\nq,a,b\nq,a,\nq,c,d", "row 1: no value for rejected"),
        ("p.csv", b"prompt,chosen,rejected\nq,a,b\nq,a\nq,c,d", "row 1: no value for rejected"),
        ("p.csv", b"prompt,chosen,rejected\nq,a,b\nq,a,b,c\nq,c,d", "row 1: more cells than the header has columns"),
    ],
)  # fmt: skip
def test_one_broken_row_costs_only_itself(tmp_path, capsys, name, raw, place):
    path = written(tmp_path / name, raw)
    assert len(read_preferences(path)) == 2
    assert f"{path}, {place}" in capsys.readouterr().out
    with pytest.raises(ValueError, match=place):
        read_preferences(path, on_bad="raise")


@pytest.mark.parametrize(
    ("name", "raw", "sentence"),
    [
        ("p.jsonl", b"", "holds no comparisons: there are no rows"),
        ("p.json", b"[]", "holds no comparisons: there are no rows"),
        ("p.csv", b"prompt,chosen,rejected\n", "holds no comparisons: there are no rows"),
        ("p.csv", b"", "holds no comparisons: there are no rows"),
        ("p.json", b"3", "must hold an array of rows; it holds int"),
        ("p.csv", "prompt,chosen\ngröße,a".encode("latin-1"), "not UTF-8"),
        ("p.jsonl", b"question,answer\nq,a", "line 1: not valid JSON"),
    ],
)
def test_files_without_rows(tmp_path, name, raw, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_preferences(written(tmp_path / name, raw))


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_preferences(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match="is a folder"):
        read_preferences(tmp_path)
