"""The trainers on tiny models: they learn, they repeat, they stop well."""

import math

import pytest
import torch

from rlhf_lib.rewards import OutcomeModel, ProcessModel, RewardModel
from rlhf_lib.training import (
    PRESETS,
    History,
    NonFiniteError,
    OnlineSettings,
    OnlineTrainer,
    PretrainSettings,
    RewardModelSettings,
    SFTSettings,
    completion_loss,
    evaluate_pairs,
    held_out_loss,
    preset,
    score_steps,
    train_language_model,
    train_online,
    train_outcome_model,
    train_process_model,
    train_reward_model,
    train_sft,
)
from rlhf_lib.training.batch import at_last_token, overlong, response_advantages
from rlhf_lib.training.guards import check_finite, optimizer_step, run_steps
from rlhf_lib.world import Preference

DEMONSTRATIONS = [("hi", "yes."), ("who?", "an owl."), ("what?", "no no no.")] * 20
PAIRS = [Preference("hi", "yes. yes.", "no."), Preference("who?", "yes.", "no. an owl.")] * 30
SMALL = {
    "steps": 25,
    "prompts_per_step": 8,
    "samples_per_prompt": 4,
    "max_new_tokens": 4,
    "learning_rate": 1e-2,
}


def first_token_is_low(rollout):
    """An easy reward: 1 if the first token is one of the first 150 of 400 ids."""
    return (rollout.completion_ids[:, 0] < 150).float()


def test_the_sft_loss_by_hand(tiny):
    """[SFT-1]: minus the mean log-probability of the completion tokens alone."""
    rollout = tiny.encode_completions(["hi", "who?"], ["yes.", "an owl."])
    logp = tiny.logprobs(rollout)
    tokens = [logp[r, : int(n)] for r, n in enumerate(rollout.lengths)]
    by_hand = -torch.cat(tokens).sum() / sum(len(t) for t in tokens)
    assert completion_loss(tiny, rollout).item() == pytest.approx(by_hand.item(), abs=1e-6)


def test_sft_learns_and_repeats(tiny):
    start = held_out_loss(tiny, DEMONSTRATIONS[:3])
    first, second = tiny.copy(), tiny.copy()
    settings = SFTSettings(epochs=3, batch_size=16, learning_rate=1e-2, warmup_steps=2)
    a = train_sft(first, DEMONSTRATIONS, settings, held_out=DEMONSTRATIONS[:3])
    b = train_sft(second, DEMONSTRATIONS, settings)
    assert a.last("held_out_loss") < start - 1
    assert a.series("loss") == b.series("loss")


def test_pretraining_learns(tiny, world):
    settings = PretrainSettings(
        steps=30, batch_size=8, row_length=32, learning_rate=1e-2, warmup_steps=5
    )
    history = train_language_model(tiny, world.documents(1), settings)
    assert history.last("loss") < history.series("loss")[0] - 1


def test_the_reward_model_learns_ignores_ties_and_repeats(tiny):
    ties = [Preference("hi", "no.", "yes.", tie=True)] * 200
    settings = RewardModelSettings(learning_rate=3e-3, batch_size=10)
    runs = []
    for _ in range(2):
        model = RewardModel.from_policy(tiny)
        runs.append(train_reward_model(model, PAIRS + ties, settings, held_out=PAIRS[:2]))
    assert runs[0].last("held_out_accuracy") == 1.0
    assert runs[0].series("loss") == runs[1].series("loss")
    assert evaluate_pairs(model, PAIRS)["held_out_accuracy"] == 1.0
    scores = model.score_texts([p.prompt for p in PAIRS[:60]] * 2,
                               [p.chosen for p in PAIRS] + [p.rejected for p in PAIRS])  # fmt: skip
    assert abs(scores.mean().item()) < 0.1 and scores.std().item() == pytest.approx(1, abs=0.1)


def test_a_margin_asks_for_larger_gaps(tiny):
    gaps = []
    for weight in (0.0, 2.0):
        model = RewardModel.from_policy(tiny)
        settings = RewardModelSettings(learning_rate=3e-3, batch_size=10, margin_weight=weight)
        train_reward_model(model, PAIRS, settings)
        raw = model.score_texts(["hi", "hi"], ["yes. yes.", "no."]) * model.head.scale
        gaps.append((raw[0] - raw[1]).item())
    assert gaps[1] > gaps[0]


