"""What is written is read back unchanged, by us and (as far as columns go) by `datasets`."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf_lib.runtime import data_path
from rlhf_lib.training import (
    Asked,
    read_demonstrations,
    read_preferences,
    read_stepwise,
    read_unpaired,
    write_demonstrations,
    write_preferences,
    write_stepwise,
    write_unpaired,
)
from rlhf_lib.world import Demonstration, PocketWorld, Preference, Prompt, Stepwise, Unpaired

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
ANSWER = TEXT.filter(str.strip)
USER = st.builds(lambda text: {"role": "user", "content": text}, TEXT)
TOOL = st.sampled_from(
    [
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": "well"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"type": "function", "function": {"name": "f", "arguments": {"x": None}}}
            ],
        },
        {"role": "tool", "content": "7", "tool_call_id": "1"},
    ]
)
MESSAGES = st.builds(lambda before, last: [*before, last], st.lists(USER | TOOL, max_size=3), USER)
ASKED = st.builds(
    lambda turns, answer: Asked(tuple(turns), {"answer": answer}), MESSAGES, TEXT | st.integers()
)
POCKET = st.sampled_from(PocketWorld().prompts(60))
PROMPT = TEXT.filter(bool) | MESSAGES | ASKED | POCKET
NUMBER = st.none() | st.floats(-10, 10)


def pairs_of(answers):
    return st.builds(
        Preference, PROMPT, answers, answers, st.booleans(), st.integers(0, 3), st.floats(0, 9),
        NUMBER, NUMBER, NUMBER,
    ).filter(lambda pair: pair.chosen != pair.rejected)  # fmt: skip


KINDS = {
    "preferences": (write_preferences, read_preferences, pairs_of(ANSWER)),
    "demonstrations": (
        write_demonstrations, read_demonstrations, st.builds(Demonstration, PROMPT, ANSWER),
    ),
    "unpaired": (
        write_unpaired, read_unpaired, st.builds(Unpaired, PROMPT, ANSWER, st.booleans()),
    ),
    "stepwise": (
        write_stepwise,
        read_stepwise,
        st.builds(
            lambda prompt, steps: Stepwise(prompt, *map(tuple, zip(*steps, strict=True))),
            PROMPT, st.lists(st.tuples(TEXT, st.integers(0, 2)), min_size=1, max_size=3),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_written_comes_back_unchanged(tmp_path_factory, kind, data):
    write, read, records = KINDS[kind]
    written = data.draw(st.lists(records, min_size=1, max_size=4))
    path = tmp_path_factory.mktemp(kind) / "rows.jsonl"
    write(path, written)
    assert read(path, on_bad="raise") == written


def test_columns_are_the_standard_conversational_ones(tmp_path):
    write_preferences(tmp_path / "p.jsonl", [Preference("hi", "a", "b")])
    row = json.loads((tmp_path / "p.jsonl").read_text(encoding="utf-8"))
    assert row["prompt"] == [{"role": "user", "content": "hi"}]
    assert row["chosen"] == [{"role": "assistant", "content": "a"}]
    assert row["rejected"] == [{"role": "assistant", "content": "b"}]


def test_every_row_has_every_column(tmp_path):
    world = PocketWorld()
    pairs = world.preferences(40, world.annotator(tie_margin=0.1), seed=1)
    pairs = [pair for pair in pairs if pair.chosen != pair.rejected]
    pairs += [
        Preference("hi", "a", "b", chosen_score=1.0),
        Preference([{"role": "user", "content": "q"}], "a", "b"),
    ]
    write_preferences(tmp_path / "p.jsonl", pairs)
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert len({tuple(row) for row in rows}) == 1
    assert read_preferences(tmp_path / "p.jsonl") == pairs
    assert not list(tmp_path.glob("*.partial"))


def test_datasets_loads_what_we_write_and_gives_it_back(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    world = PocketWorld()
    pairs = world.preferences(60, world.annotator(), seed=2) + [
        Preference("hi", "a", "b", stated_margin=0.5)
    ]
    pairs = [pair for pair in pairs if pair.chosen != pair.rejected]
    write_preferences(tmp_path / "p.jsonl", pairs)
    table = datasets.load_dataset(
        "json",
        data_files=str(tmp_path / "p.jsonl"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert table[0]["chosen"] == [{"role": "assistant", "content": pairs[0].chosen}]
    assert read_preferences(table) == pairs
    for name in ("csv", "json", "parquet"):
        getattr(table, f"to_{name}")(str(tmp_path / f"again.{name}"))
    assert read_preferences(tmp_path / "again.parquet") == pairs
    assert read_preferences(tmp_path / "again.json") == pairs


def test_numbers_that_json_has_not_are_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "p.jsonl"
    write_preferences(path, [Preference("hi", "a", "b")])
    with pytest.raises(ValueError):
        write_preferences(path, [Preference("hi", "a", "b", stated_margin=float("inf"))])
    assert read_preferences(path) == [Preference("hi", "a", "b")]


def test_a_prompt_whose_columns_have_our_names_is_refused(tmp_path):
    asked = Asked(({"role": "user", "content": "q"},), {"chosen": "x"})
    with pytest.raises(ValueError, match="columns of a prompt: chosen"):
        write_preferences(tmp_path / "p.jsonl", [Preference(asked, "a", "b")])


@pytest.mark.parametrize("name", ["pocket-train", "pocket-test"])
def test_the_shipped_comparisons_are_whole(name, capsys):
    pairs = read_preferences(data_path("preferences", f"{name}.jsonl"), on_bad="raise")
    assert len(pairs) > 400 and len({pair.prompt.kind for pair in pairs}) >= 8
    assert all(isinstance(pair.prompt, Prompt) for pair in pairs)
