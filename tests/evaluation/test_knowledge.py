"""Knowledge without a chat: by hand on one sentence, and a model that has read nothing."""

import pytest
import torch

from rlhf_lib.evaluation.knowledge import cloze_accuracy, sentence_logp
from rlhf_lib.lm import load_policy
from rlhf_lib.world.facts import ATTRIBUTES


@pytest.fixture(scope="module")
def base():
    return load_policy("pocket-base")


def test_a_sentence_is_the_sum_over_its_tokens(base):
    text = "a fox lives in a den."
    ids = torch.tensor([base.tokenizer.encode(text, add_special_tokens=False)])
    with torch.no_grad():
        logits = base.model.logits(base.model.hidden_states(ids.to(base.device)))
    steps = logits.float().log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None].to(base.device))
    assert sentence_logp(base, [text]).item() == pytest.approx(steps.sum().item(), abs=1e-3)


def test_the_base_model_knows_and_a_blank_one_does_not(base, world):
    blank = base.copy()
    torch.manual_seed(0)
    for weights in blank.model.parameters():
        torch.nn.init.normal_(weights, std=0.02)
    assert cloze_accuracy(base, world, "colour") > 0.9
    assert cloze_accuracy(blank, world, "colour") < 0.5
    assert set(ATTRIBUTES) == {"colour", "home", "food", "size", "sound"}


def test_nothing_to_score_is_said(base):
    with pytest.raises(ValueError, match="sentences"):
        sentence_logp(base, [])
