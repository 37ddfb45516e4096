"""Rejection sampling: what is kept, how it is scored, what it does."""

import pytest
import torch

from rlhf_lib.rewards import RewardModel
from rlhf_lib.training import (
    SELECTIONS,
    RejectionSettings,
    padding_share,
    score_by_length,
    select_answers,
    train_rejection,
)

REWARDS = torch.tensor([[0.3, 0.9, 0.1], [0.8, 0.2, 0.8], [0.0, 0.1, 0.4]])
SMALL = dict(
    rounds=3, prompts_per_round=24, samples_per_prompt=8, max_new_tokens=4, learning_rate=1e-2,
    batch_size=8, epochs=6,
)  # fmt: skip


def low_tokens(rollout):
    """Share of an answer's tokens with small ids."""
    low = (rollout.completion_ids < 150) * rollout.completion_mask
    return low.sum(1) / rollout.lengths


def test_the_best_answer_to_each_prompt_by_hand():
    """[RS-1]: 0.9, the first of two 0.8s, 0.4."""
    assert select_answers(REWARDS, "best_per_prompt") == [(0, 1), (1, 0), (2, 2)]


def test_the_best_answers_of_all_by_hand():
    """[RS-2]: 0.9, 0.8, 0.8 (the earlier first), 0.4: prompts may come twice, or never."""
    assert select_answers(REWARDS, "top_overall", keep=4) == [(0, 1), (1, 0), (1, 2), (2, 2)]
    assert select_answers(REWARDS, "top_overall") == [(0, 1), (1, 0), (1, 2)]
    assert len(select_answers(REWARDS, "top_overall", keep=9)) == 9


def test_the_controls_keep_as_many_and_never_look():
    per_prompt = select_answers(REWARDS, "random_per_prompt", seed=1)
    assert [row for row, _ in per_prompt] == [0, 1, 2]
    overall = select_answers(REWARDS, "random_overall", keep=5, seed=1)
    assert len(set(overall)) == 5
    assert overall == select_answers(-REWARDS, "random_overall", keep=5, seed=1)
    assert per_prompt == select_answers(REWARDS * 0, "random_per_prompt", seed=1)
    draws = {tuple(select_answers(REWARDS, "random_per_prompt", seed=s)) for s in range(50)}
    assert len(draws) > 15


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((REWARDS[0], "best_per_prompt"), "rewards must have shape"),
        ((REWARDS[:0], "best_per_prompt"), "rewards must have shape"),
        ((REWARDS, "best"), "selection must be one of"),
        ((REWARDS, "top_overall", 10), "keep must lie between 1 and 9"),
        ((REWARDS, "top_overall", 0), "keep must lie between"),
    ],
)
def test_wrong_selections_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        select_answers(*arguments)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rounds": 0}, "rounds must be positive"),
        ({"selection": "worst"}, "selection must be one of"),
        ({"keep": 0}, "keep must be positive"),
    ],
)
def test_wrong_settings_are_named(changes, named):
    with pytest.raises(ValueError, match=named):
        RejectionSettings(**changes)


def test_sorting_changes_the_padding_and_not_the_rewards(tiny):
    model = RewardModel.from_policy(tiny)
    rollout = tiny.encode_completions(
        ["hi", "who is there?"] * 8, ["a", "yes. " * 12, "no. " * 6, "an owl."] * 4
    )
    plain = model(rollout).detach()
    for sort in (False, True):
        found = score_by_length(model, rollout, batch_size=4, sort=sort)
        torch.testing.assert_close(found, plain, atol=1e-5, rtol=1e-4)
    assert padding_share(rollout, 4, sort=True) < 0.5 * padding_share(rollout, 4, sort=False)
    with pytest.raises(ValueError, match="batch_size"):
        score_by_length(model, rollout, 0)


def test_padding_share_by_hand(tiny):
    """Two rows of lengths a and b in one batch: the shorter is padded to the longer."""
    rollout = tiny.encode_completions(["hi", "hi"], ["a", "yes. yes. yes."])
    lengths = rollout.attention_mask.sum(1).tolist()
    wanted = 1 - sum(lengths) / (2 * max(lengths))
    assert padding_share(rollout, 2) == pytest.approx(wanted)
    assert padding_share(rollout, 1) == pytest.approx(0)


def test_it_raises_the_reward_beats_its_control_and_repeats(tiny):
    ends = {}
    for selection in ("best_per_prompt", "random_per_prompt", "top_overall", "best_per_prompt"):
        settings = RejectionSettings(selection=selection, **SMALL)
        policy = tiny.copy()
        history = train_rejection(
            policy, ["hi", "who?", "what?"] * 8, low_tokens, settings, gold=low_tokens
        )
        assert history.stopped is None and len(history.rows) == 3
        assert history.series("gold") == history.series("proxy")
        if selection in ends:
            assert history.series("proxy") == ends[selection].series("proxy")
        ends[selection] = history
    best, control = ends["best_per_prompt"], ends["random_per_prompt"]
    assert best.series("proxy_kept")[0] > best.series("proxy")[0] + 0.1
    assert best.last("proxy") > best.series("proxy")[0] + 0.15
    assert best.last("proxy") > control.last("proxy") + 0.1
    assert ends["top_overall"].last("proxy") > control.last("proxy") + 0.05
    assert {row["kept"] for row in best.rows} == {24} and 0 < best.last("distinct") <= 1
    assert best.samples[0]["prompt"] in ("hi", "who?", "what?")


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_overall_selections_keep_what_is_asked(tiny, selection):
    settings = RejectionSettings(selection=selection, keep=5, **{**SMALL, "rounds": 1})
    history = train_rejection(tiny, ["hi", "who?"] * 4, low_tokens, settings)
    assert history.last("kept") == (5 if "overall" in selection else 8)


def test_rewards_that_are_no_numbers_stop_the_run(tiny):
    history = train_rejection(
        tiny, ["hi"], lambda r: torch.full((r.batch_size,), torch.nan), RejectionSettings(**SMALL)
    )
    assert "gave nan for answer 0" in history.stopped and not history.rows


def test_trouble_in_the_fine_tuning_stops_the_rounds(tiny):
    settings = RejectionSettings(**{**SMALL, "learning_rate": 1e30})
    history = train_rejection(tiny, ["hi"] * 4, low_tokens, settings)
    assert history.stopped and len(history.rows) < 3


def test_prompts_are_needed(tiny):
    with pytest.raises(ValueError, match="prompts must hold"):
        train_rejection(tiny, [], low_tokens)
