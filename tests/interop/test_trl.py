"""TRL's trainers take the shipped model and our files as they are, and what they save comes back.

Skipped where TRL is missing; `make interop` has it.
"""

import pytest
import torch
from datasets import Dataset, load_dataset

from rlhf_lib.lm import Rollout, load_policy
from rlhf_lib.runtime import data_path
from rlhf_lib.training import OnlineTrainer, preset, write_demonstrations, write_preferences
from rlhf_lib.world import PocketWorld
from tests.interop import ways

trl = pytest.importorskip("trl", reason="TRL is not installed here: `make interop`")
FOLDER = data_path("models", "pocket-sft")
WORLD = PocketWorld()
PROMPTS = WORLD.prompts(8, seed=2, split="test")


@torch.no_grad()
def check_saved(trainer, folder) -> None:
    """What a trainer saved: logits as of its own model, an answer that ends, weights that have moved."""
    trainer.save_model(str(folder))
    policy, before = load_policy(str(folder), device="cpu"), load_policy(str(FOLDER), device="cpu")
    ids, mask = policy.encode(PROMPTS[:1])
    ours, start = policy.model(ids, mask), before.model(ids, mask)
    theirs = trainer.model.eval()(input_ids=ids, attention_mask=mask.long()).logits
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours - start).abs().max() > 1e-3
    assert policy.sample(PROMPTS * 4, seed=0).finished.float().mean() > 0.5


def rows_of(path):
    """One of our files, read by `datasets` without a word about its columns."""
    return load_dataset("json", data_files=str(path), split="train")


@pytest.mark.parametrize("settings", [{}, {"assistant_only_loss": True}], ids=["plain", "masked"])
def test_sft(tmp_path, settings):
    write_demonstrations(tmp_path / "sft.jsonl", WORLD.demonstrations(32))
    config = trl.SFTConfig(
        **ways.trl_common(str(tmp_path / "run"), learning_rate=1e-3, max_steps=3), **settings
    )
    data = rows_of(tmp_path / "sft.jsonl")
    trainer = trl.SFTTrainer(str(FOLDER), args=config, train_dataset=data)
    trainer.train()
    check_saved(trainer, tmp_path / "saved")


def test_dpo(tmp_path):
    pairs = WORLD.preferences(32, WORLD.annotator())
    write_preferences(tmp_path / "pairs.jsonl", [pair for pair in pairs if not pair.tie])
    config = trl.DPOConfig(
        **ways.trl_common(str(tmp_path / "run"), learning_rate=1e-3, max_steps=3)
    )
    data = rows_of(tmp_path / "pairs.jsonl")
    trainer = trl.DPOTrainer(str(FOLDER), args=config, train_dataset=data)
    trainer.train()
    check_saved(trainer, tmp_path / "saved")


class Recorded(trl.GRPOTrainer):
    """Keeps the batches that it made, and the loss of each update."""

    def __init__(self, *args, **settings) -> None:
        super().__init__(*args, **settings)
        self.batches, self.losses = [], []

    def _compute_loss(self, model, inputs):
        loss = super()._compute_loss(model, inputs)
        self.batches.append({k: v for k, v in inputs.items() if isinstance(v, torch.Tensor)})
        self.losses.append(loss.item())
        return loss


def length_reward(texts: list[str]) -> list[float]:
    """Differs within groups."""
    return [len(text) / 20 for text in texts]


def as_rollout(policy, prompts: list, batch: dict) -> Rollout:
    """TRL's batch of completions as ours: by group, since TRL shuffles the rows."""
    order = sorted(range(len(prompts)), key=lambda row: batch["prompt_ids"][row].tolist())
    batch = {name: x[order] for name, x in batch.items() if x.ndim and len(x) == len(prompts)}
    mask = batch["completion_mask"].float()
    token_ids = torch.cat((batch["prompt_ids"], batch["completion_ids"]), 1)
    attention = torch.cat((batch["prompt_mask"].float(), mask), 1)
    rollout = Rollout(
        prompts=prompts, token_ids=token_ids, attention_mask=attention,
        prompt_length=batch["prompt_ids"].shape[1], completion_mask=mask,
        logp=torch.zeros_like(mask), sampler_logp=torch.zeros_like(mask),
        texts=policy.decode(batch["completion_ids"]), finished=mask.sum(1) < ways.TOKENS,
    )  # fmt: skip
    with torch.no_grad():
        rollout.logp = rollout.sampler_logp = policy.logprobs(rollout)
    return rollout


PLAIN = {
    "grpo": {"kl_coefficient": 0.05},
    "dr_grpo": {"kl_coefficient": 0.05},
    "dapo": {"drop_zero_variance_groups": False, "overlong_penalty": 0.0},
    "gspo": {},
    "cispo": {},
}
"""Presets, without what is no part of TRL's loss."""


def trl_run(folder, prompts: list, settings) -> Recorded:
    """A run of TRL's GRPOTrainer by `settings.as_trl()`, on the prompts in their order."""
    config = trl.GRPOConfig(
        **{**ways.trl_common(str(folder)), **settings.as_trl()}, shuffle_dataset=False, top_k=0
    )
    trainer = Recorded(
        str(FOLDER),
        lambda completions, **_: length_reward([c[0]["content"] for c in completions]),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": ways.messages_of(p)} for p in prompts]),
    )
    trainer.train()
    return trainer


@pytest.mark.parametrize("name", PLAIN)
def test_grpo_steps_have_our_loss(tmp_path, name):
    """Two rounds of two updates each on TRL's own completions: losses to 1e-5."""
    prompts = WORLD.prompts(8, seed=3)
    settings = preset(
        name, steps=2, prompts_per_step=4, samples_per_prompt=4, epochs=2, minibatches=1,
        max_new_tokens=ways.TOKENS, learning_rate=1e-4, **PLAIN[name],
    )  # fmt: skip
    theirs = trl_run(tmp_path / "run", prompts, settings)
    policy = load_policy(str(FOLDER), device="cpu")
    ours = OnlineTrainer(policy, prompts, lambda r: length_reward(r.texts), settings)
    for turn in range(2):
        asked = [p for p in prompts[4 * turn : 4 * turn + 4] for _ in range(4)]
        ours.collect = lambda t=turn, a=asked: as_rollout(policy, a, theirs.batches[2 * t])
        expected = sum(theirs.losses[2 * turn : 2 * turn + 2]) / 2
        assert ours.step()["loss"] == pytest.approx(expected, abs=1e-5), turn
    assert max(map(abs, theirs.losses)) > 1e-3
    if name == "grpo":
        check_saved(theirs, tmp_path / "saved")
