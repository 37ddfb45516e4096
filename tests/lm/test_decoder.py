"""The decoder equals transformers' Llama, cached or not, padded or not."""

import copy
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from rlhf_lib.lm import Decoder, DecoderConfig
from rlhf_lib.lm.next_token import JoinedDecoder
from rlhf_lib.runtime import data_path

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SHAPES = {
    "all heads, tied": {"num_key_value_heads": 4, "tie_word_embeddings": True},
    "grouped, untied": {"num_key_value_heads": 2, "tie_word_embeddings": False},
    "one key head": {"num_key_value_heads": 1, "tie_word_embeddings": True, "head_dim": 32},
    "llama 3 rope": {
        "num_key_value_heads": 2, "tie_word_embeddings": True, "rope_parameters": LLAMA3,
    },
}  # fmt: skip


@pytest.fixture(params=SHAPES, scope="module")
def pair(request, tmp_path_factory):
    """The same random weights in transformers and in our decoder, and the folder they came through."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300, hidden_size=64, intermediate_size=128, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=256, initializer_range=0.1,
        **SHAPES[request.param],
    )  # fmt: skip
    theirs = LlamaForCausalLM(config).eval()
    folder = tmp_path_factory.mktemp("llama")
    theirs.save_pretrained(folder)
    return theirs, Decoder.from_pretrained(folder).eval(), folder


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    token_ids = torch.randint(0, 300, (3, 90), generator=generator)
    mask = torch.ones(3, 90)
    mask[0, :7], mask[1, :40] = 0, 0
    return token_ids, mask


@torch.no_grad()
def test_logits_equal_transformers(pair, batch):
    theirs, ours, _ = pair
    token_ids, mask = batch
    assert (theirs(token_ids).logits - ours(token_ids)).abs().max() < 1e-4
    positions = (mask.cumsum(1) - 1).clamp(min=0).long()
    padded = theirs(token_ids, attention_mask=mask, position_ids=positions).logits
    assert ((padded - ours(token_ids, mask)).abs() * mask[..., None]).max() < 1e-4


@torch.no_grad()
def test_cached_equals_uncached(pair, batch):
    _, ours, _ = pair
    token_ids, mask = batch
    whole = ours(token_ids, mask)
    cache = ours.new_cache(3, 90)
    parts = [ours(token_ids[:, :80], mask[:, :80], cache)]
    parts += [ours(token_ids[:, i : i + 1], mask[:, : i + 1], cache) for i in range(80, 90)]
    assert ((torch.cat(parts, 1) - whole).abs() * mask[..., None]).max() < 1e-4


@torch.no_grad()
def test_joined_weights_give_the_same_next_tokens(pair, batch):
    model = copy.deepcopy(pair[1])
    token_ids, mask = batch
    for module in model.modules():  # norms whose weights are not all 1
        if hasattr(module, "epsilon"):
            module.weight.uniform_(0.5, 1.5)
    whole = model(token_ids, mask)
    cache, joined = model.new_cache(3, 90), JoinedDecoder(model, 90)
    model.hidden_states(token_ids[:, :80], mask[:, :80], cache)
    for now in range(80, 90):
        found = joined(token_ids[:, now], mask[:, : now + 1], cache)
        torch.testing.assert_close(found, whole[:, now], atol=1e-4, rtol=1e-4)


def test_checkpoints_go_both_ways(pair, batch, tmp_path):
    theirs, ours, _ = pair
    ours.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(again).__name__ == "LlamaForCausalLM"
    assert (again(batch[0]).logits - theirs(batch[0]).logits).abs().max() < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("name", ["pocket-base", "pocket-sft"])
def test_pocket_models_equal_transformers(name):
    folder = data_path("models", name)
    ours, theirs = Decoder.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    token_ids = torch.randint(0, ours.config.vocab_size, (2, 60))
    assert (ours(token_ids) - theirs(token_ids).logits).abs().max() < 1e-4


def test_sharded_weights_are_read(pair, tmp_path):
    theirs, ours, _ = pair
    theirs.save_pretrained(tmp_path, max_shard_size="100KB")
    again = Decoder.from_pretrained(tmp_path)
    assert torch.equal(again.model.norm.weight, ours.model.norm.weight)


def test_what_is_not_a_llama_is_refused(tmp_path):
    with pytest.raises(ValueError, match="model_type"):
        DecoderConfig.from_dict({"model_type": "gpt2", "vocab_size": 10})
    with pytest.raises(ValueError, match="rope type"):
        DecoderConfig.from_dict({"vocab_size": 10, "rope_scaling": {"rope_type": "yarn"}})
    with pytest.raises(ValueError, match="multiple of"):
        DecoderConfig(10, num_attention_heads=4, num_key_value_heads=3)
    config = json.loads(
        (data_path("models", "pocket-sft") / "config.json").read_text(encoding="utf-8")
    )
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "num_hidden_layers": 5}), encoding="utf-8"
    )
    weights = data_path("models", "pocket-sft") / "model.safetensors"
    (tmp_path / "model.safetensors").write_bytes(weights.read_bytes())
    with pytest.raises(ValueError, match="weights missing"):
        Decoder.from_pretrained(tmp_path)


def test_the_forward_pass_stays_on_its_device():
    """On 'meta' a stray CPU tensor raises, as it would on a GPU."""
    model = Decoder(DecoderConfig(50, hidden_size=16, num_key_value_heads=2)).to("meta")
    token_ids = torch.zeros(2, 7, dtype=torch.long, device="meta")
    mask = torch.ones(2, 7, device="meta")
    assert model(token_ids, mask).device.type == "meta"
    cache = model.new_cache(2, 9)
    model(token_ids, mask, cache)
    one_more = torch.ones(2, 8, device="meta")
    assert model(token_ids[:, :1], one_more, cache).shape == (2, 1, 50)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_forward_pass_on_cuda():
    model = Decoder(DecoderConfig(50, hidden_size=16)).to("cuda")
    assert model(torch.zeros(2, 7, dtype=torch.long, device="cuda")).is_cuda


@torch.no_grad()
def test_all_states_end_in_the_hidden_states(pocket):
    ids = torch.tensor([pocket.prompt_ids("what colour is a fox?")])
    states = pocket.model.all_states(ids)
    assert len(states) == pocket.model.config.num_hidden_layers + 2
    assert torch.equal(states[0], pocket.model.model.embed_tokens(ids))
    assert torch.allclose(states[-1], pocket.model.hidden_states(ids), atol=1e-5)
