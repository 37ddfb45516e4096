"""The map of answers: its policy by hand, and displacement that comes and goes as it should."""

import pytest
import torch

from rlhf_lib.exact import AnswerMap, answer_map, follow_pair, near_pairs
from rlhf_lib.exact.displacement import as_pair
from rlhf_lib.training import DirectSettings, direct_loss

TWO = AnswerMap(
    torch.tensor([[1.0, 0.0], [0.0, 0.0]]).double(), torch.tensor([0.5, 0.5]).log().double()
)


def test_the_policy_is_the_reference_tilted_by_the_place():
    found = TWO.policy(torch.tensor([3.0, 5.0]).double().log()).exp()
    assert found.tolist() == pytest.approx([0.75, 0.25])


def test_the_first_step_goes_along_the_arrow_from_rejected_to_chosen():
    answers = answer_map(0.6)
    path = follow_pair(answers, DirectSettings(beta=0.1), steps=1)
    change = (path[1] - path[0])[2:] - (path[1] - path[0])[0]
    east = answers.places[2:, 0] - answers.places[0, 0]
    assert torch.allclose(change, 0.08 * east, atol=1e-6)  # Adam's first step is its learning rate


def test_near_pairs_are_displaced_and_far_pairs_are_not():
    settings = DirectSettings(beta=0.1)
    for distance, rises in ((0.6, False), (3.0, True)):
        path = follow_pair(answer_map(distance), settings)
        change = path[-1] - path[0]
        assert bool(change[0] > 0) is rises and change[0] > change[1]


@pytest.mark.parametrize("remedy", [{"nll_weight": 0.3}, {"loss": "ipo", "beta": 1.0}])
def test_remedies(remedy):
    path = follow_pair(answer_map(0.6), DirectSettings(**({"beta": 0.1} | remedy)))
    assert path[-1, 0] > path[0, 0]


def test_two_answers_cannot_both_fall():
    path = follow_pair(TWO, DirectSettings(beta=0.1))
    assert path[-1, 0] > path[0, 0] and torch.allclose(path.exp().sum(1), torch.ones(41).double())


def test_a_pair_starts_at_log_two_and_kto_gets_the_kl():
    answers = answer_map(1.0)
    pair = as_pair(answers.ref_logp, answers.ref_logp)
    assert direct_loss(pair, DirectSettings()).item() == pytest.approx(0.693147, abs=1e-5)
    assert as_pair(answers.policy(torch.ones(2).double()), answers.ref_logp).kl > 0


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="distance must be positive"):
        answer_map(0.0)
    with pytest.raises(ValueError, match="steps must be 1"):
        follow_pair(TWO, DirectSettings(), steps=0)


def test_near_pairs_share_their_words_and_far_pairs_do_not(world):
    def shared(pairs):
        words = [(set(p.chosen.split()), set(p.rejected.split())) for p in pairs]
        return sum(len(a & b) / len(a | b) for a, b in words) / len(words)

    near, far = near_pairs(world, 40, seed=1), near_pairs(world, 40, seed=1, other="off_topic")
    assert shared(near) > 0.5 > shared(far) and near == near_pairs(world, 40, seed=1)
    assert [p.chosen for p in near][:1] == [p.chosen for p in far][:1]
    gains = [world.gold(p.prompt, p.chosen) - world.gold(p.prompt, p.rejected) for p in near]
    assert min(gains) > 0
