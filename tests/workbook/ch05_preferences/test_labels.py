"""The label file and the desk: nothing is lost, whatever happens."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from rlhf_lib import PocketWorld
from rlhf_lib.training import read_preferences
from rlhf_lib.workbook.ch05_preferences import labels as store
from rlhf_lib.workbook.ch05_preferences.lab_desk import Desk, label_desk, label_row, still_desk
from rlhf_lib.workbook.ch05_preferences.labels import LabelError, LabelFile, labels_folder, pool
from rlhf_lib.workbook.ch05_preferences.readers import label_all, simulated_reader
from rlhf_lib.workbook.ch05_preferences.showings import Pair, plan, still_to_show

WORLD = PocketWorld()


def pairs(count=12):
    prompts = list({p.text: p for p in WORLD.prompts(4 * count, ("fact", "open"), 1)}.values())
    dice = random.Random(0)
    made = (
        Pair(p, WORLD.answer(p, "short", dice), WORLD.answer(p, "flattering", dice))
        for p in prompts
    )
    return [pair for pair in made if pair.first != pair.second][:count]


def desk_in(folder, **settings):
    return label_desk(pairs(), folder=folder, **settings)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.workbook.ch05_preferences.test_labels import desk_in
desk = desk_in(Path({folder!r}))
while desk.current is not None:
    desk.press("right")
    print(desk.session[-1], flush=True)
"""


def test_kill_9_in_the_middle_ten_times_loses_no_label(tmp_path):
    """Each label that the desk has acknowledged is in the file of the next process."""
    from tests.chapters import ROOT

    script, told, dice = KILLED.format(root=str(ROOT), folder=str(tmp_path)), [], random.Random(3)
    file = LabelFile(tmp_path / "labels.jsonl")
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, encoding="utf-8"
        )
        for _ in range(1 + dice.randrange(2)):
            if line := process.stdout.readline():
                told.append(line.strip())
        os.kill(process.pid, signal.SIGKILL)
        told += [line.strip() for line in process.stdout if len(line) == 33]
        process.wait()
        kept = [row["id"] for row in file.rows()]
        assert set(told) <= set(kept) and not file.broken()
    assert len(told) >= 10
    desk = label_all(desk_in(tmp_path), simulated_reader(WORLD))
    assert desk.current is None, "the next desk goes on where the killed ones stopped"


def test_a_full_disk_is_a_sentence_and_nothing_is_lost(tmp_path, monkeypatch):
    desk = desk_in(tmp_path)
    desk.press("left")
    before, shown = desk.file.path.read_bytes(), desk.current

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    desk.press("right")
    assert "not saved: no space left on device" in desk.sentence and "safe" in desk.sentence
    assert desk.file.path.read_bytes() == before and desk.current == shown
    assert not list(tmp_path.glob("*.partial"))
    monkeypatch.undo()
    desk.press("right")
    assert len(desk.file.rows()) == 2


def test_two_tabs_at_once_keep_each_others_labels(tmp_path):
    one, two = desk_in(tmp_path), desk_in(tmp_path)
    for _ in range(3):
        one.press("left")
        two.press("right")
    assert {row["id"] for row in one.file.rows()} == {*one.session, *two.session}
    assert len(one.file.rows()) == 6
    two.press("undo")
    assert {row["id"] for row in one.file.rows()} == {*one.session, *two.session}


