"""Histories and preference files."""

import json

import pytest

from rlhf_lib.runtime import data_path
from rlhf_lib.training import History, preferences_from_rows, read_preferences, write_preferences
from rlhf_lib.world import PocketWorld, Preference


def test_history_keeps_rows_and_comes_back_from_json(tmp_path):
    history = History()
    history.log(0, loss=1.5, gold=0.1)
    history.log(1, loss=1.0)
    assert history.series("loss") == [1.5, 1.0] and history.series("gold") == [0.1]
    assert history.last("loss") == 1.0 and list(history.frame().columns) == ["loss", "gold"]
    with pytest.raises(KeyError, match="this history has gold, loss"):
        history.series("kl")
    history.to_json(tmp_path / "h.json")
    assert History.from_json(tmp_path / "h.json") == history
    assert "2 rows" in repr(history) and repr(History()) == "History(empty)"


def test_preferences_come_back_with_their_prompts(tmp_path):
    world = PocketWorld()
    pairs = world.preferences(40, world.annotator(tie_margin=0.1), seed=1)
    pairs = [pair for pair in pairs if pair.chosen != pair.rejected]
    write_preferences(tmp_path / "p.jsonl", pairs)
    assert read_preferences(tmp_path / "p.jsonl") == pairs
    assert not list(tmp_path.glob("*.partial"))


def test_standard_columns_plain_and_conversational(tmp_path):
    rows = [
        {"prompt": "hi", "chosen": "a", "rejected": "b"},
        {
            "prompt": [{"role": "user", "content": "hi"}],
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": [{"role": "assistant", "content": "b"}],
        },
    ]
    found = preferences_from_rows(rows)
    assert found[0] == Preference("hi", "a", "b")
    assert (found[1].chosen, found[1].rejected) == ("a", "b")


def test_a_datasets_dataset_is_read():
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_list([{"prompt": "hi", "chosen": "a", "rejected": "b"}])
    assert preferences_from_rows(table)[0].chosen == "a"


GOOD = json.dumps({"prompt": "hi", "chosen": "a", "rejected": "b"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no comparisons"),
        (GOOD + "\n{broken", "line 2: not valid JSON"),
        (GOOD + "\n[1, 2]", "line 2: each row must be a JSON object"),
        (GOOD + '\n{"prompt": "x", "chosen": "a"}', "line 2: no value for rejected"),
        (
            '{"prompt": "x", "chosen": "a", "rejected": "a"}',
            "line 1: chosen and rejected are the same",
        ),
    ],
)
def test_broken_files_get_a_sentence_with_the_line(tmp_path, text, message):
    path = tmp_path / "p.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_preferences(path, on_bad="raise")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_preferences(tmp_path / "none.jsonl")


def test_the_shipped_comparisons_can_be_read():
    pairs = read_preferences(data_path("preferences", "pocket-train.jsonl"))
    assert len(pairs) > 2000 and len({p.prompt.kind for p in pairs}) >= 8
