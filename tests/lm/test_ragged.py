"""Grouping by length and sharing prompts change the time and nothing else."""

import pytest
import torch

from rlhf_lib.lm.ragged import (
    PADDING_ALLOWED,
    completion_states,
    different_rows,
    length_groups,
)

PROMPTS = ["hi", "tell me about an owl, please, and a fox", "is a crow red?"]
TEXTS = ["no", "it is", "an owl eats mice. it says hoot. it is brown.", "yes. a crow", "a", "a fox"]


def rollout_of(policy, prompts_repeated: int):
    """Six answers, to six prompts or several to one."""
    prompts = [
        PROMPTS[i // prompts_repeated % 3] + "!" * (prompts_repeated == 1) * i for i in range(6)
    ]
    return policy.encode_completions(prompts, TEXTS)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("repeated", [1, 3, 6])
def test_states_and_gradients_are_those_of_one_padded_pass(tiny, repeated, before):
    rollout = rollout_of(tiny, repeated)
    assert len(different_rows(rollout.token_ids[:, : rollout.prompt_length])[0]) == 6 // repeated
    padded = tiny.model.hidden_states(rollout.token_ids, rollout.attention_mask)
    start, width = rollout.prompt_length - before, rollout.completion_mask.shape[1]
    real, grads = rollout.completion_mask > 0, []
    wanted, found = padded[:, start : start + width], completion_states(tiny.model, rollout, before)
    torch.testing.assert_close(found[real], wanted[real], atol=1e-5, rtol=1e-4)
    for states in (wanted, found):
        tiny.model.zero_grad()
        states[real].square().sum().backward()
        grads.append([p.grad.clone() for p in tiny.model.model.parameters()])
    for first, second in zip(*grads, strict=True):
        torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-3)


def test_groups_hold_every_row_once_and_lengths_that_are_alike():
    lengths = [3, 500, 4, 3, 9, 0, 200, 4, 4, 4, 4]
    groups = length_groups(lengths, largest=4)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        chosen = [lengths[i] for i in group]
        padding = len(chosen) * max(chosen) - sum(chosen)
        assert len(group) <= 4 and padding <= PADDING_ALLOWED


def test_different_rows_by_hand():
    first, which = different_rows(torch.tensor([[1, 2], [3, 4], [1, 2]]))
    assert first.tolist() == [0, 1] and which.tolist() == [0, 1, 0]


def test_neither_order_nor_neighbours_nor_parts_of_a_batch_change_a_gradient(tiny):
    """With tokens in between that were put in: whole, shuffled, and row by row."""
    rollout = tiny.sample(
        PROMPTS, 4, max_new_tokens=12, seed=0, reply=lambda row, turn: [7, 8, 9], budget=3
    )
    assert (rollout.loss_mask != rollout.completion_mask).any()
    weights, found = torch.arange(1.0, 13.0), []
    shuffled = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    for parts in (
        [torch.arange(12)],
        [shuffled],
        list(torch.arange(12).split(5)),
        shuffled.split(1),
    ):
        tiny.model.zero_grad()
        for part in parts:
            (tiny.logprobs(rollout.select(part)).sum(1) * weights[part]).sum().backward()
        found.append([p.grad.clone() for p in tiny.model.parameters()])
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)
