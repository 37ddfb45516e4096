"""The library on the pretended accelerator: it leaves no tensor behind, and computes what the CPU computes."""

import math

import pytest
import torch

from rlhf_lib.evaluation import best_of_n
from rlhf_lib.exact import exact_world
from rlhf_lib.lm import Decoder, DecoderConfig, Policy, encode_answers, load_policy, score_answers
from rlhf_lib.objectives import policy_loss
from rlhf_lib.rewards import (
    EnsembleReward,
    GoldReward,
    OutcomeModel,
    ProcessModel,
    RewardModel,
    fit_linear_bradley_terry,
    judge_both_orders,
    verify_answer,
)
from rlhf_lib.training import (
    LOSSES,
    PRESETS,
    DirectSettings,
    OnlineDirectSettings,
    PretrainSettings,
    RejectionSettings,
    RewardModelSettings,
    SFTSettings,
    annotator_judge,
    evaluate_pairs,
    held_out_loss,
    packed_rows,
    preset,
    score_steps,
    train_direct,
    train_language_model,
    train_online,
    train_online_direct,
    train_outcome_model,
    train_process_model,
    train_rejection,
    train_reward_model,
    train_sft,
)

from .pretend import DEVICE, pretended

SMALL = dict(steps=2, prompts_per_step=3, samples_per_prompt=2, max_new_tokens=6)
TEXTS = ("a fox is red.", "a fox is blue. it eats mice.", "yes.", "what a great question!")


@pytest.fixture
def make(tokenizer):
    """A random policy on the device of the moment; always the same one."""

    def policy() -> Policy:
        torch.manual_seed(0)
        config = DecoderConfig(
            len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2,
        )  # fmt: skip
        return Policy(Decoder(config), tokenizer)

    return policy


@pytest.fixture
def prompts(world):
    return world.prompts(6, seed=1)


@pytest.fixture
def pairs(world, prompts):
    judge = annotator_judge(world.annotator())
    found = judge(prompts * 2, [TEXTS[0]] * 12, [TEXTS[1 + i % 3] for i in range(12)])
    return [pair for pair in found if not pair.tie]


def on_both(work) -> None:
    """`work()` gives numbers: here and on the pretended device the same, all finite."""
    here = work()
    with pretended():
        there = work()
    assert all(map(math.isfinite, here))
    assert there == pytest.approx(here, rel=1e-3, abs=1e-4)


def numbers(history, *names: str) -> list[float]:
    """Metrics of the first step of a run (later steps magnify the last digit), which went to its end."""
    assert history.stopped is None and len(history.rows) > 0
    row = history.rows[0]
    return [row[name] for name in names]


def test_sampling_and_scoring(make, prompts):
    def work():
        policy = make()
        drawn = policy.sample(prompts, 2, 8, temperature=0.9, top_k=50, top_p=0.95, seed=1)
        scored, entropy = policy.logprobs(drawn, with_entropy=True)
        given = policy.encode_completions(prompts[:4], TEXTS)
        logits = policy.completion_logits(given)
        answers = score_answers(policy, encode_answers(policy, prompts[:4], TEXTS), mean=True)
        found = (drawn.logp, drawn.sampler_logp, scored, entropy, logits.mean(-1), answers)
        assert all(x.device.type == policy.device.type for x in found)
        return [x.mean().item() for x in found]

    on_both(work)


def test_sft_and_pretraining(make, world, prompts):
    def work():
        policy, rows = make(), list(zip(prompts[:4], TEXTS, strict=True))
        run = train_sft(policy, rows, SFTSettings(batch_size=2), held_out=rows)
        few = PretrainSettings(steps=2, batch_size=2, row_length=16)
        early = train_language_model(policy, world.documents(0), few)
        return [*numbers(run, "loss"), *numbers(early, "loss"), held_out_loss(policy, rows)]

    on_both(work)


def test_reward_models(make, pairs):
    def work():
        model = RewardModel.from_policy(make())
        settings = RewardModelSettings(batch_size=4, margin_weight=0.5)
        run = train_reward_model(model, pairs, settings, held_out=pairs)
        features = model.features_of_texts([p.prompt for p in pairs], [p.chosen for p in pairs])
        linear = fit_linear_bradley_terry(features, features.flip(0))
        ensemble = EnsembleReward(
            [model, RewardModel.from_policy(make(), seed=1)], "mean_minus_std"
        )
        scores = ensemble(model.encode([p.prompt for p in pairs], [p.chosen for p in pairs]))
        assert scores.device.type == linear.device.type == model.backbone.device.type
        return [*numbers(run, "loss"), evaluate_pairs(model, pairs)["held_out_loss"]]

    on_both(work)


