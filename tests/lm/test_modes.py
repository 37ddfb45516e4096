"""A mode is lent, and given back as it was."""

import pytest
import torch
from torch import nn

from rlhf_lib.lm.modes import evaluating, without_dropout
from rlhf_lib.runtime import autocast, compute_dtype


def half_frozen() -> nn.Sequential:
    """A module in train mode with a submodule in eval mode, as one with frozen norms is."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train()
    model[0].eval()
    return model


@pytest.mark.parametrize("lent", [evaluating, without_dropout])
def test_every_submodule_gets_its_own_mode_back(lent):
    model = half_frozen()
    with pytest.raises(RuntimeError, match="in between"), lent(model, model, len):
        assert not any(m.training for m in model.modules())
        raise RuntimeError("in between")
    assert [m.training for m in model.modules()] == [True, False, True]


def test_a_policys_model_is_found(tiny):
    tiny.model.train()
    with evaluating(tiny):
        assert not any(m.training for m in tiny.model.modules())
    assert all(m.training for m in tiny.model.modules())


def test_recomputed_activations_stay_so_without_dropout():
    """transformers saves memory in train mode alone."""
    from transformers import OPTConfig, OPTForCausalLM

    config = OPTConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, ffn_dim=16,
                       num_attention_heads=2, dropout=0.5, word_embed_proj_dim=16,
                       max_position_embeddings=32)  # fmt: skip
    model = OPTForCausalLM(config).train()
    model.gradient_checkpointing_enable()
    ids = torch.arange(8)[None]
    with without_dropout(model):
        layer = model.model.decoder.layers[0]
        assert layer.training and layer.gradient_checkpointing
        assert torch.equal(model(ids).logits, model(ids).logits)
    assert model.training and layer.dropout == 0.5
    assert not torch.equal(model(ids).logits, model(ids).logits)


def test_what_is_calculated_in_can_be_chosen(monkeypatch):
    monkeypatch.delenv("RLHF_DTYPE", raising=False)
    assert compute_dtype("cpu") == torch.float32 and compute_dtype("cuda") == torch.bfloat16
    monkeypatch.setenv("RLHF_DTYPE", "bfloat16")
    with autocast("cpu"):
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.bfloat16
    monkeypatch.setenv("RLHF_DTYPE", "float16")
    with pytest.raises(ValueError, match="RLHF_DTYPE must be float32 or bfloat16"):
        compute_dtype("cpu")
