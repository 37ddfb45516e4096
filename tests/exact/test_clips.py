"""Learning from clips: the preference by hand, judges, what is cut, and a pupil that hears and fits."""

import math

import pytest
import torch

from rlhf_lib.exact.cart import EDGE, Rides, cart_policy, ride
from rlhf_lib.exact.clips import (
    Lessons,
    LessonSettings,
    clip_preference,
    clips_of,
    coin_judge,
    mean_place,
    stand_at,
    wishing_judge,
)


def test_a_preference_by_hand():
    """[OV-1]: totals 3 and 1, so the sigmoid of 2; means 1 and 0.5 would say otherwise."""
    first, second = torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([[0.5, 0.5]])
    assert clip_preference(first, second).item() == pytest.approx(1 / (1 + math.exp(-2)))
    both = clip_preference(first, second) + clip_preference(second, first)
    assert both.item() == pytest.approx(1)


def states(x: float, angle: float = 0.0, count: int = 1) -> torch.Tensor:
    """Clips (count, 20, 4) of a cart at rest."""
    return torch.tensor([x, 0.0, angle, 0.0]).expand(count, 20, 4)


def test_a_judge_takes_what_is_wished_and_a_coin_does_not_care():
    near, far = states(1.0, count=400), states(-1.0, count=400)
    assert wishing_judge(stand_at(1.0))(near, far).mean() > 0.95
    assert wishing_judge(stand_at(-1.0))(near, far).mean() < 0.05
    assert 0.4 < coin_judge()(near, far).mean() < 0.6


def test_an_upright_pole_is_wished_too():
    assert (stand_at(1.0)(states(1.0)) > stand_at(1.0)(states(1.0, angle=0.2))).all()


def test_clips_are_cut_from_what_was_ridden():
    mask = torch.zeros(2, 7)
    mask[0, :7], mask[1, :4] = 1, 1
    rides = Rides(torch.arange(56.0).view(2, 7, 4), torch.zeros(2, 7), mask)
    clips = clips_of(rides, 3)
    assert clips.shape == (3, 3, 4)  # two of the first ride, one of the second
    assert torch.equal(clips[1], rides.states[0, 3:6]) and torch.equal(
        clips[2], rides.states[1, :3]
    )
    with pytest.raises(ValueError, match="length"):
        clips_of(rides, 8)


def test_a_step_is_worth_the_bonus_in_the_mean_and_nothing_after_the_end():
    pupil = Lessons(LessonSettings(rides=4, steps=60))
    rides = pupil.drive()
    rewards = pupil.judged(rides)
    ridden = rides.mask > 0
    assert rewards[ridden].mean().item() == pytest.approx(2.0, abs=1e-3)
    assert rewards[ridden].std().item() == pytest.approx(1.0, abs=1e-3)
    assert not rewards[~ridden].any()


def test_what_is_heard_is_kept_the_right_way_round():
    pupil = Lessons(LessonSettings(rides=4, steps=40))
    first, second = states(1.0, count=2), states(0.0, count=2)
    pupil.hear(first, second, torch.tensor([1.0, 0.0]))
    assert pupil.better[:, 0, 0].tolist() == [1.0, 0.0] and pupil.worse[:, 0, 0].tolist() == [
        0.0,
        1.0,
    ]


def test_a_fit_puts_the_better_clips_higher():
    pupil = Lessons(LessonSettings(rides=4, steps=40, fits=60))
    x = torch.linspace(-EDGE, EDGE, 64)
    clips = torch.zeros(64, 20, 4)
    clips[..., 0] = x[:, None]
    first, second = clips[torch.randperm(64, generator=torch.Generator().manual_seed(0))], clips
    judge = wishing_judge(stand_at(1.0), sharpness=50.0)
    pupil.hear(first, second, judge(first, second))
    first_loss, last_loss = pupil.fit(), pupil.fit()
    with torch.no_grad():
        rewards = pupil.rewards(torch.tensor([[-1.0, 0, 0, 0], [1.0, 0, 0, 0]]))
    assert last_loss < first_loss < math.log(2) and rewards[1] > rewards[0]


def test_a_pupil_is_the_same_each_time():
    def end():
        pupil = Lessons(LessonSettings(rides=4, steps=40, fits=3, seed=3))
        first, second = pupil.show(6)
        pupil.hear(first, second, coin_judge(1)(first, second))
        pupil.fit()
        return pupil.practise(2), pupil.drive().states

    (first_lengths, first_states), (second_lengths, second_states) = end(), end()
    assert first_lengths == second_lengths and torch.equal(first_states, second_states)


def test_the_mean_place_is_that_of_rides_that_last():
    states, mask = torch.zeros(2, 4, 4), torch.ones(2, 4)
    states[0, :, 0], states[1, :, 0], mask[1, 2:] = 1.0, -2.0, 0
    assert mean_place(Rides(states, torch.zeros(2, 4), mask), last=2) == pytest.approx(1.0)
    none = ride(cart_policy(seed=1), rides=2, steps=400)
    assert math.isnan(mean_place(none, last=2)) or none.mask[:, -2:].any()
