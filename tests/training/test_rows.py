"""Rows of every usual form -> records, and what is said about those that are no use."""

import json
import random

import numpy
import pandas
import pytest

from rlhf_lib.training import (
    Asked,
    as_demonstrations,
    as_preferences,
    as_prompts,
    as_stepwise,
    as_unpaired,
    preferences_from_rows,
    read_demonstrations,
    read_preferences,
    read_prompts,
    read_stepwise,
    read_unpaired,
)
from rlhf_lib.world import Demonstration, PocketWorld, Preference, Stepwise, Unpaired
from rlhf_lib.world.records import BAD, GOOD, NEUTRAL


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": "answer in one word"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"type": "function", "function": {"name": "sum", "arguments": {"of": "1, 2"}}}],
}
RESULT = {"role": "tool", "content": "3", "tool_call_id": "7"}


def one(row, **settings):
    """The only comparison that a row gives; refused if it is flawed."""
    (pair,) = preferences_from_rows([row], on_bad="raise", **settings)
    return pair


# Comparisons: where the prompt is ---------------------------------------------------------------


def test_a_text_is_one_user_turn():
    assert one({"prompt": "hi", "chosen": "a", "rejected": "b"}) == Preference("hi", "a", "b")


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "messages"])
def test_answers_alone_as_messages_or_as_one_message(as_text):
    prompt = "hi" if as_text else [user("hi")]
    for wrap in (lambda m: [m], lambda m: m):
        pair = one(
            {"prompt": prompt, "chosen": wrap(assistant("a")), "rejected": wrap(assistant("b"))}
        )
        assert pair == Preference(prompt, "a", "b")


def test_whole_conversations_without_a_prompt_column():
    """As trl-lib/ultrafeedback_binarized has them: the common beginning is the prompt."""
    before = [SYSTEM, user("who?"), assistant("a woman."), user("when?")]
    pair = one({"chosen": [*before, assistant("1847")], "rejected": [*before, assistant("?")]})
    assert pair == Preference(before, "1847", "?")


def test_the_common_beginning_goes_on_through_shared_tool_turns():
    row = {
        "prompt": "1 + 2?",
        "chosen": [CALL, RESULT, assistant("3")],
        "rejected": [CALL, RESULT, assistant("4")],
    }
    pair = one(row)
    assert (pair.chosen, pair.rejected) == ("3", "4")
    assert pair.prompt == [user("1 + 2?"), {**CALL, "content": ""}, RESULT]


BEFORE = [SYSTEM, user("who wrote it?"), assistant("a woman."), user("and when?")]


@pytest.mark.parametrize(
    ("prompt", "begun"),
    [
        ("who wrote it?", BEFORE),
        ("who wrote it? ", BEFORE),
        ("and when?", BEFORE),
        ([user("who wrote it?")], BEFORE),
        (BEFORE, BEFORE),
        (BEFORE, []),
        (BEFORE[:3], BEFORE[3:]),
        (BEFORE[:2], BEFORE[1:]),
        ([SYSTEM], BEFORE[1:]),
        (BEFORE[1:2], BEFORE),
    ],
)
def test_prompt_column_and_conversation_overlap_in_every_usual_way(prompt, begun):
    row = {
        "prompt": prompt,
        "chosen": [*begun, assistant("1847")],
        "rejected": [*begun, assistant("no idea")],
    }
    assert one(row) == Preference(BEFORE, "1847", "no idea")


def test_one_answer_with_its_history_and_one_without():
    row = {"prompt": "hi", "chosen": [user("hi"), assistant("a")], "rejected": "b"}
    assert one(row) == Preference("hi", "a", "b")


def test_a_prompt_that_belongs_to_another_conversation_is_refused():
    row = {
        "prompt": "where?",
        "chosen": [user("who?"), assistant("a")],
        "rejected": [user("who?"), assistant("b")],
    }
    with pytest.raises(
        ValueError, match="prompt is not the beginning of the conversation in chosen"
    ):
        one(row)


