"""The mask painter: numbers by the masks' own functions, wiring by setting controls."""

import pytest

from rlhf_lib import load_policy
from rlhf_lib.labs import mask_painter_lab
from rlhf_lib.workbook.ch09_instruction_finetuning import lab_mask_painter as lab_of
from rlhf_lib.workbook.ch09_instruction_finetuning import masks
from rlhf_lib.workbook.ch09_instruction_finetuning.figures import tiles_html

TALK = [
    {"role": "user", "content": "what does a fox eat?"},
    {"role": "assistant", "content": "a fox eats mice."},
    {"role": "user", "content": "where does a fox live?"},
    {"role": "assistant", "content": "a fox lives in a den."},
]


@pytest.fixture(scope="module")
def sft():
    return load_policy("pocket-sft")


def paint(sft, rule=masks.ASSISTANT, header=False, end=True, row=lab_of.ALONE):
    return lab_of.paint(sft, TALK, TALK[:2], rule, header, end, row)


def test_the_loss_is_that_of_the_trainer(sft):
    rollout = sft.encode_conversations([TALK])
    loss = -(sft.logprobs(rollout) * rollout.loss_mask).sum() / rollout.loss_mask.sum()
    found = paint(sft)
    assert found["loss"] == pytest.approx(loss.item(), abs=1e-4) and found["norm"] > 0
    assert found["differ"] == 0 and sum(found["shares"].values()) == pytest.approx(1)
    assert found["shares"]["users"] == found["shares"]["headers"] == 0


def test_what_the_settings_change(sft):
    assert paint(sft, end=False)["differ"] == 2 and paint(sft, end=False)["shares"]["ends"] == 0
    assert paint(sft, masks.ALL)["shares"]["users"] > 0
    walled, seeing = paint(sft, row=lab_of.WALL), paint(sft, row=lab_of.NO_WALL)
    assert walled["own"] == pytest.approx(paint(sft)["loss"], abs=1e-5)
    assert seeing["own"] != pytest.approx(walled["own"], abs=1e-4)


def test_tiles_are_safe_and_say_what_they_are():
    page = tiles_html(["<|im_start|>", "\n", " fox"], [0.0, 0.0, 1.0], [1.0, 2.0, 3.0])
    assert "&lt;|im_start|&gt;" in page and "␣fox" in page
    assert 'title="3.00 nats, learned"' in page and page.count("<br>") == 1


def test_the_lab_follows_its_controls(sft):
    lab = mask_painter_lab(sft, TALK, TALK[:2])
    assert "The same tokens as in transformers" in lab.sentence.value
    for name, value in (
        ("end", "no"),
        ("header", "yes"),
        ("row", lab_of.NO_WALL),
        ("rule", masks.ALL),
    ):
        before = lab.sentence.value, list(lab.figure.data[0].x), lab.below.value
        lab.controls[name].value = value
        after = lab.sentence.value, list(lab.figure.data[0].x), lab.below.value
        assert all(old != new for old, new in zip(before, after, strict=True)), name
    assert lab.controls["end"].disabled and lab.controls["header"].disabled
    lab.reset()
    assert lab.values() == lab.start and not lab.controls["end"].disabled
