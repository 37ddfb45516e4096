"""What `Policy.save` writes: read by transformers, whole or not at all, nothing left of what was there."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from rlhf_lib.lm import load_policy
from rlhf_lib.lm.folders import replacing
from rlhf_lib.runtime import data_path


def read(folder, name="config.json"):
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["pocket-base", "pocket-sft"])
def test_shipped_models_name_their_end_and_pad_tokens(name):
    policy, folder = load_policy(name), data_path("models", name)
    found = GenerationConfig.from_pretrained(folder)
    for ids in (
        read(folder),
        {"eos_token_id": found.eos_token_id, "pad_token_id": found.pad_token_id},
    ):
        assert ids["eos_token_id"] == policy.end_token and ids["pad_token_id"] == policy.pad_token


@torch.no_grad()
def test_transformers_generate_ends_by_itself(pocket, tmp_path):
    pocket.save(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    prompt = "what colour is a fox?"
    ids = torch.tensor([pocket.prompt_ids(prompt)])
    out = theirs.generate(ids, max_new_tokens=40, do_sample=False)[0, ids.shape[1] :]
    ours = pocket.sample([prompt], max_new_tokens=40, temperature=0)
    assert out.tolist() == ours.completion_ids[0].tolist() and out[-1] == pocket.end_token


def test_an_older_sharded_checkpoint_is_cleared_away(pocket, tmp_path):
    AutoModelForCausalLM.from_pretrained(data_path("models", "pocket-sft")).save_pretrained(
        tmp_path, max_shard_size="500KB"
    )
    for left in ("adapter_config.json", "pytorch_model.bin", "head.safetensors", "notes.txt"):
        (tmp_path / left).write_text("{}", encoding="utf-8")
    policy = pocket.copy()
    with torch.no_grad():
        policy.model.model.norm.weight.mul_(1.5)
    policy.save(tmp_path)
    again = load_policy(tmp_path)
    assert torch.equal(again.model.model.norm.weight, policy.model.model.norm.weight)
    weights = {path.name for path in tmp_path.iterdir()} & {
        "adapter_config.json",
        "pytorch_model.bin",
    }
    assert not weights and [p.name for p in tmp_path.glob("*.safetensors*")] == [
        "model.safetensors"
    ]
    assert (tmp_path / "notes.txt").exists()  # not ours


@pytest.mark.parametrize("when", ["while writing", "while moving"])
def test_a_save_that_is_cut_off_is_never_loaded_half(when, tiny, tmp_path, monkeypatch):
    tiny.save(tmp_path)
    old = tiny.model.lm_head.weight.detach().clone()
    with torch.no_grad():
        tiny.model.lm_head.weight.add_(1)

    def dies(*arguments, **settings):
        raise KeyboardInterrupt

    target = "rlhf_lib.lm.policy.write_json" if when == "while writing" else "os.replace"
    monkeypatch.setattr(target, dies)
    with pytest.raises(KeyboardInterrupt):
        tiny.save(tmp_path)
    monkeypatch.undo()
    if when == "while writing":
        assert torch.equal(load_policy(tmp_path).model.lm_head.weight, old)
    else:
        with pytest.raises(FileNotFoundError, match="no checkpoint"):
            load_policy(tmp_path)
    tiny.save(tmp_path)  # and the next one is whole again
    assert torch.equal(load_policy(tmp_path).model.lm_head.weight, tiny.model.lm_head.weight)
    assert not list(tmp_path.glob(".saving-*"))


def test_the_mark_of_a_checkpoint_comes_last(tmp_path, monkeypatch):
    import os

    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (moved.append(b.name), replace(a, b)))
    with replacing(tmp_path) as part:
        for name in ("config.json", "adapter_config.json", "a.txt", "z.txt"):
            (part / name).write_text("", encoding="utf-8")
    assert set(moved[-2:]) == {"config.json", "adapter_config.json"}


def test_sixteen_bit_weights_say_so(tiny, tmp_path):
    tiny.model.to(torch.bfloat16)
    tiny.save(tmp_path)
    assert read(tmp_path)["dtype"] == "bfloat16"
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16


def test_what_the_checkpoint_said_of_generation_is_kept(pocket, tmp_path):
    pocket.save(tmp_path)
    path = tmp_path / "generation_config.json"
    path.write_text(
        json.dumps({"eos_token_id": [1, 3], "do_sample": True, "temperature": 0.7}),
        encoding="utf-8",
    )
    load_policy(tmp_path).save(tmp_path)
    found = read(tmp_path, "generation_config.json")
    assert found["temperature"] == 0.7 and sorted(found["eos_token_id"]) == [1, 3]
    assert load_policy(tmp_path).end_tokens == (3, 1)


def test_what_transformers_saves_loads_here(pocket, tmp_path):
    pocket.save(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path / "theirs")
    pocket.tokenizer.save_pretrained(tmp_path / "theirs")
    again = load_policy(tmp_path / "theirs")
    assert type(again.model) is type(pocket.model) and again.end_tokens == pocket.end_tokens
    for ours, theirs in zip(pocket.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_reward_models_are_saved_whole(tiny, tmp_path):
    from rlhf_lib.rewards import RewardModel

    model = RewardModel(tiny)
    model.save(tmp_path)
    again = RewardModel.load(str(tmp_path))
    texts = (["hi", "who?"], ["a hen.", "yes."])
    assert torch.allclose(again.score_texts(*texts), model.score_texts(*texts), atol=1e-5)
    tiny.save(tmp_path)  # a policy over it: the old head is no part of this
    assert not (tmp_path / "head.safetensors").exists()


def test_transformers_reads_our_reward_models_and_we_read_theirs(tiny, tmp_path):
    """Equal up to a constant, which Bradley-Terry models do not fix."""
    from transformers import AutoModelForSequenceClassification

    from rlhf_lib.rewards import RewardModel

    model, texts = RewardModel(tiny), (["hi", "who?", "hi"], ["a hen.", "yes.", "no."])
    model.standardize(torch.tensor([1.0, 4.0, 5.0]))
    ours = model.score_texts(*texts)
    model.save(tmp_path / "ours")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours").eval()
    assert theirs.num_labels == 1
    rollout = model.encode(*texts)
    rows = [
        ids[mask > 0] for ids, mask in zip(rollout.token_ids, rollout.attention_mask, strict=True)
    ]
    with torch.no_grad():
        found = torch.stack([theirs(row[None]).logits[0, 0] for row in rows])
    assert torch.allclose(ours - ours.mean(), found - found.mean(), atol=1e-5)
    theirs.save_pretrained(tmp_path / "theirs")
    tiny.tokenizer.save_pretrained(tmp_path / "theirs")
    again = RewardModel.load(str(tmp_path / "theirs"))
    assert torch.allclose(again.score_texts(*texts), found, atol=1e-5)
    assert torch.allclose(
        RewardModel.load(str(tmp_path / "ours")).score_texts(*texts), ours, atol=1e-5
    )


@pytest.mark.parametrize("family", ["Llama", "Qwen2"])
def test_a_hub_reward_model_without_an_lm_head_loads(family, tokenizer, tmp_path):
    import transformers

    from rlhf_lib.rewards import RewardModel

    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, num_labels=1, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    theirs.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = RewardModel.load(str(tmp_path))
    rollout = model.encode(["hi"], ["a hen."])
    with torch.no_grad():
        expected = theirs(rollout.token_ids).logits[:, 0]
        assert torch.allclose(model(rollout), expected, atol=1e-5)


def test_what_is_no_reward_model_says_so(tiny, tmp_path):
    from rlhf_lib.rewards import OutcomeModel, RewardModel

    tiny.save(tmp_path)
    for kind in (RewardModel, OutcomeModel):
        with pytest.raises(FileNotFoundError, match="is no reward model"):
            kind.load(str(tmp_path))
