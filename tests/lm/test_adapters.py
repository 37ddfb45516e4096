"""LoRA: trains, samples, saves, loads, merges; the rest of the weights never moves."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from rlhf_lib.lm import LoRA, Policy, TransformersModel, add_lora, load_policy
from rlhf_lib.rewards import RewardModel

peft = pytest.importorskip("peft", minversion="0.19")
PROMPTS, TEXTS = ["hi", "who are you?"], ["a hen.", "yes. it is."]


def qwen(tokenizer):
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    return Policy(TransformersModel(Qwen2ForCausalLM(config).eval()), tokenizer, device="cpu")


@pytest.fixture(params=["ours", "transformers"])
def base(request, tiny, tokenizer):
    torch.manual_seed(0)
    return tiny if request.param == "ours" else qwen(tokenizer)


def trainable(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def logp(policy):
    with torch.no_grad():
        return policy.logprobs(policy.encode_completions(PROMPTS, TEXTS))


def trained(policy, steps=3):
    """A few steps of SFT on the two answers."""
    optimizer = torch.optim.AdamW([p for p in policy.model.parameters() if p.requires_grad], 1e-2)
    rollout = policy.encode_completions(PROMPTS, TEXTS)
    for _ in range(steps):
        optimizer.zero_grad()
        (-policy.logprobs(rollout).sum()).backward()
        optimizer.step()
    return policy


def test_only_the_adapter_trains(base):
    before, start = logp(base), base.copy()
    policy = add_lora(base, LoRA(rank=2, targets=("q_proj", "v_proj")))
    assert policy is base and torch.allclose(logp(policy), before, atol=1e-6)  # B = 0
    assert trainable(policy.model) == 2 * 2 * (
        32 * 2 + 32 + 16
    )  # layers x rank x (A + B of q, of v)
    trained(policy)
    assert logp(policy).sum() > before.sum() + 1
    weights = {n.replace("base_layer.", ""): p for n, p in policy.model.named_parameters()}
    for name, weight in start.model.named_parameters():
        assert torch.equal(weights[name], weight), name


def test_copies_keep_what_can_be_trained(base):
    policy = add_lora(base, LoRA(rank=4))
    count = trainable(policy.model)
    assert 0 < count < sum(p.numel() for p in policy.model.parameters()) / 2
    assert trainable(policy.copy().model) == count
    assert trainable(policy.copy(frozen=True).model) == 0
    model = RewardModel(policy)
    assert trainable(model) == count + sum(p.numel() for p in model.head.parameters())
    assert torch.isfinite(model.score_texts(PROMPTS, TEXTS)).all()


@torch.no_grad()
def test_the_sampler_sees_the_adapter(base):
    policy = add_lora(base)
    for name, weight in policy.model.named_parameters():
        if "lora_B" in name:
            weight.normal_(std=0.3)
    rollout = policy.sample(PROMPTS, 2, max_new_tokens=6, seed=0)
    assert torch.allclose(policy.logprobs(rollout), rollout.logp, atol=1e-4)


def test_the_reference_is_the_adapter_switched_off(base):
    before = logp(base)
    policy = add_lora(base)
    reference = policy.reference()
    trained(policy)
    assert not torch.allclose(logp(policy), before, atol=0.1)
    assert torch.allclose(logp(reference), before, atol=1e-5)
    assert reference.model.whole is policy.model  # no second copy
    loss = policy.logprobs(policy.encode_completions(PROMPTS, TEXTS)).sum()
    logp(reference)  # between the forward and the backward pass
    loss.backward()
    assert all(p.grad is not None for p in policy.model.parameters() if p.requires_grad)
    rollout = reference.sample(PROMPTS, max_new_tokens=3, seed=0)
    assert torch.allclose(logp(reference), before, atol=1e-5) and rollout.texts
    with pytest.warns(UserWarning, match="trained already"):
        policy.reference()


def test_a_reference_without_an_adapter_is_a_frozen_copy(tiny):
    reference, before = tiny.reference(), logp(tiny)
    trained(tiny)
    assert torch.equal(logp(reference), before) and trainable(reference.model) == 0


def test_merging_changes_no_number(base):
    policy = trained(add_lora(base))
    expected, parameters = logp(policy), len(list(base.copy().model.parameters()))
    assert policy.merge() is policy
    assert torch.allclose(logp(policy), expected, atol=1e-4)
    assert not any("lora" in name for name in policy.model.state_dict())
    assert all(p.requires_grad for p in policy.model.parameters()) and parameters > 0
    rollout = policy.sample(PROMPTS, max_new_tokens=4, seed=0)
    assert torch.allclose(policy.logprobs(rollout), rollout.logp, atol=1e-4)


def test_adapters_are_saved_and_come_back(base, tmp_path):
    base.save(tmp_path / "base")
    policy = trained(load_policy(tmp_path / "base", device="cpu", lora=LoRA(rank=2)))
    policy.save(tmp_path / "adapter")
    assert not list((tmp_path / "adapter").glob("**/model.safetensors"))  # the adapter alone
    again = load_policy(tmp_path / "adapter", device="cpu")
    assert torch.allclose(logp(again), logp(policy), atol=1e-5)
    assert trainable(again.model) == trainable(policy.model)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    theirs = peft.PeftModel.from_pretrained(theirs, tmp_path / "adapter").eval()
    ids = torch.tensor([policy.prompt_ids("hi")])
    with torch.no_grad():
        assert torch.allclose(theirs(ids).logits, policy.model(ids), atol=1e-4)
    again.merge().save(tmp_path / "adapter")  # a whole model in the adapter's place
    assert not list((tmp_path / "adapter").glob("adapter*"))
    assert torch.allclose(logp(load_policy(tmp_path / "adapter")), logp(policy), atol=1e-4)


def test_an_adapter_on_weights_of_no_folder_keeps_them(base, tmp_path):
    policy = trained(add_lora(trained(base), LoRA(rank=2)))
    policy.save(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    again = load_policy(tmp_path / "moved", device="cpu")
    assert torch.allclose(logp(again), logp(policy), atol=1e-5)
    again.save(tmp_path / "again")
    assert torch.allclose(logp(load_policy(tmp_path / "again")), logp(policy), atol=1e-5)


def test_what_peft_saves_loads_here(base, tmp_path):
    base.save(tmp_path / "base")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    model = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    model.save_pretrained(tmp_path / "theirs")
    policy = load_policy(tmp_path / "theirs", device="cpu")
    ids = torch.tensor([policy.prompt_ids("hi")])
    with torch.no_grad():
        assert torch.allclose(model.eval()(ids).logits, policy.model(ids), atol=1e-4)


def test_gpt2s_own_kind_of_layer_gets_adapters_too(tokenizer):
    inner = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2))
    policy = Policy(TransformersModel(inner.eval()), tokenizer, device="cpu")
    before = logp(policy)
    assert logp(trained(add_lora(policy))).sum() > before.sum()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda p: LoRA(rank=0), "rank"),
        (lambda p: LoRA(alpha=0), "alpha"),
        (lambda p: LoRA(dropout=1), "dropout"),
        (lambda p: add_lora(p, LoRA(targets=("lm_head",))), "no linear layers of the model"),
        (lambda p: add_lora(add_lora(p)), "merge it first"),
    ],
)
def test_broken_adapters_get_a_sentence(tiny, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(tiny)


def test_an_adapter_of_another_kind_is_refused(tiny, tmp_path):
    tiny.save(tmp_path / "base")
    (tmp_path / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "base", "peft_type": "PREFIX_TUNING"}', encoding="utf-8"
    )
    with pytest.raises(ValueError, match="PREFIX_TUNING"):
        load_policy(tmp_path)