HH = "\n\nHuman: is ice cold?\n\nAssistant: yes.\n\nHuman: and\n\nsnow?\n\nAssistant:"
HH_TURNS = [user("is ice cold?"), assistant("yes."), user("and\n\nsnow?")]


def test_transcripts_of_hh_rlhf_become_turns():
    assert one({"chosen": HH + " yes", "rejected": HH + " no"}) == Preference(HH_TURNS, "yes", "no")
    assert one({"prompt": HH, "chosen": " yes", "rejected": " no"}).prompt == HH_TURNS


def test_a_text_that_only_mentions_a_speaker_stays_a_text():
    text = "explain this log:\n\nHuman: hi\n\nAssistant: hello"
    assert one({"prompt": text, "chosen": "a", "rejected": "b"}).prompt == text


def test_plain_texts_without_a_prompt_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"row 0.*no value for prompt.*columns=\{'prompt'"):
        one({"chosen": "ice is cold", "rejected": "ice is hot"})


# Comparisons: what a message may look like ------------------------------------------------------


def test_sharegpt_roles_and_keys():
    turns = [
        {"from": "system", "value": "be brief"},
        {"from": "human", "value": "hi"},
    ]
    pair = one(
        {
            "prompt": turns,
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        }
    )
    assert pair.prompt == [{"role": "system", "content": "be brief"}, user("hi")]
    assert (pair.chosen, pair.rejected) == ("a", "b")


def test_parts_of_text_are_joined_and_others_refused():
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    row = {"prompt": "hi", "chosen": [{"role": "assistant", "content": parts}], "rejected": "b"}
    assert one(row).chosen == "hel\nlo"
    row["chosen"] = [{"role": "assistant", "content": [{"type": "image_url", "image_url": "x"}]}]
    with pytest.raises(ValueError, match="row 0: chosen, message 0: content must be .*image_url"):
        one(row)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"chosen": [{"role": "critic", "content": "a"}]}, "chosen, message 0: role must be one of .*'critic'"),
        ({"chosen": [{"content": "a"}]}, "chosen, message 0: role must be one of .*None"),
        ({"chosen": [{"role": "assistant", "content": 3}]}, "chosen, message 0: content must be a text or a list of text parts; got 3"),
        ({"chosen": [{"role": "assistant"}]}, "chosen, message 0: content must be a text or a list of text parts; got None"),
        ({"chosen": ["a"]}, "chosen, message 0 must have a role and a content; got str"),
        ({"chosen": 3}, "chosen must be a text or a list of messages; got int"),
        ({"rejected": None}, "no value for rejected; the row has prompt, chosen"),
        ({"rejected": float("nan")}, "no value for rejected"),
        ({"rejected": []}, "no value for rejected"),
        ({"prompt": 3}, "prompt must be a text or a list of messages; got int"),
        ({"chosen": [assistant("a"), user("b")]}, "chosen and rejected differ before their last turn"),
        ({"chosen": [user("x")], "rejected": [user("y")]}, "chosen must end in the assistant's turn, not in the user's"),
        ({"chosen": [CALL]}, "chosen ends in a tool call"),
        ({"chosen": "\ud83d ok"}, r"column chosen: half a character \(U\+D83D\) at place 0"),
        ({"chosen": "[{'role': 'assistant', 'content': 'a'}]"}, "chosen holds a list of messages as Python prints it"),
        ({"margin": "much"}, "column margin must be a number; got 'much'"),
        ({"tie": "perhaps"}, "column tie must be true or false; got 'perhaps'"),
    ],
)  # fmt: skip
def test_errors_name_row_and_column(change, sentence):
    rows = [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"prompt": "q", "chosen": "a", "rejected": "b", **change},
    ]
    with pytest.raises(ValueError, match=f"row 1: {sentence}"):
        preferences_from_rows(rows, on_bad="raise")
    found = preferences_from_rows(rows)
    assert len(found) == 1 and found.report.read == 2 and sum(found.report.flaws.values()) == 1