def test_outcome_and_process_models(make, world):
    sums = world.prompts(4, kinds=("sum",), seed=1)

    def work():
        outcome, process = OutcomeModel.from_policy(make()), ProcessModel.from_policy(make())
        settings = RewardModelSettings(batch_size=2)
        whole = [(prompt, "2 + 3 = 5. so it is 5.", i % 2) for i, prompt in enumerate(sums)]
        steps = [
            (prompt, ["2 + 3 = 5.", "so it is 5."], [2, i % 3]) for i, prompt in enumerate(sums)
        ]
        runs = (
            train_outcome_model(outcome, whole, settings),
            train_process_model(process, steps, settings),
        )
        scored = score_steps(process, sums[0], ["2 + 3 = 5.", "so it is 5."])
        right = verify_answer(world, outcome.encode(sums, ["so it is 5."] * 4))
        return [
            *(x for run in runs for x in numbers(run, "loss")),
            *scored.tolist(),
            *right.tolist(),
        ]

    on_both(work)


def test_a_policy_loss_waits_for_the_device_twice():
    """Once to look at the mask, once to fetch all metrics."""
    with pretended() as seen:
        x = torch.rand(4, 6, device=DEVICE)
        policy_loss(x, x, x, torch.ones_like(x), "ppo", sampler_logp=x, entropy=x)
        assert (seen.waits, seen.copies) == (1, 1)


@pytest.mark.parametrize("loss", LOSSES)
def test_direct_alignment(make, pairs, loss):
    def work():
        settings = DirectSettings(loss=loss, batch_size=4, nll_weight=0.1)
        run = train_direct(make(), pairs, settings, held_out=pairs)
        return numbers(run, "loss", "logp_chosen", "logp_rejected", "grad_norm")

    on_both(work)


ONLINE = {name: {} for name in PRESETS} | {
    "stale samples, weighed": dict(staleness=1, tis_cap=2.0, temperature=0.8),
    "adaptive KL": dict(kl_coefficient=0.1, kl_target=1.0),
    "pretraining mixed in": dict(pretraining_coefficient=0.1),
}


@pytest.mark.parametrize("name", ONLINE)
def test_online_training(make, world, prompts, name):
    def work():
        policy = make()
        reward = RewardModel.from_policy(policy, seed=1)
        settings = preset(name if name in PRESETS else "grpo", **SMALL, **ONLINE[name])
        rows = packed_rows(policy, world.documents(0), 2, 16)
        run = train_online(
            policy, prompts, reward, settings, gold=GoldReward(world),
            pretraining=rows if settings.pretraining_coefficient else None,
        )  # fmt: skip
        return numbers(run, "proxy", "gold", "kl", "length", "entropy", "approx_kl")

    on_both(work)


def test_rejection_sampling_and_online_direct(make, world, prompts):
    def work():
        policy, gold = make(), GoldReward(world)
        few = dict(prompts_per_round=4, max_new_tokens=6, batch_size=4)
        kept = RejectionSettings(rounds=1, samples_per_prompt=3, **few)
        judge, drawn = annotator_judge(world.annotator()), OnlineDirectSettings(rounds=1, **few)
        runs = (
            train_rejection(policy, prompts, gold, kept, gold=gold),
            train_online_direct(policy, prompts, judge, drawn, gold=gold),
        )
        return [x for run in runs for x in numbers(run, "gold", "length")]

    on_both(work)


def test_judges_and_the_exact_world(make, world):
    prompts = world.prompts(2, kinds=("fact",), seed=1)

    def work():
        policy = make()
        chances = judge_both_orders(policy, prompts, [TEXTS[0]] * 2, [TEXTS[1]] * 2)
        exact = exact_world(world, prompts, policy, size=20)
        best = best_of_n(exact.rewards, exact.gold, [2])
        return [*chances.tolist(), *exact.ref_logp.mean(1).tolist(), *best.gold]

    on_both(work)


def test_saved_there_and_loaded_here(make, prompts, tmp_path):
    """Both ways, policies and reward models: the same log-probabilities and rewards."""
    with pretended():
        policy = make()
        model = RewardModel.from_policy(policy, seed=1)
        policy.save(tmp_path / "policy")
        model.save(tmp_path / "reward")
        rollout = policy.encode_completions(prompts[:4], TEXTS)
        expected, rewards = policy.logprobs(rollout).cpu(), model(rollout).cpu()
        again = load_policy(str(tmp_path / "policy"))
        assert again.device.type == DEVICE.type
        assert torch.allclose(again.logprobs(rollout).cpu(), expected, atol=1e-5)
        assert torch.allclose(
            RewardModel.load(str(tmp_path / "reward"))(rollout).cpu(), rewards, atol=1e-5
        )
    here = load_policy(str(tmp_path / "policy"))
    assert here.device.type == "cpu"
    found = here.logprobs(here.encode_completions(prompts[:4], TEXTS))
    assert torch.allclose(found, expected, atol=1e-5)
