"""LoRA through peft, on the pocket model and on transformers' own: trains, saves, loads, merges."""

import pytest
import torch

from rlhf_lib.lm import LoRA, Policy, TransformersModel, add_lora, load_policy, load_tokenizer
from rlhf_lib.rewards import RewardModel
from rlhf_lib.runtime import data_path
from rlhf_lib.training import (
    DirectSettings,
    DirectTrainer,
    OnlineTrainer,
    SFTSettings,
    preset,
    train_sft,
)
from rlhf_lib.world import PocketWorld

peft = pytest.importorskip("peft")
FOLDER = data_path("models", "pocket-sft")
WORLD = PocketWorld()
PROMPTS = WORLD.prompts(8, seed=4, split="test")
SHAPE = LoRA(rank=4, targets=("q_proj", "v_proj"))
TRAINABLE = 8_192
"""4 layers x 2 matrices x rank 4 x (128 + 128)."""


def fresh(kind: str) -> Policy:
    """The pocket model with a new adapter, behind our decoder or behind transformers' model."""
    if kind == "decoder":
        return load_policy(str(FOLDER), device="cpu", lora=SHAPE)
    model = TransformersModel.from_pretrained(FOLDER)
    policy = Policy(model, load_tokenizer(FOLDER), device="cpu", source=str(FOLDER))
    return add_lora(policy, SHAPE)


def trained(kind: str, steps: int = 3) -> Policy:
    """One whose adapter has learned a little."""
    policy = fresh(kind)
    settings = SFTSettings(batch_size=16, learning_rate=1e-2, warmup_steps=0)
    train_sft(policy, WORLD.demonstrations(16 * steps), settings)
    return policy


@torch.no_grad()
def logits(policy: Policy) -> torch.Tensor:
    """(B, T, V) on fixed requests, padding left out."""
    ids, mask = policy.encode(PROMPTS)
    return policy.model(ids, mask)[mask.bool()]


@torch.no_grad()
def logits_of(model) -> torch.Tensor:
    """The same of a model of transformers or peft."""
    ids, mask = load_policy(str(FOLDER), device="cpu").encode(PROMPTS)
    positions = (mask.cumsum(1) - 1).clamp(min=0).long()
    out = model.eval()(input_ids=ids, attention_mask=mask.long(), position_ids=positions)
    return out.logits[mask.bool()]


def count(model) -> int:
    """Numbers that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def near(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal to the rounding of other kernels."""
    return bool(torch.allclose(a, b, atol=2e-4, rtol=1e-4))


both = pytest.mark.parametrize("kind", ["decoder", "transformers"])


@both
def test_copies_keep_what_is_trained(kind):
    policy = fresh(kind)
    assert count(policy.model) == TRAINABLE
    assert count(policy.copy().model) == TRAINABLE
    assert count(policy.copy(frozen=True).model) == 0
    assert count(policy.model) == TRAINABLE
    assert count(RewardModel.from_policy(policy)) == TRAINABLE + 128 + 1


@both
def test_training_moves_the_adapter_alone_and_the_sampler_sees_it(kind):
    start, policy = logits(load_policy(str(FOLDER), device="cpu")), trained(kind)
    assert count(policy.model) == TRAINABLE
    assert (logits(policy) - start).abs().max() > 0.1
    assert near(logits(policy.reference()), start)
    rollout = policy.sample(PROMPTS, samples_per_prompt=2, max_new_tokens=16, seed=0)
    with torch.no_grad():
        assert (policy.logprobs(rollout) - rollout.logp).abs().max() < 1e-3


@both
def test_what_we_save_loads_in_peft_and_here(kind, tmp_path):
    from transformers import AutoModelForCausalLM

    policy = trained(kind)
    policy.save(tmp_path)
    named = peft.PeftConfig.from_pretrained(tmp_path).base_model_name_or_path
    base = AutoModelForCausalLM.from_pretrained(named, dtype=torch.float32)
    assert near(logits_of(peft.PeftModel.from_pretrained(base, tmp_path)), logits(policy))
    again = load_policy(str(tmp_path), device="cpu")
    assert near(logits(again), logits(policy)) and count(again.model) == TRAINABLE


def test_what_peft_saves_loads_here(tmp_path):
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    shape = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"])
    theirs = peft.get_peft_model(base, shape)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    theirs.save_pretrained(tmp_path)
    assert near(logits(load_policy(str(tmp_path), device="cpu")), logits_of(theirs))


@both
def test_merging_keeps_the_logits_and_gives_an_ordinary_checkpoint(kind, tmp_path):
    from transformers import AutoModelForCausalLM

    policy = trained(kind)
    before = logits(policy)
    policy.merge().save(tmp_path)
    assert near(logits(policy), before)
    assert not (tmp_path / "adapter_config.json").exists()
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert near(logits_of(theirs), before)
    assert near(logits(load_policy(str(tmp_path), device="cpu")), before)


@both
def test_the_reference_of_trainers_is_the_model_without_its_adapter(kind):
    policy = fresh(kind)
    settings = preset(
        "grpo", prompts_per_step=2, samples_per_prompt=4, minibatches=1, max_new_tokens=8,
        kl_coefficient=0.05, learning_rate=1e-2,
    )  # fmt: skip
    reward = lambda rollout: [float(len(text)) for text in rollout.texts]  # noqa: E731
    online = OnlineTrainer(policy, PROMPTS, reward, settings)
    direct = DirectTrainer(fresh(kind), DirectSettings())
    for trainer in (online, direct):
        own = {p.data_ptr() for p in trainer.policy.model.parameters()}
        assert {p.data_ptr() for p in trainer.reference.model.parameters()} <= own
    first, second = online.step(), online.step()
    assert first["kl"] == pytest.approx(0, abs=1e-4)
    assert abs(second["kl"]) > 1e-4
    assert near(logits(online.reference), logits(load_policy(str(FOLDER), device="cpu")))
