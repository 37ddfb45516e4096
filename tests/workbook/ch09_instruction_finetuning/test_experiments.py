"""The experiments of chapter 09, at a size of seconds."""

import pytest
import torch

from rlhf_lib import load_policy
from rlhf_lib.training import train_sft
from rlhf_lib.training.progress import silent
from rlhf_lib.training.sft import completion_loss, encode_demonstrations
from rlhf_lib.workbook.ch09_instruction_finetuning import experiments, losses


@pytest.fixture
def small(monkeypatch):
    for name, value in dict(ASKED=4, FACTS=4, SHOWN=32).items():
        monkeypatch.setattr(experiments, name, value)


def test_our_loop_is_the_librarys():
    shown, policies = experiments.demonstrations(48, seed=1), []
    with silent():
        for tune in (losses.fine_tune, train_sft):
            policies.append(load_policy("pocket-base"))
            history = tune(policies[-1], shown, experiments.settings(seed=3))
    first, second = (policy.model.state_dict() for policy in policies)
    assert len(history.rows) == 3
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)


def test_losses_count_the_tokens_that_they_name():
    policy = load_policy("pocket-base")
    rollout = encode_demonstrations(policy, experiments.demonstrations(3, seed=2))
    with torch.no_grad():
        logp = policy.logprobs(rollout)
        ends = logp.gather(1, rollout.lengths.long()[:, None] - 1)
        total, count = (logp * rollout.loss_mask).sum(), rollout.loss_mask.sum()
        without = -(total - ends.sum()) / (count - 3)
        assert torch.allclose(losses.without_end(policy, rollout), without)
        assert torch.allclose(completion_loss(policy, rollout), -total / count)
        one = encode_demonstrations(policy, experiments.demonstrations(1, seed=2))
        ids = one.token_ids[:, one.attention_mask[0] > 0]
        plain = torch.nn.functional.cross_entropy(policy.model(ids)[0, :-1], ids[0, 1:])
        assert torch.allclose(losses.whole_text(policy, one), plain, atol=1e-4)


def test_what_is_measured_on_the_way(small):
    with silent():
        policy, curves = experiments.on_the_way(0, places=(0, 1, 2))
    assert curves["step"] == [0, 1, 2] and len(curves["loss"]) == 2
    assert set(experiments.measure(policy)) == {"gold", "ended", "facts", "documents"}


def test_the_right_way_costs_nothing(small):
    found = experiments.ways_of(load_policy("pocket-sft"), seed=0)
    assert found["as in training"]["cost"] == 0 and len(found) == 10


def test_checked_demonstrations_have_one_turn_and_no_fault(small):
    world = experiments.world()
    shown = experiments.demonstrations(60, seed=0)
    golds = [world.gold(*one) for one in shown]
    assert min(golds) > 0 and not any(one.prompt.messages[0]["role"] == "system" for one in shown)


def test_the_base_model_knows_its_world():
    assert experiments.knows(load_policy("pocket-base")) > 0.95
