"""Everything is read and written as UTF-8, whatever the locale says (cp1252 on Windows, ASCII in containers)."""

import ast
import os
import subprocess
import sys

import pytest

from tests.chapters import ROOT

FOLDERS = ("rlhf_lib", "tests", "chapters/source")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def without_encoding(source: str) -> list[tuple[int, str]]:
    """(line, call) of every call that reads or writes text in the locale's encoding."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [(call.lineno, ast.unparse(call)) for call in calls if takes_the_locales(call)]


def takes_the_locales(call: ast.Call) -> bool:
    named = {keyword.arg for keyword in call.keywords}
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    given = name == "open" and len(call.args) > 3  # file, mode, buffering, encoding
    if given or "encoding" in named or "utf-8" in texts:
        return False
    if name in ("read_text", "write_text"):
        return True
    if name in ("run", "Popen", "check_output"):
        return bool(named & {"text", "universal_newlines"})
    mode = texts[-1] if texts else ""
    bare = not call.args and not named  # path.open()
    opens = isinstance(call.func, ast.Name) or bare or (mode and set(mode) <= set("rwax+t"))
    return name == "open" and bool(opens) and "b" not in mode


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("p.read_text()", 1),
        ("p.read_text('utf-8')", 0),
        ("p.write_text(t, encoding='utf-8')", 0),
        ("open(f)", 1),
        ("open(f, 'rb')", 0),
        ("open(f, mode, -1, encoding)", 0),
        ("p.open('w')", 1),
        ("p.open('wb')", 0),
        ("p.open()", 1),
        ("page.open(name, 3)", 0),
        ("subprocess.run(c, text=True)", 1),
        ("subprocess.run(c, encoding='utf-8')", 0),
    ],
)
def test_the_search_finds_what_it_is_for(code, found):
    assert len(without_encoding(code)) == found


def test_no_text_is_read_or_written_in_the_locales_encoding():
    found = {
        f"{path.relative_to(ROOT)}:{line}": call
        for path in FILES
        for line, call in without_encoding(path.read_text(encoding="utf-8"))
    }
    assert not found, found


CHILD = """
import json, pathlib, shutil, sys
from rlhf_lib import data_path, load_policy
from rlhf_lib.checkup import check_environment
from rlhf_lib.training import History, read_preferences, write_preferences
from rlhf_lib.world import Preference

assert sys.stdout.encoding.lower() in ("ascii", "ansi_x3.4-1968"), sys.stdout.encoding
folder = pathlib.Path(sys.argv[1])
model = folder / "model"
shutil.copytree(data_path("models", "pocket-sft"), model)
settings = json.loads((model / "tokenizer_config.json").read_bytes())
note = {**settings, "note": "<\\uff5cbegin\\u2581of\\u2581sentence\\uff5c>"}
(model / "tokenizer_config.json").write_bytes(json.dumps(note, ensure_ascii=False).encode())
load_policy(str(model)).save(folder / "again")
pairs = [Preference("gr\\u00f6\\u00dfe?", "\\u65e5\\u672c", "\\U0001f98a")] * 2
write_preferences(folder / "p.jsonl", [*pairs, Preference("\\u00e4", "\\u00f6", "")])
assert read_preferences(folder / "p.jsonl") == pairs
History(stopped="\\u00fc").to_json(folder / "h.json")
assert History.from_json(folder / "h.json").stopped == "\\u00fc"
check_environment()
"""


def test_an_ascii_locale_reads_writes_and_prints(tmp_path):
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT, env=env, capture_output=True
    )
    assert run.returncode == 0, run.stderr.decode(errors="replace")
    assert b"ok: Python" in run.stdout and b"2 of 3 comparisons kept" in run.stdout
