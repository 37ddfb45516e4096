"""Two masks, and positions that come from them."""

from dataclasses import replace

import pytest
import torch

from rlhf_lib.lm import last_token
from rlhf_lib.training.batch import at_last_token


def masked_in_the_middle(policy):
    """Two answers; tokens 1 to 3 of the first were forced."""
    rollout = policy.encode_completions(["hi", "hello"], ["a fox eats mice. it is red.", "no"])
    own = rollout.completion_mask.clone()
    own[0, 1:4] = 0
    return replace(rollout, loss_mask=own)


def test_all_that_is_there_is_trained_on_unless_said_otherwise(tiny):
    rollout = tiny.sample(["hi", "what?"], max_new_tokens=4, seed=0)
    assert torch.equal(rollout.loss_mask, rollout.completion_mask)
    assert rollout.tokenizer is tiny.tokenizer
    with pytest.raises(ValueError, match="loss_mask and completion_mask"):
        replace(rollout, loss_mask=torch.ones(1, 4))


def test_last_tokens_are_positions_and_no_sums(tiny):
    mask = torch.tensor([[1.0, 0, 0, 1, 0], [1, 1, 0, 0, 0]])
    assert last_token(mask).tolist() == [3, 1]
    assert at_last_token(torch.tensor([5.0, 7.0]), mask).tolist() == [
        [0, 0, 0, 5, 0],
        [0, 7, 0, 0, 0],
    ]
    with pytest.raises(ValueError, match="a row without"):
        last_token(torch.zeros(1, 2))


def test_forced_tokens_stay_in_selected_rows(tiny):
    """Counting own tokens as if they were a position dropped three columns, and moved the reward."""
    rollout = masked_in_the_middle(tiny)
    alone = rollout.select(torch.tensor([0]))
    assert torch.equal(alone.token_ids[0][alone.attention_mask[0] > 0],
                       rollout.token_ids[0][rollout.attention_mask[0] > 0])  # fmt: skip
    assert torch.equal(alone.loss_mask[0], rollout.loss_mask[0])
    assert torch.equal(rollout.to("cpu").loss_mask, rollout.loss_mask)
    assert int(last_token(alone.loss_mask)) == int(rollout.lengths[0]) - 1


@torch.no_grad()
def test_forced_tokens_are_read_but_not_scored(tiny):
    rollout = masked_in_the_middle(tiny)
    everything = replace(rollout, loss_mask=rollout.completion_mask)
    expected = tiny.logprobs(everything) * rollout.loss_mask
    assert torch.equal(tiny.logprobs(rollout), expected)
    assert (expected[0, 1:4] == 0).all() and (expected[0, 4:] != 0).all()
