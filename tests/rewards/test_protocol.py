"""The reward protocol: what a reward may give back, and what is refused with a sentence."""

import numpy as np
import pytest
import torch

from rlhf_lib.rewards import NonFiniteError, TextReward, WeightedReward, as_rewards, score


@pytest.fixture
def rollout(tiny):
    rows = [{"prompt": "hi", "answer": "4"}, {"prompt": "who?", "answer": "5"}]
    answers = tiny.encode_completions(["hi", "who?"], ["yes.", "an owl."])
    answers.prompts = rows
    return answers


@pytest.mark.parametrize(
    "given",
    [
        [1, 2],
        (1.0, 2.0),
        np.array([1.0, 2.0], dtype=np.float16),
        torch.tensor([1, 2]),
        torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True),
        [torch.tensor(1.0), torch.tensor(2.0)],
    ],
)
def test_numbers_of_any_kind_are_taken(given, rollout):
    rewards = score(lambda r: given, rollout)
    assert rewards.dtype == torch.float32 and not rewards.requires_grad
    assert rewards.device == rollout.token_ids.device
    assert rewards.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.ones(2, 1), r"shape \(2,\); got shape \(2, 1\): take \[:, 0\]"),
        (torch.ones(1, 2), r"got shape \(1, 2\)"),
        (torch.tensor(1.0), r"got shape \(\)"),
        (3.0, r"got shape \(\)"),
        ([1.0], r"got shape \(1,\)"),
        (torch.ones(3), r"got shape \(3,\)"),
        (["good", "bad"], "numbers; got list"),
        ([1.0, None], "numbers; got list"),
        (None, "numbers; got NoneType"),
        (torch.ones(2, dtype=torch.complex64), "real numbers"),
    ],
)
def test_anything_else_is_refused_by_name(given, message, rollout):
    def my_reward(rollout):
        return given

    with pytest.raises(ValueError, match="my_reward must give .*" + message):
        score(my_reward, rollout)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_a_reward_that_is_no_number_names_the_answer(wrong, rollout):
    with pytest.raises(NonFiniteError, match="answer 1 of 2.*the texts it was given"):
        score(lambda r: [0.0, wrong], rollout)


def test_weighted_rewards_are_each_looked_at(rollout):
    both = WeightedReward([lambda r: [1, 2], lambda r: np.array([10.0, 20.0])], [2.0, 0.5])
    assert score(both, rollout).tolist() == [7.0, 14.0]
    assert score(WeightedReward([lambda r: [1, 2]] * 2), rollout).tolist() == [2.0, 4.0]
    with pytest.raises(ValueError, match=r"got shape \(2, 1\)"):
        score(WeightedReward([lambda r: [1, 2], lambda r: torch.ones(2, 1)]), rollout)
    for wrong in (([], None), ([len], [1.0, 2.0])):
        with pytest.raises(ValueError, match="weights as many numbers"):
            WeightedReward(*wrong)


def test_a_function_of_texts_gets_the_columns_it_asks_for(rollout):
    seen = {}

    def positional(questions, answers, answer):
        seen["positional"] = (questions, answers, answer)
        return [0.0, 1.0]

    def trl_like(completions, answer, **columns):
        seen["trl"] = (completions, answer, columns)
        return [float(text.startswith("yes")) for text in completions]

    assert score(TextReward(positional), rollout).tolist() == [0.0, 1.0]
    assert seen["positional"] == (["hi", "who?"], ["yes.", "an owl."], ["4", "5"])
    assert score(TextReward(trl_like), rollout).tolist() == [1.0, 0.0]
    assert seen["trl"][:2] == (["yes.", "an owl."], ["4", "5"])
    assert seen["trl"][2] == {"prompts": ["hi", "who?"]}


def test_a_function_of_texts_reads_objects_and_names_a_missing_column(tiny, world):
    prompts = world.prompts(2)
    answers = tiny.encode_completions(prompts, ["yes.", "no."])

    def kinds(prompts, completions, kind):
        return [float(len(k)) for k in kind]

    assert score(TextReward(kinds), answers).tolist() == [float(len(p.kind)) for p in prompts]
    with pytest.raises(ValueError, match="column 'solution', which the prompt has not"):
        score(TextReward(lambda prompts, completions, solution: [0, 0]), answers)


def test_the_message_has_the_name_of_the_reward():
    with pytest.raises(ValueError, match="the gold reward must give one number"):
        as_rewards([1.0], 2, "cpu", "the gold reward")
