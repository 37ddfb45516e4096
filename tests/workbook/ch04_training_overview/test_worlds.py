"""The cart and the language model as worlds: certain, unless something slips."""

import pytest
import torch

from rlhf_lib.exact.cart import cart_policy, push, ride
from rlhf_lib.exact.episodes import play
from rlhf_lib.workbook.ch04_training_overview.worlds import (
    CartWorld,
    TextWorld,
    all_at_the_end,
    cart_rule,
    whole_answers,
)


@pytest.fixture
def text(world, pocket) -> TextWorld:
    return TextWorld(pocket, world.prompts(3, ("fact",), seed=2, split="test"))


def test_a_certain_cart_moves_by_its_equations():
    played = play(CartWorld(), cart_rule(cart_policy()), 6, 30)
    assert played.log_world.abs().max() == 0
    alive = played.mask[:, 3] > 0
    assert torch.allclose(
        played.states[4][alive], push(played.states[3], played.actions[:, 3])[alive]
    )


def test_a_slipping_cart_has_chance_in_its_world():
    played = play(CartWorld(slip=0.25), cart_rule(cart_policy()), 40, 20)
    slipped = (played.log_world < -1)[played.mask > 0].float().mean()
    assert slipped == pytest.approx(0.25, abs=0.06)


def test_a_text_world_appends_what_was_chosen_and_stops_at_the_end(text):
    played = play(text, text.rule, 6, 30, seed=3)
    assert played.log_world.abs().max() == 0
    for row, state in enumerate(played.states[-1]):
        told = played.actions[row][played.mask[row] > 0].tolist()
        assert list(state[2]) == told
        assert text.policy.end_token not in told[:-1]


def test_points_of_a_text_add_up_to_the_gold_of_the_answer(text, world):
    played = play(text, text.rule, 4, 30, seed=1)
    for row, state in enumerate(played.states[-1]):
        gold = world.gold(state[0], text.text(state))
        assert played.returns()[row].item() == pytest.approx(gold, abs=1e-4)


def test_the_tokens_probabilities_make_the_whole_answers(text, world, pocket):
    played = play(text, text.rule, 3, 40, seed=5)
    rollout = pocket.encode_completions(
        [s[0] for s in played.states[-1]], [text.text(s) for s in played.states[-1]]
    )
    ended = (played.actions == pocket.end_token).any(1)
    again = (pocket.logprobs(rollout) * rollout.completion_mask).sum(1)
    assert ended.any()
    assert torch.allclose(played.log_policy.sum(1)[ended], again.detach()[ended], atol=1e-2)


def test_typos_are_another_worlds(text):
    noisy = TextWorld(text.policy, text.requests, typo=0.5)
    assert play(noisy, noisy.rule, 4, 6).log_world.min() < -0.5


def test_a_whole_answer_is_one_action(text):
    whole = whole_answers(text.policy, text.requests, 5)
    assert whole.mask.shape == (5, 1) and whole.log_policy.max() < 0


def test_all_at_the_end_pays_as_much_as_a_point_a_step():
    rides = ride(cart_policy(), rides=5, steps=40)
    paid = all_at_the_end(rides)
    assert torch.equal(paid.sum(1), rides.steps) and ((paid > 0).sum(1) == 1).all()
