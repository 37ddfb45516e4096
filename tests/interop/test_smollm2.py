"""The real chat model: its logits and answers are transformers', and GRPO leaves it a chat model.

Skipped where it has not been fetched (`make smollm2`).
"""

import pytest
import torch

from rlhf_lib.lm import LoRA, load_policy
from rlhf_lib.lm.loading import SMOLLM2
from rlhf_lib.training import preset, train_online
from tests.interop import ways

pytestmark = pytest.mark.skipif(
    not (SMOLLM2 / "config.json").exists(), reason="SmolLM2 is not here: `make smollm2`"
)
QUESTIONS = ["What is 2 + 3?", "Name a colour.", "Is ice cold?", "Say hello to Ada, please."]
CLEAR = 1e-2
"""Logits reach 40 here: a lead below this can turn round in another kernel's rounding."""


class Asked:
    """A question as the other ways want it."""

    def __init__(self, text: str) -> None:
        self.messages = [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def policy():
    return load_policy("smollm2", device="cpu")


@torch.no_grad()
def test_logits_are_those_of_transformers(policy):
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(SMOLLM2, dtype=torch.float32).eval()
    ids, mask = policy.encode(QUESTIONS)
    positions = (mask.cumsum(1) - 1).clamp(min=0).long()
    expected = theirs(input_ids=ids, attention_mask=mask.long(), position_ids=positions).logits
    gap = (policy.model(ids, mask) - expected)[mask.bool()].abs().max()
    assert gap < 1e-5 * expected.abs().max()


@torch.no_grad()
def test_greedy_answers_are_those_of_generate(policy, monkeypatch):
    monkeypatch.setattr(ways, "TOKENS", 12)
    rollout = policy.sample(QUESTIONS, max_new_tokens=12, temperature=0.0)
    first, second = policy.completion_logits(rollout).topk(2).values.unbind(-1)
    lead = (first - second).masked_fill(rollout.completion_mask == 0, torch.inf).min(1).values
    texts = ways.generate(SMOLLM2, [Asked(question) for question in QUESTIONS])
    clear = [row for row in range(len(texts)) if lead[row] > CLEAR]
    assert clear and [texts[r] for r in clear] == [rollout.texts[r] for r in clear]


@pytest.mark.parametrize("lora", [None, LoRA(rank=8)], ids=["all weights", "LoRA"])
def test_three_grpo_steps_move_it_gently(lora):
    policy = load_policy("smollm2", device="cpu", lora=lora)
    settings = preset(
        "grpo", steps=3, prompts_per_step=1, samples_per_prompt=4, minibatches=1, max_new_tokens=8,
        kl_coefficient=0.02, learning_rate=2e-4 if lora else 2e-6,
    )  # fmt: skip
    history = train_online(
        policy, QUESTIONS, lambda rollout: [float(len(text)) for text in rollout.texts], settings
    )
    assert history.rows[0]["kl"] == pytest.approx(0, abs=1e-3)
    assert all(row["grad_norm"] > 0 for row in history.rows if row["zero_variance_groups"] == 0)
    assert abs(history.rows[-1]["kl"]) < 5