def test_messages_as_json_in_a_text_are_read():
    row = {
        "prompt": json.dumps([user("hi")]),
        "chosen": json.dumps([assistant("a")]),
        "rejected": "[{x}]",
    }
    pair = one(row)
    assert (pair.prompt, pair.chosen, pair.rejected) == ("hi", "a", "[{x}]")


def test_what_arrow_and_pandas_make_of_messages():
    rows = [
        {
            "prompt": [user("1 + 2?"), CALL, RESULT],
            "chosen": [assistant("3")],
            "rejected": [assistant("4")],
        },
        {"prompt": [user("hi")], "chosen": [assistant("a")], "rejected": [assistant("b")]},
    ]
    frame = pandas.DataFrame(rows)
    arrays = frame.map(lambda turns: numpy.array(turns, dtype=object))
    assert preferences_from_rows(
        arrays.to_dict("records"), on_bad="raise"
    ) == preferences_from_rows(rows)
    datasets = pytest.importorskip("datasets")
    assert preferences_from_rows(datasets.Dataset.from_list(rows)) == preferences_from_rows(rows)
    assert preferences_from_rows(
        datasets.Dataset.from_list(rows).to_iterable_dataset()
    ) == preferences_from_rows(rows)


# Comparisons: numbers and further columns -------------------------------------------------------


def test_scores_and_margins():
    row = {"prompt": "q", "chosen": "a", "rejected": "b"}
    scored = one({**row, "score_chosen": 8.5, "score_rejected": "6"})
    assert (scored.chosen_score, scored.rejected_score, scored.margin) == (8.5, 6.0, 2.5)
    assert one({**row, "margin": numpy.float32(0.5)}).margin == 0.5
    assert one({**row, "score_chosen": 8, "score_rejected": 8}).tie
    assert one({**row, "likert": 3, "tie": "False", "cost": 2}) == Preference(
        "q", "a", "b", False, 3, 2.0
    )


def test_further_columns_stay_with_the_prompt():
    pair = one({"prompt": "1 + 2?", "chosen": "3", "rejected": "4", "answer": "3", "note": None})
    assert pair.prompt == Asked((user("1 + 2?"),), {"answer": "3"})
    assert pair.prompt.answer == "3" and pair.prompt.text == "1 + 2?"
    with pytest.raises(AttributeError, match="no column 'solution'; it has answer"):
        pair.prompt.solution  # noqa: B018


def test_columns_of_other_names():
    names = {"prompt": "question", "chosen": "best", "rejected": "worst"}
    assert one({"question": "q", "best": "a", "worst": "b"}, columns=names) == Preference(
        "q", "a", "b"
    )
    with pytest.raises(
        ValueError, match=r"no column 'best' \(columns\['chosen'\]\); the row has question"
    ):
        one({"question": "q"}, columns=names)


# What is flawed is counted and said -------------------------------------------------------------

FLAWED = [
    {"prompt": "q0", "chosen": "a", "rejected": "b"},
    {"prompt": "q1", "chosen": "a", "rejected": "a"},
    {"prompt": "q2", "chosen": "a", "rejected": "  "},
    {"chosen": [user("x"), assistant("a")], "rejected": [user("y"), assistant("b")]},
    {"prompt": "q4", "chosen": "a", "rejected": None},
    {"prompt": "q5", "chosen": "a", "rejected": "b", "tie": True},
    {"prompt": "q6", "chosen": "c", "rejected": "c"},
]