def test_outcome_and_process_models_learn(tiny):
    examples = [("hi", "yes.", 1.0), ("hi", "no.", 0.0)] * 30
    settings = RewardModelSettings(learning_rate=3e-3, batch_size=10, epochs=2)
    assert train_outcome_model(OutcomeModel(tiny), examples, settings).last("accuracy") == 1.0
    steps = [("hi", ["1 + 1 = 2.", "2 + 2 = 5."], [2, 0])] * 40
    model = ProcessModel(tiny)
    assert train_process_model(model, steps, settings).last("accuracy") == 1.0
    first, second = score_steps(model, "hi", ["1 + 1 = 2.", "2 + 2 = 5."]).tolist()
    assert first > 0 > second


@pytest.mark.parametrize("name", PRESETS)
def test_every_algorithm_raises_an_easy_reward(tiny, name):
    changes = {**SMALL, "value_warmup": 1} if name == "ppo" else dict(SMALL)
    history = train_online(
        tiny, ["hi", "who?", "what?"] * 3, first_token_is_low, preset(name, **changes)
    )
    proxy = history.series("proxy")
    assert sum(proxy[-3:]) / 3 > sum(proxy[:2]) / 2 + 0.15
    for metric in ("kl", "kl_k3", "entropy", "length", "clip_fraction", "ratio_max", "grad_norm",
                   "zero_variance_groups", "seconds", "finished"):  # fmt: skip
        assert all(math.isfinite(v) for v in history.series(metric))


