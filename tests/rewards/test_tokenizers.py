"""A reward model reads texts by its own tokenizer and template, on its own device."""

from dataclasses import replace

import pytest
import torch

from rlhf_lib.rewards import OutcomeModel, RewardModel

PROMPTS = ["what colour is a fox?", "hi"]


@torch.no_grad()
def test_answers_of_another_tokenizer_are_read_as_text(pocket, tiny):
    """Their token ids, taken for its own, were scored as another text: 2.58 for 0.21."""
    model = RewardModel(pocket)
    rollout = tiny.sample(PROMPTS, 2, max_new_tokens=6, seed=0)
    assert not rollout.finished.all() and not model.reads(rollout)
    own = model.encode(rollout.prompts, rollout.texts, rollout.finished.tolist())
    assert torch.equal(own.finished, rollout.finished)
    assert torch.equal(model(rollout), model(own))
    with pytest.raises(ValueError, match="another tokenizer or chat template"):
        OutcomeModel(pocket).token_scores(rollout)
    forced = rollout.completion_mask.clone()
    forced[:, 1] = 0
    with pytest.raises(ValueError, match="tokens in between that were put in"):
        model(replace(rollout, loss_mask=forced))


@torch.no_grad()
def test_the_same_tokenizer_loaded_twice_is_the_same(pocket):
    from rlhf_lib import load_policy

    model, rollout = RewardModel(load_policy("pocket-sft")), pocket.sample(PROMPTS, seed=0)
    assert model.reads(rollout) and model.reads(replace(rollout, tokenizer=None))
    changed = load_policy("pocket-sft")
    changed.tokenizer.chat_template += " "
    assert not RewardModel(changed).reads(rollout)


def test_a_moved_model_makes_its_tensors_where_it_is(tiny):
    model = RewardModel(tiny)
    model.to("meta")
    assert model.backbone.device.type == "meta" and tiny.device.type == "cpu"
    assert model.backbone.encode(PROMPTS)[0].device.type == "meta"


@torch.no_grad()
def test_measurements_are_made_in_eval_mode(tokenizer):
    from transformers import GPT2Config, GPT2LMHeadModel

    from rlhf_lib.lm import Policy, TransformersModel, encode_answers, score_answers

    torch.manual_seed(0)
    inner = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2))
    policy = Policy(TransformersModel(inner), tokenizer, device="cpu")
    model, answers = RewardModel(policy), encode_answers(policy, PROMPTS, ["red", "hello"])
    measured = []
    for mode in (True, True, False):
        policy.model.train(mode), model.train(mode)
        rollout = policy.sample(PROMPTS, max_new_tokens=5, seed=0)
        assert (policy.logprobs(rollout) - rollout.logp).abs().max() < 1e-4
        measured.append(
            torch.cat((score_answers(policy, answers), model(rollout), rollout.logp.flatten()))
        )
        assert all(m.training == mode for m in [*policy.model.modules(), *model.modules()])
    assert torch.equal(measured[0], measured[1]) and torch.equal(measured[0], measured[2])