def test_many_writers_at_once_lose_nothing(tmp_path):
    file, shown = LabelFile(tmp_path / "labels.jsonl"), plan(pairs(), 0)
    rows = [label_row(one, 2, "me", 1.0) for one in shown]
    threads = [threading.Thread(target=file.add, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row["id"] for row in file.rows()} == {row["id"] for row in rows}


def test_a_half_written_line_is_put_aside_and_whole_labels_count(tmp_path):
    desk = desk_in(tmp_path)
    desk.press("left")
    desk.press("left")
    whole, half = desk.file.path.read_bytes(), b'{"prompt": [{"role": "us'
    desk.file.path.write_bytes(whole + half)
    again = desk_in(tmp_path)
    assert "1 line of labels.jsonl cannot be read" in again.sentence
    assert len(again.rows()) == 2
    again.press("right")
    assert len(again.rows()) == 3 and not again.file.broken()
    assert (tmp_path / "labels.jsonl.broken").read_bytes().split(b"\n")[0] == half


def test_a_file_of_another_version_is_not_touched(tmp_path):
    desk = desk_in(tmp_path)
    desk.press("left")
    row = {**desk.rows()[0], "version": 9}
    desk.file.path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    before = desk.file.path.read_bytes()
    later = desk_in(tmp_path)
    assert "version 9" in later.sentence and later.current is None and later.state()["done"] == 0
    later.press("left")
    assert desk.file.path.read_bytes() == before
    with pytest.raises(LabelError, match="this is version 1"):
        later.file.add(row)


def test_what_cannot_be_read_at_all_is_a_sentence(tmp_path):
    (tmp_path / "labels.jsonl").mkdir()
    assert "could not be read" in desk_in(tmp_path).sentence
    (tmp_path / "second").write_text("a file", encoding="utf-8")
    desk = label_desk(pairs(), folder=tmp_path / "second")
    desk.press("left")
    assert "could not be read" in desk.sentence or "not saved" in desk.sentence


def test_sides_are_random_and_repeats_come_back_swapped_and_late():
    shown = plan(pairs(), repeats=4, seed=1)
    assert len(shown) == 16 and 4 <= sum(one.first_is_left for one in plan(pairs(), 0, 2)) <= 8
    places = {}
    for place, one in enumerate(shown):
        places.setdefault(one.pair.name, []).append((place, one.first_is_left))
    twice = [seen for seen in places.values() if len(seen) == 2]
    assert len(twice) == 4
    for (first, side), (second, other) in twice:
        assert second - first >= 4 and side != other


def test_undo_shows_the_pair_again_and_a_stale_key_does_not_count(tmp_path):
    desk = desk_in(tmp_path)
    shown = desk.current
    desk.press("1", number=0)
    desk.press("7", number=0)
    assert len(desk.rows()) == 1 and desk.rows()[0]["scale"] == 1
    desk.press("undo")
    assert desk.current == shown and desk.rows() == []
    desk.press("undo")
    assert "nothing to undo" in desk.sentence
    with pytest.raises(ValueError, match="undo or one of left"):
        desk.press("x")


@pytest.mark.parametrize(
    ("key", "likert", "tie"), [("left", 2, False), ("5", 1, False), ("tie", 0, True)]
)
def test_a_row_says_what_was_pressed(tmp_path, key, likert, tie):
    desk = desk_in(tmp_path)
    left, right = desk.current.sides
    desk.press(key)
    row = desk.rows()[0]
    assert (row["likert"], row["tie"]) == (likert, tie)
    assert row["chosen"][0]["content"] == (right if key == "5" else left)


def test_the_file_is_what_datasets_and_our_own_trainers_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    desk = label_all(desk_in(tmp_path), simulated_reader(WORLD))
    path = str(desk.file.path)
    loaded = datasets.load_dataset(
        "json", data_files=path, split="train", cache_dir=str(tmp_path / "c")
    )
    assert len(loaded) == len(desk.rows())
    assert {"prompt", "chosen", "rejected"} <= set(loaded.column_names)
    first = loaded[0]
    assert first["prompt"][-1]["role"] == "user" and first["chosen"][0]["role"] == "assistant"
    ours = read_preferences(path)
    assert [p.chosen for p in ours] == [row["chosen"][0]["content"] for row in desk.rows()]
    assert ours[0].prompt == desk.showings[0].pair.prompt, "PocketWorld's own prompt comes back"
    assert len(read_preferences(loaded.filter(lambda row: not row["tie"]))) <= len(ours)


def test_files_of_a_class_are_pooled_once_each(tmp_path):
    paths = []
    for name in ("ada", "ben"):
        desk = label_all(desk_in(tmp_path, name=name, reader=name), simulated_reader(WORLD))
        paths.append(desk.file.path)
    rows = pool([*paths, paths[0]])
    assert len(rows) == 2 * len(desk.showings)
    assert {row["reader"] for row in rows} == {"ada", "ben"}


def test_labels_are_kept_where_git_does_not_look(monkeypatch, tmp_path):
    from tests.chapters import ROOT

    monkeypatch.delenv("RLHF_LABELS", raising=False)
    folder = labels_folder()
    assert folder.name == "my_labels"
    assert f"{folder.relative_to(ROOT)}/" in (ROOT / ".gitignore").read_text(encoding="utf-8")
    monkeypatch.setenv("RLHF_LABELS", str(tmp_path))
    assert labels_folder() == tmp_path


@pytest.mark.parametrize("name", ["", "a/b", "../x"])
def test_a_name_that_is_a_path_is_refused(name):
    with pytest.raises(ValueError, match="plain word"):
        label_desk(pairs(), name=name)


def test_the_desk_shows_pair_and_progress_and_a_still_picture(tmp_path):
    desk = desk_in(tmp_path)
    state = desk.state()
    assert (state["left"], state["right"]) == desk.current.sides
    assert (state["done"], state["total"]) == (0, len(desk.showings))
    desk.press("tie")
    assert desk.state()["done"] == 1 and "a tie" in desk.state()["sentence"]
    assert "0 of" in still_desk(state) and "<table>" in still_desk(state)


def test_a_desk_of_nothing_new_is_done_at_once(tmp_path):
    label_all(desk_in(tmp_path), simulated_reader(WORLD))
    again = desk_in(tmp_path)
    assert again.current is None and again.state()["over"]
    assert not still_to_show(again.showings, again.rows())


def test_seconds_are_kept(tmp_path):
    desk = desk_in(tmp_path)
    desk.since = time.monotonic() - 5
    desk.press("left")
    assert desk.rows()[0]["seconds"] >= 5


def test_another_readers_labels_are_not_mine(tmp_path):
    file = LabelFile(tmp_path / "labels.jsonl")
    mine, theirs = (Desk(plan(pairs(), 0), file, name) for name in ("me", "you"))
    mine.press("left")
    assert len(mine.rows()) == 1 and theirs.rows() == []
