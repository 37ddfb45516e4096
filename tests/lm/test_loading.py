"""Every family's logits are its own; every name finds its model, or a sentence says why not."""

import json

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from rlhf_lib.lm import Decoder, DecoderConfig, Policy, TransformersModel, decoder, load_policy
from rlhf_lib.lm.decoder import cosines_and_sines
from rlhf_lib.lm.transformers_model import SeenTokens
from rlhf_lib.runtime import data_path

SMALL = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 0,
}  # fmt: skip
SPECIAL = {"bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LINEAR = {"type": "linear", "factor": 4.0}  # the key of transformers 4
LLAMA3 = {
    "type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip

FAMILIES = {
    "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 2, **SPECIAL}),
    "opt": ("OPT", {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2,
                    "num_attention_heads": 4, "word_embed_proj_dim": 32, **SPECIAL}),
    "qwen2": ("Qwen2", SMALL),
    "cohere": ("Cohere", {**SMALL, "logit_scale": 0.0625}),
    "granite": ("Granite", {**SMALL, "logits_scaling": 8.0}),
    "gemma2": ("Gemma2", {**SMALL, "head_dim": 8, "final_logit_softcapping": 3.0}),
    "mamba": ("Mamba", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, **SPECIAL}),
    "lfm2": ("Lfm2", {**SMALL, "layer_types": ["conv", "full_attention"]}),
    "gelu": ("Llama", {**SMALL, "hidden_act": "gelu"}),
    "biases": ("Llama", {**SMALL, "attention_bias": True, "mlp_bias": True}),
    "yarn": ("Llama", {**SMALL, "rope_parameters": {**YARN, "rope_theta": 1e4}}),
    "llama": ("Llama", SMALL),
}  # fmt: skip
OLDER = {
    "linear rope": {"rope_parameters": None, "rope_theta": 1e4, "rope_scaling": LINEAR},
    "llama3 rope": {"rope_parameters": None, "rope_theta": 1e4, "rope_scaling": LLAMA3},
    "untied, not said": {"tie_word_embeddings": None},
    "no key-value heads": {"num_key_value_heads": None},
    "a field of tomorrow": {"residual_scale_of_tomorrow": 2.0},
}
OURS = {"llama", "llama3 rope", "untied, not said", "no key-value heads"}


def make(name, tokenizer, folder):
    """A random model with large weights, so that scales, caps and rotations show, in `folder`."""
    family, fields = FAMILIES[name if name in FAMILIES else "llama"]
    if name == "no key-value heads":
        fields = {**fields, "num_key_value_heads": 4}
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(vocab_size=len(tokenizer), **fields)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        parameter.data.mul_(1.0 if name == "mamba" else 6.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "config.json"
    values = {**json.loads(path.read_text(encoding="utf-8")), **OLDER.get(name, {})}
    path.write_text(
        json.dumps({k: v for k, v in values.items() if v is not None}), encoding="utf-8"
    )
    return AutoModelForCausalLM.from_pretrained(folder).eval()


@torch.no_grad()
@pytest.mark.parametrize("name", [*FAMILIES, *OLDER])
def test_logits_are_the_models_own(name, tokenizer, tmp_path):
    theirs = make(name, tokenizer, tmp_path)
    policy = load_policy(tmp_path, device="cpu")
    assert isinstance(policy.model, Decoder if name in OURS else TransformersModel)
    ids = torch.tensor([policy.prompt_ids("what colour is a fox?")])
    own, ours = theirs(ids).logits, policy.model(ids)
    assert (own - ours).abs().max() < 1e-4 * own.abs().max()
    rollout = policy.sample(["hi", "a longer one"], 2, max_new_tokens=5, seed=0)
    for row in range(4):  # what was drawn from padded rows and caches, against the model itself
        alone = rollout.select(torch.tensor([row]))
        start, real = alone.prompt_length, alone.attention_mask[0].bool()
        logp = theirs(alone.token_ids[:, real]).logits.log_softmax(-1)[0]
        drawn = alone.completion_ids[0, : int(alone.lengths[0])]
        expected = logp[start - 1 : -1].gather(1, drawn[:, None])[:, 0]
        scale = own.abs().max().clamp(min=1)
        assert (expected - alone.logp[0, : len(drawn)]).abs().max() < 1e-4 * scale
    assert torch.allclose(policy.logprobs(rollout), rollout.logp, atol=float(1e-4 * scale))


def test_a_state_space_model_reads_its_tokens_again(tokenizer, tmp_path):
    make("mamba", tokenizer, tmp_path)
    model = load_policy(tmp_path, device="cpu").model
    assert not model.cached and isinstance(model.new_cache(1), SeenTokens)


class Shy(torch.nn.Module):
    """A model whose logits depend on more than its last hidden states."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.config = inner, inner.config
        self.model, self.device, self.base_model_prefix = inner.base_model, inner.device, "no"
        self.get_output_embeddings = inner.get_output_embeddings

    def forward(self, input_ids, **inputs):
        out = self.inner(input_ids=input_ids, **inputs)
        out.logits = out.logits + input_ids[..., None] * 0.01
        return out


def test_a_decoder_that_is_wrong_about_a_model_steps_aside(tokenizer, tmp_path, monkeypatch):
    """A field that is known but computed otherwise is found when a few tokens are compared."""
    own = make("llama", tokenizer, tmp_path)
    assert isinstance(load_policy(tmp_path, "cpu").model, Decoder)
    monkeypatch.setattr(
        decoder, "cosines_and_sines", lambda angles, dtype: cosines_and_sines(angles * 1.1, dtype)
    )
    policy = load_policy(tmp_path, "cpu")
    assert isinstance(policy.model, TransformersModel)
    token_ids = torch.arange(8)[None]
    assert torch.allclose(policy.model(token_ids), own(input_ids=token_ids).logits, atol=1e-4)


def test_logits_that_cannot_be_had_are_refused(tokenizer, tmp_path):
    theirs = make("gpt2", tokenizer, tmp_path)
    with pytest.raises(ValueError, match="Shy computes its logits in a way that is not known"):
        TransformersModel(Shy(theirs))


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_missing_weights_are_an_error(name, tokenizer, tmp_path):
    from safetensors.torch import load_file, save_file

    make(name, tokenizer, tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    weights.pop("model.layers.1.self_attn.q_proj.weight")
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"weights missing .*q_proj"):
        load_policy(tmp_path)


def test_loading_draws_no_random_numbers():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    load_policy("pocket-sft")
    assert torch.equal(torch.rand(3), expected)


def test_the_weights_dtype_can_be_chosen():
    assert load_policy("pocket-sft").model.lm_head.weight.dtype == torch.float32
    frozen = load_policy("pocket-sft", device="cpu", dtype=torch.bfloat16)
    assert frozen.model.lm_head.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["gpt2", "someone/some-model"])
def test_hub_ids_go_to_the_hub(name, monkeypatch):
    asked = {}

    def give(repo, **settings):
        asked.update(settings, repo=repo)
        return data_path("models", "pocket-sft")

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert load_policy(name, revision="abc", token="secret").end_token == 3
    assert (asked["repo"], asked["revision"], asked["token"]) == (name, "abc", "secret")
    assert not any(pattern.endswith((".bin", ".pt")) for pattern in asked["allow_patterns"])


def test_our_own_errors_are_not_put_down_to_the_network(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **s: tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}', encoding="utf-8")
    with pytest.raises(ValueError, match="unheard_of"):
        load_policy("someone/some-model")


@pytest.mark.parametrize("name", ["pocket-stf", "smolm2", "./nowhere", "a/b/c"])
def test_a_misspelt_name_is_not_looked_for_on_the_hub(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    with pytest.raises(ValueError, match="use 'pocket-base', 'pocket-sft', 'smollm2'"):
        load_policy(name)


def test_a_config_is_read_as_transformers_reads_it():
    config = DecoderConfig.from_dict({"vocab_size": 10, "num_attention_heads": 8})
    assert config.num_key_value_heads == 8 and not config.tie_word_embeddings
    assert config.hidden_size == 4096
    for field, value in (("hidden_act", "gelu"), ("mlp_bias", True), ("of_tomorrow", 1)):
        with pytest.raises(ValueError, match=field):
            DecoderConfig.from_dict({"vocab_size": 10, field: value})
    with pytest.raises(ValueError, match="rope type 'linear'"):
        DecoderConfig.from_dict({"vocab_size": 10, "rope_scaling": LINEAR})


def test_peft_models_can_be_wrapped_by_hand(tokenizer, tmp_path):
    peft = pytest.importorskip("peft")
    theirs = make("qwen2", tokenizer, tmp_path)
    wrapped = peft.get_peft_model(theirs, peft.LoraConfig(target_modules=["q_proj"]))
    policy = Policy(TransformersModel(wrapped), tokenizer, device="cpu")
    assert policy.sample(["hi"], max_new_tokens=3, seed=0).texts


def test_an_adapter_without_its_base_says_so(tmp_path, monkeypatch):
    (tmp_path / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "owner/base", "peft_type": "LORA"}', encoding="utf-8"
    )

    def unreachable(*arguments, **settings):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(OSError, match="the adapter in .* needs its base model"):
        load_policy(tmp_path)


def test_other_letters_are_read_whatever_the_locale(tmp_path, monkeypatch):
    """Every text file is opened as UTF-8: nothing here leaves the encoding to the machine."""
    import builtins
    import io
    import pathlib

    def strict(self, mode="r", buffering=-1, encoding=None, errors=None, newline=None):
        assert "b" in mode or (encoding or "").lower().startswith("utf"), f"{self}: {encoding}"
        return open(self, mode, buffering, encoding, errors, newline)

    assert builtins.open is io.open
    monkeypatch.setattr(pathlib.Path, "open", strict)
    policy = load_policy("pocket-sft", device="cpu")
    monkeypatch.setattr(policy.tokenizer, "save_pretrained", lambda folder: None)
    policy.save(tmp_path)