def test_the_same_seed_gives_the_same_run(tiny):
    settings = preset("grpo", **{**SMALL, "steps": 3})
    runs = [
        train_online(tiny.copy(), ["hi", "who?"], first_token_is_low, settings).series("loss")
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("place", ["reward", "loss"])
def test_a_kl_penalty_keeps_the_policy_near(tiny, place):
    drift = []
    for beta in (0.0, 1.0):
        changes = {**SMALL, "kl_coefficient": beta, "kl_in": place}
        history = train_online(
            tiny.copy(), ["hi", "who?"], first_token_is_low, preset("rloo", **changes)
        )
        drift.append(sum(history.series("kl_k3")[-3:]))
    assert drift[1] < 0.7 * drift[0]


def test_the_adaptive_coefficient_rises_when_kl_is_above_target(tiny):
    settings = preset("rloo", **SMALL, kl_target=1e-3, kl_coefficient=0.1, kl_horizon=50)
    history = train_online(tiny, ["hi", "who?"], first_token_is_low, settings)
    assert history.last("kl_coefficient") > 0.1


def test_stale_samples_move_the_ratio_and_tis_uses_it(tiny):
    settings = preset("grpo", **{**SMALL, "minibatches": 1, "staleness": 3})
    stale = train_online(tiny.copy(), ["hi", "who?"], first_token_is_low, settings)
    assert stale.series("ratio_max")[0] == pytest.approx(1, abs=1e-4)
    assert stale.last("ratio_max") > 1.01
    settings = preset("grpo", **{**SMALL, "minibatches": 1, "staleness": 3, "tis_cap": 2.0})
    corrected = train_online(tiny.copy(), ["hi", "who?"], first_token_is_low, settings)
    assert corrected.last("ratio_max") == pytest.approx(1, abs=1e-3)


def test_groups_without_a_signal_can_be_dropped(tiny):
    settings = preset("dapo", **{**SMALL, "steps": 2, "overlong_penalty": 0.0})
    history = train_online(tiny, ["hi"], lambda r: torch.ones(r.batch_size), settings)
    assert history.last("zero_variance_groups") == 1.0 and history.stopped is None


def test_advantages_of_responses():
    rewards = torch.tensor([1.0, 3.0, 0.0, 0.0])
    settings = OnlineSettings(samples_per_prompt=2, advantage="rloo")
    assert response_advantages(rewards, settings).tolist() == [-2, 2, 0, 0]
    settings.advantage = "group_mean"
    assert response_advantages(rewards, settings).tolist() == [-1, 1, 0, 0]
    settings.advantage = "batch"
    assert response_advantages(rewards, settings).tolist() == [0, 2, -1, -1]
    settings.advantage = "none"
    assert response_advantages(rewards, settings).tolist() == [1, 3, 0, 0]


def test_rewards_sit_on_the_last_token(tiny):
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert at_last_token(torch.tensor([5.0, 7.0]), mask).tolist() == [[0, 5, 0], [7, 0, 0]]
    rollout = tiny.encode_completions(["hi"], ["yes."])
    assert (
        overlong(rollout, 100).item() == 0 and overlong(rollout, int(rollout.lengths)).item() == 1
    )


def test_nan_rewards_stop_the_run_and_leave_good_weights(tiny):
    calls = []

    def reward(rollout):
        calls.append(1)
        value = float("nan") if len(calls) == 3 else 1.0
        return torch.full((rollout.batch_size,), value)

    history = train_online(tiny, ["hi"], reward, preset("rloo", **SMALL))
    assert len(history.rows) == 2
    assert "step 2" in history.stopped and "reward of batch 2" in history.stopped
    assert all(torch.isfinite(p).all() for p in tiny.model.parameters())


def test_the_stop_button_returns_the_history_so_far(tiny):
    def reward(rollout):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(1)
        return torch.rand(rollout.batch_size)

    seen = []
    history = train_online(tiny, ["hi"], reward, preset("rloo", **SMALL))
    assert len(history.rows) == 2 and "interrupted" in history.stopped


def test_memory_that_runs_out_says_what_to_lower():
    history = History()

    def step(number):
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert "samples_per_prompt" in run_steps([0], step, history).stopped
    with pytest.raises(RuntimeError, match="something else"):
        run_steps([0], lambda _: (_ for _ in ()).throw(RuntimeError("something else")), History())


def test_non_finite_losses_are_not_applied():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], 0.1)
    with pytest.raises(NonFiniteError, match="learning rate"):
        optimizer_step(weight.sum() * float("inf"), optimizer, 1.0, "step 0")
    with pytest.raises(NonFiniteError, match="gradient"):
        optimizer_step((weight - 1).abs().sqrt().sum(), optimizer, 1.0, "step 0")
    assert weight.item() == 1.0
    check_finite(torch.ones(1), "x", "y")


def test_a_trainer_can_be_stepped_by_hand(tiny):
    trainer = OnlineTrainer(tiny, ["hi"], first_token_is_low, preset("rloo", **SMALL))
    rows = [trainer.step() for _ in range(2)]
    assert rows == trainer.history.rows and "gold" not in rows[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: OnlineSettings(kl_coefficient=-0.1),
            "kl_coefficient must be 0 or more.*reward drift",
        ),
        (lambda: OnlineSettings(steps=0), "steps must be positive"),
        (lambda: OnlineSettings(advantage="td"), "advantage must be one of"),
        (lambda: OnlineSettings(kl_in="data"), "kl_in must be"),
        (
            lambda: OnlineSettings(advantage="rloo", samples_per_prompt=1),
            "samples_per_prompt must be 2",
        ),
        (lambda: preset("trpo"), "preset must be one of"),
        (lambda: SFTSettings(learning_rate=0), "learning_rate must be positive"),
        (lambda: PretrainSettings(steps=0), "steps must be positive"),
        (lambda: RewardModelSettings(margin_weight=-1), "margin_weight"),
    ],
)
def test_broken_settings_get_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_empty_data_gets_a_sentence(tiny):
    with pytest.raises(ValueError, match="at least one"):
        train_sft(tiny, [])
    with pytest.raises(ValueError, match="not a tie"):
        train_reward_model(RewardModel.from_policy(tiny), [])
    with pytest.raises(ValueError, match="must not be empty"):
        train_outcome_model(OutcomeModel(tiny), [])
    with pytest.raises(ValueError, match="at least one prompt"):
        train_online(tiny, [], first_token_is_low)
