"""Reward models, ensembles, judges and rules."""

import pytest
import torch

from rlhf_lib.rewards import (
    EnsembleReward,
    GoldReward,
    OutcomeModel,
    ProcessModel,
    RewardModel,
    ValueModel,
    combine,
    fit_linear_bradley_terry,
    judge_both_orders,
    judge_pairs,
    last_token,
    verify_answer,
)

PROMPTS, TEXTS = (
    ["what colour is a fox?", "hi", "hi"],
    ["a fox is red. it eats mice.", "no.", "yes. no."],
)


@torch.no_grad()
def test_the_reward_does_not_depend_on_padding_or_neighbours(tiny):
    model = RewardModel.from_policy(tiny)
    together = model.score_texts(PROMPTS, TEXTS)
    alone = torch.cat([model.score_texts([p], [t]) for p, t in zip(PROMPTS, TEXTS, strict=True)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(model.score_texts(PROMPTS, TEXTS, batch_size=2), together, atol=1e-5)


@torch.no_grad()
def test_the_reward_is_read_at_the_last_completion_token(tiny):
    model = RewardModel.from_policy(tiny)
    rollout = model.encode(PROMPTS, TEXTS)
    last = rollout.completion_mask.sum(1).long() - 1
    at_end = model.token_scores(rollout)[torch.arange(3), last]
    assert torch.allclose(model(rollout), at_end, atol=1e-6)
    from_texts = model.head(model.features_of_texts(PROMPTS, TEXTS)).squeeze(-1)
    assert torch.allclose(from_texts, at_end, atol=1e-6)
    assert torch.equal(last_token(rollout.completion_mask), last)
    with pytest.raises(ValueError, match="completion token"):
        last_token(torch.zeros(1, 2))


@torch.no_grad()
def test_standardizing_brings_mean_0_and_deviation_1_and_survives_saving(tiny, tmp_path):
    model = RewardModel.from_policy(tiny)
    model.standardize(model.score_texts(PROMPTS, TEXTS))
    scores = model.score_texts(PROMPTS, TEXTS)
    assert scores.mean().item() == pytest.approx(0, abs=1e-5)
    assert scores.std().item() == pytest.approx(1, abs=1e-4)
    model.save(tmp_path)
    assert torch.allclose(
        RewardModel.load(str(tmp_path)).score_texts(PROMPTS, TEXTS), scores, atol=1e-5
    )


def test_a_policy_is_no_reward_model():
    with pytest.raises(FileNotFoundError, match="no reward model"):
        RewardModel.load("pocket-sft")


def test_training_a_reward_model_leaves_the_policy_alone(tiny):
    model = RewardModel.from_policy(tiny)
    own = {id(p) for p in tiny.model.parameters()}
    assert not own & {id(p) for p in model.parameters()}


@torch.no_grad()
def test_values_do_not_see_the_token_they_value(tiny):
    """V of the state before token t must not change with token t."""
    model = ValueModel(tiny)
    a = model.token_scores(model.encode(["hi"], ["a fox is red."]))
    b = model.token_scores(model.encode(["hi"], ["a fox is big."]))
    same = 3  # a, fox, is
    assert torch.allclose(a[0, :same], b[0, :same], atol=1e-6)


@torch.no_grad()
def test_heads_have_their_shapes(tiny):
    rollout = tiny.encode_completions(PROMPTS, TEXTS)
    T = rollout.completion_mask.shape[1]
    assert OutcomeModel(tiny).token_scores(rollout).shape == (3, T)
    assert ProcessModel(tiny).token_scores(rollout).shape == (3, T, 3)


def test_combinations_by_hand():
    scores = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    assert combine(scores, "mean").tolist() == [2.0, 0.0]
    assert combine(scores, "min").tolist() == [1.0, 0.0]
    assert combine(scores, "mean_minus_std", 0.5).tolist() == pytest.approx([2 - 0.5 * 2**0.5, 0.0])


def test_an_ensemble_scores_rollouts(tiny):
    rollout = tiny.sample(["hi"], max_new_tokens=3, seed=0)
    ensemble = EnsembleReward([lambda r: torch.ones(1), lambda r: 3 * torch.ones(1)], "mean")
    assert ensemble(rollout).tolist() == [2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EnsembleReward([]), "at least one"),
        (lambda: combine(torch.ones(2, 2), "max"), "how must be one of"),
        (lambda: combine(torch.ones(2, 2), k=-1), "k must be 0 or more"),
        (lambda: combine(torch.ones(1, 2), "mean_minus_std"), "at least 2"),
        (
            lambda: fit_linear_bradley_terry(torch.ones(2, 3), torch.ones(2, 2)),
            "must both have shape",
        ),
        (lambda: fit_linear_bradley_terry(torch.ones(2, 3), torch.ones(2, 3), l2=0), "l2"),
    ],
)
def test_broken_inputs_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_linear_fit_finds_the_maximum():
    """[RM-1] on features: the gradient of the penalised likelihood vanishes."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 200, 4, generator=generator, dtype=torch.float64)
    a[:, 0] += 0.5
    weights = fit_linear_bradley_terry(a, b, l2=0.7).requires_grad_()
    loss = -torch.nn.functional.logsigmoid((a - b) @ weights).sum() + 0.35 * weights.square().sum()
    loss.backward()
    assert weights.grad.abs().max() < 1e-6 and weights[0] > 0


def test_gold_and_verifier(pocket, world):
    prompt = world.prompts(1, kinds=("sum",))[0]
    right, wrong = f"{prompt.steps[0]}.", "the answer is 99."
    rollout = pocket.encode_completions([prompt, prompt], [right, wrong])
    assert GoldReward(world)(rollout).tolist() == pytest.approx([1.0, -1.0])
    assert verify_answer(world, rollout).tolist() == [1.0, 0.0]


def test_judging_in_both_orders_is_fair(pocket):
    prompts, a, b = ["what colour is a fox?"], ["a fox is red."], ["my shoes are new."]
    p = judge_both_orders(pocket, prompts, a, b)
    assert torch.allclose(p, 1 - judge_both_orders(pocket, prompts, b, a), atol=1e-5)
    assert 0 < judge_pairs(pocket, prompts, a, b).item() < 1
    with pytest.raises(ValueError, match="one length"):
        judge_pairs(pocket, prompts, a, [])
