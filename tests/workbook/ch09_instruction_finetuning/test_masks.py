"""Masks: equal to transformers' and to TRL's, the pieces to the template's ids, packing to one conversation alone."""

import math

import pytest
import torch

from rlhf_lib import load_policy
from rlhf_lib.workbook.ch09_instruction_finetuning import masks


@pytest.fixture(scope="module")
def sft():
    return load_policy("pocket-sft")


@pytest.fixture(scope="module")
def conversations(world):
    """200 conversations of one to three answers, some with a system prompt."""
    found = []
    for prompt, answer in world.demonstrations(600, seed=12):
        messages = [*prompt.messages, {"role": "assistant", "content": answer}]
        if all(m["role"] in ("system", "user", "assistant") for m in messages):
            found.append(messages)
    assert any(m[0]["role"] == "system" for m in found[:200])
    assert any(sum(x["role"] == "assistant" for x in m) > 1 for m in found[:200])
    return found[:200]


def test_pieces_are_the_templates_tokens(sft, conversations):
    for messages in conversations:
        ids = sft.tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)
        assert [p.token for p in masks.pieces(sft.tokenizer, messages)] == ids["input_ids"]


def test_all_turns_are_transformers_assistant_mask(sft, conversations):
    for messages in conversations:
        row = masks.pieces(sft.tokenizer, messages)
        assert masks.weights(row) == masks.library_mask(sft.tokenizer, messages)


def test_the_last_answer_and_all_turns_are_what_the_trainer_learns(sft, conversations):
    for rule, train_on in ((masks.LAST, "last"), (masks.ASSISTANT, "all")):
        for messages in conversations[:40]:
            row = masks.pieces(sft.tokenizer, messages)
            ours = [p.token for p, w in zip(row, masks.weights(row, rule), strict=True) if w]
            rollout = sft.encode_conversations([messages], train_on)
            assert ours == rollout.completion_ids[0][rollout.loss_mask[0] > 0].tolist()


def test_rules_headers_and_end_tokens(sft):
    talk = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]
    row = masks.pieces(sft.tokenizer, talk)

    def learned(*settings):
        kept = [p for p, w in zip(row, masks.weights(row, *settings), strict=True) if w]
        return [(p.turn, p.part) for p in kept]

    assert len(learned(masks.ALL)) == len(row)
    assert learned(masks.LAST) == [(3, "text"), (3, "end")]
    assert learned(masks.ASSISTANT, False, False) == [(1, "text"), (3, "text")]
    assert learned(masks.LAST, True, False)[:-1] == [(3, "header")] * 3
    assert learned(masks.COMPLETION)[0] == (1, "text") and (2, "text") in learned(masks.COMPLETION)
    with pytest.raises(ValueError, match="rule must be one of"):
        masks.weights(row, "none")


def test_behind_a_wall_a_conversation_is_as_if_alone(sft, conversations):
    rows = [masks.pieces(sft.tokenizer, messages) for messages in conversations[:2]]
    with torch.no_grad():
        alone, walled, seeing = (
            masks.surprises(sft, rows[1:]),
            masks.surprises(sft, rows),
            masks.surprises(sft, rows, wall=False),
        )
    own = len(rows[0])
    assert torch.equal(walled[own:], alone)
    assert seeing[own + 1 :].sub(alone[1:]).abs().max() > 0.01


def test_the_wall_is_block_diagonal_attention_in_transformers(sft, conversations):
    """The exercise's mask, given to transformers' own model with positions from 0, gives our surprises."""
    from transformers import AutoModelForCausalLM

    from rlhf_lib.exercises import exercise
    from rlhf_lib.runtime import data_path

    model = AutoModelForCausalLM.from_pretrained(data_path("models", "pocket-sft")).eval()
    rows = [masks.pieces(sft.tokenizer, messages) for messages in conversations[:2]]
    ids = torch.tensor([[p.token for row in rows for p in row]])
    documents = torch.tensor([number for number, row in enumerate(rows) for _ in row])
    allowed = exercise("my_packed_attention").reference(documents)
    bias = torch.where(allowed > 0, 0.0, torch.finfo(torch.float32).min)[None, None].float()
    places = torch.cat([torch.arange(len(row)) for row in rows])[None]
    with torch.no_grad():
        logp = model(ids, attention_mask=bias, position_ids=places).logits.log_softmax(-1)
        ours = masks.surprises(sft, rows)
    found = -logp[0, :-1].gather(-1, ids[0, 1:, None])[:, 0]
    inside = documents[1:] == documents[:-1]
    assert torch.allclose(found[inside], ours[1:][inside], atol=1e-3)


def test_a_mask_of_zeros_has_no_loss(sft):
    row = masks.pieces(sft.tokenizer, [{"role": "user", "content": "a"}])
    loss, norm = masks.learn(sft, masks.surprises(sft, [row]), [0.0] * len(row))
    assert math.isnan(loss) and norm == 0.0


def test_masks_are_those_of_trl(sft, conversations):
    trl = pytest.importorskip("trl", reason="TRL comes with the bench extra")
    from datasets import Dataset

    rows = Dataset.from_list([{"messages": messages} for messages in conversations])
    settings = trl.SFTConfig(
        output_dir="unused",
        assistant_only_loss=True,
        report_to="none",
        use_cpu=True,
        max_length=None,
    )
    from transformers import AutoModelForCausalLM

    from rlhf_lib.runtime import data_path

    model = AutoModelForCausalLM.from_pretrained(data_path("models", "pocket-sft"))
    trainer = trl.SFTTrainer(model, settings, train_dataset=rows, processing_class=sft.tokenizer)
    for messages, found in zip(conversations, trainer.train_dataset, strict=True):
        row = masks.pieces(sft.tokenizer, messages)
        assert [p.token for p in row] == list(found["input_ids"])
        assert masks.weights(row) == [float(one) for one in found["assistant_masks"]]
