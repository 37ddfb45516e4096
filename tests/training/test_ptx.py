"""PPO-ptx: the pretraining term, and forgetting measured by it."""

import itertools
import math

import pytest
import torch

from rlhf_lib.training import (
    OnlineSettings,
    OnlineTrainer,
    document_loss,
    next_token_loss,
    packed_rows,
    preset,
    train_online,
)

SMALL = dict(
    steps=6, prompts_per_step=4, samples_per_prompt=4, max_new_tokens=4, learning_rate=1e-2
)


def first_token_is_low(rollout):
    return (rollout.completion_ids[:, 0] < 150).float()


def stream(tiny, world, seed=0):
    return packed_rows(tiny, world.documents(seed), 4, 16)


def test_the_pretraining_term_by_hand(tiny):
    """[REG-1]: the mean over positions of -log p(next token), first tokens not counted."""
    ids = torch.tensor([[5, 6, 7], [8, 9, 10]])
    logp = tiny.model(ids[:, :-1]).log_softmax(-1)
    by_hand = -(logp[0, 0, 6] + logp[0, 1, 7] + logp[1, 0, 9] + logp[1, 1, 10]) / 4
    torch.testing.assert_close(next_token_loss(tiny, ids), by_hand)


def test_an_untrained_model_forgets_nothing_it_never_knew(tiny, world):
    found = document_loss(tiny, world.documents(1), batches=2, batch_size=4, row_length=16)
    rows = list(itertools.islice(packed_rows(tiny, world.documents(1), 4, 16), 2))
    by_hand = torch.stack([next_token_loss(tiny, row) for row in rows]).mean().item()
    assert found == pytest.approx(by_hand) and found == pytest.approx(math.log(400), abs=0.5)
    with pytest.raises(ValueError, match="documents must fill 2 batches"):
        document_loss(tiny, ["one short text."], batches=2)


def test_the_term_is_added_with_its_coefficient(tiny, world):
    """One step, the same answers: the losses differ by the coefficient times the term."""
    losses = []
    for weight in (0.0, 0.5):
        policy = tiny.copy()
        settings = preset("rloo", **SMALL, pretraining_coefficient=weight)
        trainer = OnlineTrainer(
            policy, ["hi", "who?"], first_token_is_low, settings, pretraining=stream(tiny, world)
        )
        losses.append(trainer.step())
    term = losses[1]["pretraining_loss"]
    assert losses[1]["loss"] - losses[0]["loss"] == pytest.approx(0.5 * term, abs=1e-4)
    assert "pretraining_loss" not in losses[0]


def test_ptx_keeps_what_the_documents_teach(tiny, world):
    ends = []
    for weight in (0.0, 1.0):
        policy = tiny.copy()
        settings = preset("rloo", **SMALL, pretraining_coefficient=weight)
        history = train_online(
            policy, ["hi", "who?"], first_token_is_low, settings, pretraining=stream(tiny, world)
        )
        assert history.stopped is None and len(history.rows) == 6
        ends.append(document_loss(policy, world.documents(9), 2, 4, 16))
    assert ends[1] < ends[0] - 0.3


def test_a_coefficient_needs_a_stream(tiny):
    settings = OnlineSettings(pretraining_coefficient=0.1)
    with pytest.raises(ValueError, match="pretraining_coefficient needs pretraining"):
        train_online(tiny, ["hi"], first_token_is_low, settings)
    with pytest.raises(ValueError, match="pretraining_coefficient must be 0 or more"):
        OnlineSettings(pretraining_coefficient=-0.1)
