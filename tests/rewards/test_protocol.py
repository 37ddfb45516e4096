"""The reward protocol: what a reward may give back, and what is refused with a sentence."""

import random

import numpy as np
import pytest
import torch

from rlhf_lib.rewards import (
    EnsembleReward,
    GoldReward,
    NonFiniteError,
    TextReward,
    VerifiedAnswer,
    WeightedReward,
    as_rewards,
    judge_pairs,
    last_request,
    score,
    score_by_length,
)


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


def test_a_function_of_texts_that_is_not_wrapped_gets_a_sentence(rollout):
    def by_text(prompts, completions):
        return [0.0, 1.0]

    def like_trl(completions, **columns):
        return [0.0, 1.0]

    for reward in (by_text, like_trl):
        with pytest.raises(ValueError, match=f"TextReward.{reward.__name__}"):
            score(reward, rollout)
        assert score(TextReward(reward), rollout).tolist() == [0.0, 1.0]


def test_rewards_are_scored_without_dropout_and_get_their_mode_back(rollout):
    class Noisy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, rollout):
            return self.dropout(torch.ones(rollout.batch_size))

    noisy = Noisy().train()
    assert all(score(noisy, rollout).tolist() == [1.0, 1.0] for _ in range(9))
    assert noisy.training and noisy.dropout.training
    both = EnsembleReward([noisy, lambda r: [3.0, 5.0]])
    assert score(both, rollout).tolist() == [2.0, 3.0]


def test_an_ensemble_names_the_member_that_is_wrong(rollout):
    def head(rollout):
        return torch.ones(2, 1)

    with pytest.raises(ValueError, match="head must give one number for each answer"):
        EnsembleReward([lambda r: [1.0, 2.0], head])(rollout)


def test_batches_by_length_are_looked_at_too(rollout):
    assert score_by_length(lambda r: r.lengths.tolist(), rollout, 1).tolist() == [
        float(n) for n in rollout.lengths
    ]
    with pytest.raises(ValueError, match="one number for each answer"):
        score_by_length(lambda r: 1.0, rollout)


def test_gold_and_verified_answers_need_prompts_of_the_world(tiny, world, rollout):
    for reward in (GoldReward(world), VerifiedAnswer(world)):
        with pytest.raises(ValueError, match="prompts of PocketWorld.*got str 'hi'"):
            score(reward, rollout)
    (prompt,) = world.prompts(1, ("sum",))
    rows = [{"prompt": prompt, "source": "a file"}, prompt]
    answers = tiny.encode_completions(
        rows, [world.answer(prompt, "short", random.Random(0)), "no."]
    )
    assert score(VerifiedAnswer(world), answers).tolist() == [1.0, 0.0]
    assert score(GoldReward(world), answers)[0] > score(GoldReward(world), answers)[1]


@pytest.mark.parametrize(
    ("prompt", "request_"),
    [
        ("who?", "who?"),
        ([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes."},
          {"role": "user", "content": "who?"}], "who?"),
        ({"prompt": [{"role": "user", "content": "who?"}], "answer": "4"}, "who?"),
        ([{"role": "user", "content": [{"type": "text", "text": "who?"}]}], "who?"),
        ([{"role": "system", "content": "be kind"}], "be kind"),
    ],
)  # fmt: skip
def test_the_last_request_of_any_prompt(prompt, request_):
    assert last_request(prompt) == request_


def test_the_judge_is_shown_the_request_as_a_text(tiny):
    shown, real = [], tiny.prompt_ids
    tiny.prompt_ids = lambda prompt: (shown.append(prompt), real(prompt))[1]
    messages = [{"role": "user", "content": "what colour is a fox?"}]
    judge_pairs(tiny, [messages], ["red"], ["blue"])
    assert shown == [
        "what colour is a fox? answer a: red answer b: blue which answer is better, a or b?"
    ]
