"""Which tokens of a demonstration are learned: the usual choice, and two others to compare with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...lm import Policy, Rollout
from ...lm.token_scores import token_scores
from ...training import History, SFTSettings
from ...training.guards import optimizer_step
from ...training.loop import adamw, run_training
from ...training.schedule import linear, set_learning_rate
from ...training.sft import completion_loss, encode_demonstrations, epochs_of_batches

Loss = Callable[[Policy, Rollout], Tensor]


def without_end(policy: Policy, rollout: Rollout) -> Tensor:
    """Mean negative log-likelihood (nats) of the answers' tokens, the end token left out."""
    mask = rollout.loss_mask.clone()
    mask[torch.arange(len(mask)), rollout.lengths.long() - 1] = 0.0
    return -(policy.logprobs(rollout) * mask).sum() / mask.sum()


def whole_text(policy: Policy, rollout: Rollout) -> Tensor:
    """Mean negative log-likelihood (nats) of all tokens but the first: prompt, tags and answer."""
    ids, there = rollout.token_ids, rollout.attention_mask
    states = policy.model.hidden_states(ids, there)[:, :-1].flatten(0, 1)
    logp, _ = token_scores(policy.model, states, ids[:, 1:].flatten())
    mask = (there[:, 1:] * there[:, :-1]).flatten()
    return -(logp * mask).sum() / mask.sum()


def fine_tune(
    policy: Policy,
    shown: Sequence,
    settings: SFTSettings,
    loss_of: Loss = completion_loss,
    look: Callable[[int], dict[str, float]] | None = None,
    places: Sequence[int] = (),
) -> History:
    """Fine-tune `policy` in place by any loss; with `completion_loss` it is `train_sft`.

    look(step): what is measured before the steps in `places` (the number of all steps: at the end).
    """
    batches = list(epochs_of_batches(len(shown), settings))
    optimizer, history = adamw(policy.model, settings), History()

    def do_step(step: int) -> dict[str, float]:
        seen = look(step) if look and step in places else {}
        rate = settings.learning_rate * linear(step, len(batches), settings.warmup_steps)
        set_learning_rate(optimizer, rate)
        policy.model.train()
        loss = loss_of(policy, encode_demonstrations(policy, [shown[i] for i in batches[step]]))
        optimizer_step(loss, optimizer, settings.max_grad_norm, f"step {step}")
        policy.model.eval()
        history.log(step, loss=loss.item(), **seen)
        return history.rows[-1]

    run_training("fine-tuning", len(batches), do_step, history)
    if look and len(batches) in places:
        history.log(len(batches), **look(len(batches)))
    return history