def test_flawed_rows_cost_only_themselves_and_are_told(capsys):
    found = preferences_from_rows(FLAWED)
    assert [pair.prompt for pair in found] == ["q0", "q5"]
    report = found.report
    assert (report.read, report.kept, report.ties) == (7, 2, 1)
    assert report.flaws == {
        "equal answers": 2, "an empty answer": 1, "unequal histories": 1, "unreadable values": 1
    }  # fmt: skip
    line = capsys.readouterr().out
    assert (
        line == f"{report}\n"
        and "2 of 7 comparisons kept" in line
        and "row 1" in line
        and "1 tie" in line
    )


def test_a_good_source_says_nothing(capsys):
    assert preferences_from_rows(FLAWED[:1]).report.flaws == {}
    assert capsys.readouterr().out == ""


def test_flawed_rows_can_be_refused_or_kept():
    with pytest.raises(ValueError, match="row 1: chosen and rejected are the same text"):
        preferences_from_rows(FLAWED, on_bad="raise")
    kept = preferences_from_rows(FLAWED, on_bad="keep")
    assert [pair.rejected for pair in kept] == ["b", "a", "  ", "b", "c"]
    with pytest.raises(ValueError, match="on_bad must be one of skip, raise, keep; got 'drop'"):
        preferences_from_rows(FLAWED, on_bad="drop")


def test_nothing_left_is_an_error_with_the_reasons():
    with pytest.raises(ValueError, match="rows holds no comparisons: row 0: no value for rejected"):
        preferences_from_rows([FLAWED[4]])
    with pytest.raises(ValueError, match="rows holds no comparisons: there are no rows"):
        preferences_from_rows([])


# The other kinds --------------------------------------------------------------------------------


def test_demonstrations():
    rows = [
        {"prompt": "hi", "completion": "a"},
        {"prompt": [user("hi")], "completion": [assistant("a")]},
        {"messages": [*HH_TURNS, assistant("a")]},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "a"}]},
        {"prompt": "and\n\nsnow?", "messages": [*HH_TURNS, assistant("a")]},
        {"prompt": "hi", "completion": " a", "topic": "greeting"},
    ]
    found = read_demonstrations(rows, on_bad="raise")
    assert found[:5] == [
        Demonstration("hi", "a"),
        Demonstration([user("hi")], "a"),
        Demonstration(HH_TURNS, "a"),
        Demonstration([user("hi")], "a"),
        Demonstration(HH_TURNS, "a"),
    ]
    assert found[5] == Demonstration(Asked((user("hi"),), {"topic": "greeting"}), " a")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            {"question": "q", "answer": "a"},
            r"no value for completion; the row has question, answer.*columns",
        ),
        ({"messages": [user("q")]}, "messages must end in the assistant's turn"),
        (
            {"messages": [assistant("q")]},
            "no value for prompt, and messages is no whole conversation",
        ),
        ({"messages": [user("q"), assistant("")]}, "column messages is an empty answer"),
        ({"completion": "a"}, "no value for prompt"),
    ],
)
def test_demonstrations_that_are_none(row, sentence):
    with pytest.raises(ValueError, match=f"row 0: {sentence}"):
        read_demonstrations([row])


LABELS = [(True, True), (1, True), (0.0, False), ("true", True), ("False", False), (numpy.bool_(False), False), (-1, False)]  # fmt: skip


@pytest.mark.parametrize(("label", "good"), LABELS)
def test_unpaired_labels(label, good):
    row = {"prompt": "q", "completion": [assistant("a")], "label": label}
    assert read_unpaired([row]) == [Unpaired("q", "a", good)]


@pytest.mark.parametrize("label", [None, float("nan"), "perhaps", 2, [1]])
def test_labels_that_are_none(label):
    with pytest.raises(ValueError, match="row 0: .*label"):
        read_unpaired([{"prompt": "q", "completion": "a", "label": label}])


