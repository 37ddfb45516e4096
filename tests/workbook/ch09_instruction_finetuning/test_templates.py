"""Forms of a prompt: the right one is the template's, the wrong ones differ, raw texts go on as they stand."""

import pytest

from rlhf_lib import load_policy
from rlhf_lib.workbook.ch09_instruction_finetuning import templates


@pytest.fixture(scope="module")
def sft():
    return load_policy("pocket-sft")


def test_only_the_first_way_is_the_templates(sft, world):
    assert len(templates.WAYS) == 10
    for prompt in world.prompts(8, seed=3):
        right = sft.prompt_ids(prompt)
        ids = [
            sft.tokenizer.encode(write(list(prompt.messages)), add_special_tokens=False)
            for write in templates.WAYS.values()
        ]
        assert ids[0] == right
        assert all(wrong != right for wrong in ids[1:])


def test_chatml_of_the_families_is_our_own(sft):
    talk = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes."}]
    for asked in (True, False):
        ours, own = (
            sft.tokenizer.apply_chat_template(
                talk, chat_template=template, tokenize=False, add_generation_prompt=asked
            )
            for template in (templates.FAMILIES["ChatML"], None)
        )
        assert ours == own


def test_a_raw_text_goes_on_as_the_policy_would(sft):
    prompt = "what does a fox eat?"
    raw = templates.as_in_training([{"role": "user", "content": prompt}])
    texts, ended = templates.go_on(sft, [raw, raw + "a fox"], temperature=0)
    drawn = sft.sample([prompt], max_new_tokens=40, temperature=0)
    assert texts[0] == drawn.texts[0] and ended[0] == bool(drawn.finished[0])
