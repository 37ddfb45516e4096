"""The benchmark, its scorers, and lm-evaluation-harness beside them."""

import json
import random

import numpy as np
import pytest

from rlhf_lib.evaluation import choice_logp, contaminated
from rlhf_lib.runtime import data_path
from rlhf_lib.workbook.ch17_evaluation import experiments, harness
from rlhf_lib.workbook.ch17_evaluation.questions import (
    LETTERS,
    all_items,
    asked_with,
    nine_scores,
    read,
    with_shots,
)
from rlhf_lib.world import PocketWorld

FEW = 12


@pytest.fixture(scope="module")
def items(world):
    return all_items(world)


def test_every_fact_is_asked_once_with_its_key_among_the_choices(items):
    assert len(items) == 180 and len({item.text for item in items}) == 180
    for item in items:
        assert item.values[item.place] == item.key and item.options[item.letter] == item.key
        assert len(set(item.options)) == 4 and item.menu.count(".") == len(LETTERS)


def test_an_item_is_never_among_its_own_shots(items):
    for seed in range(20):
        text = with_shots(items[:6], 2, 5, random.Random(seed))
        assert text.count(items[2].text) == 1 and text.endswith(items[2].text)
        assert items[2].sentence() not in text


def test_one_answer_has_five_scores(items):
    fox = [item for item in items if item.text == "where does a fox live?"]
    answer = ["A fox lives in a den. it is red."]
    scores = {name: read(name, answer, fox)[0] for name in (
        "whole sentence", "bare value", "first word before a full stop",
        "last word before a full stop", "value anywhere",
    )}  # fmt: skip
    assert list(scores.values()) == [False, False, True, False, True]
    with pytest.raises(ValueError, match="scorer"):
        read("likeliest value", answer, fox)


def test_the_leak_shares_runs_of_eight_words_only_where_it_is_verbatim():
    leaked, clean = experiments.benchmark()
    reworded, _ = experiments.benchmark(reworded=True)
    assert not {i.animal for i in leaked} & {i.animal for i in clean} and len(leaked) == 90
    texts = [item.written_out() for item in leaked]
    assert all(contaminated(texts, texts)) and not any(
        contaminated([i.written_out() for i in clean], texts)
    )
    assert not any(contaminated(texts, [item.written_out() for item in reworded]))
    assert [a.key for a in leaked] == [b.key for b in reworded]


def test_majority_votes_grow_surer():
    numbers = np.array([["1", "1", "1", "2", "3"]] * 4)
    rng = np.random.default_rng(0)
    assert experiments.majority(numbers, ["1"] * 4, 5, rng) == 1
    assert 0.4 < experiments.majority(numbers, ["1"] * 4, 1, rng) < 0.8


def test_our_scores_are_those_of_the_harness_as_stored(items, pocket):
    """lm-eval's numbers were frozen by harness.run_harness; it need not be installed."""
    kept = json.loads(data_path("ch17_evaluation", "harness.json").read_text(encoding="utf-8"))
    for template in ("chat", "none"):
        model, delimiter = asked_with(pocket, template)
        some = items[:FEW]
        asked = [item.text for item in some]
        for task, choices in (
            ("value", [item.values for item in some]),
            ("sentence", [[item.sentence(v) for v in item.values] for item in some]),
        ):
            ours = choice_logp(model, asked, choices, delimiter)
            for mine, theirs in zip(ours, kept[template]["likelihoods"][task], strict=True):
                gap = mine.cpu().double().numpy() - theirs
                assert np.ptp(gap) < 1e-3, (
                    "the same but for one line break, counted for every choice alike"
                )
                assert template == "chat" or np.abs(gap).max() < 1e-3


def test_the_harness_run_here_agrees_with_ours(items, pocket, tmp_path):
    pytest.importorskip("lm_eval", reason="lm-eval is not installed (extra `eval`): nothing to run")
    some = items[:FEW]
    folder = harness.write_tasks(some, tmp_path)
    found = harness.run_harness(data_path("models", "pocket-sft"), folder)
    theirs, ours = harness.scores_of(found), nine_scores(pocket, some, "none")
    for name in harness.SAME_AS:
        assert theirs[name] == pytest.approx(np.mean(ours[name]), abs=1e-6), name


def test_task_files_hold_every_item(world, tmp_path):
    folder = harness.write_tasks(all_items(world)[:3], tmp_path)
    rows = [
        json.loads(line)
        for line in (folder / "facts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(rows) == 3 and all(row["values"][row["place"]] == row["key"] for row in rows)
    assert sorted(path.stem for path in folder.glob("*.yaml")) == [
        "first",
        "last",
        "letter",
        "sentence",
        "value",
    ]


def test_another_worlds_key_is_not_ours():
    far = all_items(PocketWorld(), PocketWorld(experiments.FAR))
    same = np.mean([a.key == b.key for a, b in zip(far, all_items(PocketWorld()), strict=True)])
    assert same < 0.25