def test_steps_with_labels_and_with_ratings():
    row = {"prompt": "q", "completions": ["a", "b"]}
    assert read_stepwise([{**row, "labels": [True, False]}]) == [
        Stepwise("q", ("a", "b"), (GOOD, BAD))
    ]
    assert read_stepwise([{**row, "ratings": [0, -1]}]) == [
        Stepwise("q", ("a", "b"), (NEUTRAL, BAD))
    ]
    for wrong, sentence in (
        ({"labels": [1, -1]}, "column labels must be a list of"),
        ({"labels": [True]}, "labels must hold one label for each step"),
        ({"labels": True}, "column labels must be a list of"),
        ({"labels": None}, "no value for labels"),
        ({"labels": [True, None]}, "column labels must be a list of"),
        ({"completions": "a b", "labels": [1]}, "column completions must be a list of texts"),
    ):
        with pytest.raises(ValueError, match=f"row 0: {sentence}"):
            read_stepwise([{**row, **wrong}])


def test_rows_of_prm800k():
    row = {
        "question": {"problem": "1 + 2?", "ground_truth_answer": "3"},
        "label": {
            "steps": [
                {
                    "completions": [
                        {"text": "x", "rating": -1},
                        {"text": "1 + 2 = 3", "rating": 1},
                    ],
                    "chosen_completion": 1,
                    "human_completion": None,
                },
                {
                    "completions": [{"text": "so 4", "rating": -1}],
                    "chosen_completion": None,
                    "human_completion": None,
                },
            ]
        },
    }
    assert read_stepwise([row]) == [Stepwise("1 + 2?", ("1 + 2 = 3", "so 4"), (GOOD, BAD))]


def test_prompts_with_their_columns():
    assert read_prompts([{"prompt": "q"}, {"messages": [SYSTEM, user("q")]}]) == [
        "q",
        [SYSTEM, user("q")],
    ]
    (asked,) = read_prompts([{"prompt": "1 + 2?", "answer": "3"}])
    assert asked.answer == "3"
    with pytest.raises(ValueError, match="column messages must not end in an answer"):
        read_prompts([{"messages": [user("q"), assistant("a")]}])


# What trainers call -----------------------------------------------------------------------------


def test_records_pass_through_unchanged():
    for read, records in (
        (as_preferences, [Preference("q", "a", "b")]),
        (as_demonstrations, [Demonstration("q", "a")]),
        (as_unpaired, [Unpaired("q", "a", True)]),
        (as_stepwise, [Stepwise("q", ("a",), (GOOD,))]),
        (as_prompts, PocketWorld().prompts(2)),
        (as_prompts, ["q", [user("q")]]),
    ):
        assert read(records) is records


def test_tuples_become_records():
    assert as_demonstrations([("q", "a")]) == [Demonstration("q", "a")]
    assert as_unpaired([("q", "a", False)]) == [Unpaired("q", "a", False)]
    assert as_stepwise([("q", ["a"], [GOOD])])[0].answer == "a"
    with pytest.raises(ValueError, match="row 1 must have 2 parts; got 3"):
        as_demonstrations([("q", "a"), ("q", "a", "b")])


def test_rows_are_read_by_the_trainers_functions():
    assert as_preferences([{"prompt": "q", "chosen": "a", "rejected": "b"}]) == [
        Preference("q", "a", "b")
    ]
    assert as_demonstrations(pandas.DataFrame([{"prompt": "q", "completion": "a"}])) == [
        Demonstration("q", "a")
    ]
    assert as_prompts([{"prompt": "q", "answer": "3"}])[0].answer == "3"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"train": []}, "one mapping with the keys train"),
        (3, "rows must be a path, a data set, a frame or a list; got int"),
        ([("a", "b", "c")], "row 0: each row must be a JSON object .*got tuple"),
    ],
)
def test_sources_that_are_none(source, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_preferences(source)


def test_any_order_of_good_and_bad_rows_gives_the_same_records():
    shuffled = FLAWED * 3
    random.Random(0).shuffle(shuffled)
    assert (
        preferences_from_rows(shuffled).report.flaws
        == preferences_from_rows(FLAWED * 3).report.flaws
    )
