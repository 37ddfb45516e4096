"""Direct alignment: the losses get what they ask for; the reference is asked once; runs stop well."""

import math
from dataclasses import replace

import pytest
import torch

from rlhf_lib.lm import encode_answers, score_answers
from rlhf_lib.objectives import (
    apo_down_loss,
    apo_zero_loss,
    dpo_loss,
    ipo_loss,
    kto_loss,
    orpo_loss,
    rebel_loss,
    simpo_loss,
)
from rlhf_lib.rewards import RewardModel
from rlhf_lib.training import (
    LOSSES,
    DirectSettings,
    DirectTrainer,
    OnlineDirectSettings,
    PairLogps,
    RefreshedJudge,
    annotator_judge,
    describe_pairs,
    direct_loss,
    reward_judge,
    train_direct,
    train_online_direct,
)
from rlhf_lib.training.online_direct import drawn_answers
from rlhf_lib.world import Preference

PAIRS = [
    Preference("hi", "yes. yes.", "no.", likert=2),
    Preference("who?", "a hen.", "no. an owl."),
]
MANY = PAIRS * 20
FAST = dict(learning_rate=3e-3, batch_size=8, warmup_steps=2)


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


BATCH = PairLogps(
    chosen=numbers(-4.0, -3.0), rejected=numbers(-6.0, -2.0),
    ref_chosen=numbers(-5.0, -3.5), ref_rejected=numbers(-5.5, -2.5),
    chosen_length=numbers(4, 2), rejected_length=numbers(3, 4),
    gaps=numbers(1.0, 0.5), kl=torch.tensor(0.2, dtype=torch.float64),
)  # fmt: skip
SUMS = (BATCH.chosen, BATCH.rejected, BATCH.ref_chosen, BATCH.ref_rejected)
MEANS = tuple(
    x / n for x, n in zip(SUMS, (BATCH.chosen_length, BATCH.rejected_length) * 2, strict=True)
)
BY_HAND = {
    "dpo": dpo_loss(*SUMS, 0.5),
    "cdpo": dpo_loss(*SUMS, 0.5, 0.1),
    "ipo": ipo_loss(*MEANS, 0.5),
    "apo_zero": apo_zero_loss(*SUMS, 0.5),
    "apo_down": apo_down_loss(*SUMS, 0.5),
    "simpo": simpo_loss(MEANS[0], MEANS[1], 0.5, 0.7),
    "orpo": orpo_loss(MEANS[0], MEANS[1], -MEANS[0], 0.3),
    "rebel": rebel_loss(*SUMS, BATCH.gaps, 2.0),
    "kto": kto_loss(
        torch.cat(SUMS[:2]), torch.cat(SUMS[2:]), torch.tensor([True, True, False, False]),
        0.2, 0.5, 1.5, 0.8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_gets_the_numbers_that_it_asks_for(loss):
    settings = DirectSettings(
        loss=loss, beta=0.5, gamma=0.7, orpo_weight=0.3, desirable_weight=1.5,
        undesirable_weight=0.8,
    )  # fmt: skip
    torch.testing.assert_close(direct_loss(BATCH, settings), BY_HAND[loss])


def test_dpo_of_averages_is_another_loss():
    """The trap of textbook code: beta then means something else for each length."""
    averaged = DirectSettings(beta=0.5, length_average=True)
    torch.testing.assert_close(direct_loss(BATCH, averaged), dpo_loss(*MEANS, 0.5))
    summed = DirectSettings(loss="ipo", beta=0.5, length_average=False)
    torch.testing.assert_close(direct_loss(BATCH, summed), ipo_loss(*SUMS, 0.5))


def test_dpo_with_nll_by_hand():
    """[REG-2]: plus alpha times the mean over pairs of -log pi(chosen) / tokens: (4/4 + 3/2) / 2 = 1.25."""
    settings = DirectSettings(beta=0.5, nll_weight=0.4)
    torch.testing.assert_close(
        direct_loss(BATCH, settings), dpo_loss(*SUMS, 0.5) + 0.4 * torch.tensor(1.25).double()
    )


def test_metrics_by_hand():
    """Log-ratios 1, 0.5 and -0.5, 0.5: rewards at beta 0.5, a margin of 0.75 and 0 (half a hit)."""
    found = describe_pairs(BATCH, 0.5)
    assert found["reward_chosen"] == pytest.approx((0.5 + 0.25) / 2)
    assert found["reward_rejected"] == pytest.approx((-0.25 + 0.25) / 2)
    assert found["margin"] == pytest.approx(0.375) and found["accuracy"] == 0.75
    assert found["kl"] == pytest.approx(-(1 + 0.5 - 0.5 + 0.5) / 4)
    assert (found["logp_chosen"], found["logp_rejected"]) == (-3.5, -4.0)
    without = describe_pairs(replace(BATCH, ref_chosen=None, ref_rejected=None), 0.5)
    assert "kl" not in without
    assert without["margin"] == pytest.approx((-4 / 4 + 6 / 3 - 3 / 2 + 2 / 4) / 2)


def test_the_reference_is_asked_once_and_correctly(tiny):
    other = tiny.copy()
    with torch.no_grad():
        for p in other.model.parameters():
            p.mul_(1.1)
    trainer = DirectTrainer(tiny, DirectSettings(**FAST), reference=other)
    data = trainer.prepare(PAIRS)
    for column, texts in ((0, ["yes. yes.", "a hen."]), (1, ["no.", "no. an owl."])):
        answers = encode_answers(other, ["hi", "who?"], texts)
        torch.testing.assert_close(data.ref[:, column], score_answers(other, answers))
    assert data.gaps.tolist() == [2.0, 1.0] and not data.ref.requires_grad
    before = [p.clone() for p in other.model.parameters()]
    trainer.step(data, [0, 1])
    assert all(torch.equal(a, b) for a, b in zip(before, other.model.parameters(), strict=True))
    assert torch.equal(trainer.logps(data, [1]).ref_chosen, data.ref[1:, 0])


def test_the_first_step_is_at_log_two_with_the_gradient_of_plain_scoring(tiny):
    trainer = DirectTrainer(tiny, DirectSettings())
    data = trainer.prepare(PAIRS)
    loss = direct_loss(trainer.logps(data, [0, 1]), trainer.settings)
    assert loss.item() == pytest.approx(math.log(2), abs=1e-5)
    loss.backward()
    ours = [p.grad.clone() for p in tiny.model.parameters()]
    tiny.model.zero_grad()
    logp = tiny.logprobs(
        tiny.encode_completions(["hi", "who?"] * 2, ["yes. yes.", "a hen.", "no.", "no. an owl."])
    ).sum(1)
    dpo_loss(*logp.split(2), *logp.detach().split(2), 0.1).backward()
    for mine, parameter in zip(ours, tiny.model.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, atol=1e-6, rtol=1e-3)


def test_the_order_of_the_rows_does_not_change_the_loss(tiny):
    trainer = DirectTrainer(tiny, DirectSettings(loss="simpo"))
    data = trainer.prepare(MANY[:6])
    first, second = (
        direct_loss(trainer.logps(data, rows), trainer.settings)
        for rows in ([0, 1, 2, 3, 4, 5], [5, 2, 0, 4, 1, 3])
    )
    torch.testing.assert_close(first, second)
    halves = [direct_loss(trainer.logps(data, r), trainer.settings) for r in ([0, 1, 2], [3, 4, 5])]
    torch.testing.assert_close(first, sum(halves) / 2)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_to_prefer_the_chosen_answers_and_repeats(tiny, loss):
    beta = 2.0 if loss == "simpo" else 0.3
    settings = DirectSettings(loss=loss, beta=beta, epochs=2, orpo_weight=2.0, **FAST)
    ties = [Preference("hi", "no.", "yes. yes.", tie=True)] * 50
    runs = [train_direct(tiny.copy(), MANY + ties, settings, held_out=PAIRS) for _ in range(2)]
    assert runs[0].series("loss") == runs[1].series("loss") and len(runs[0].rows) == 10
    assert runs[0].last("margin") > runs[0].series("margin")[0] + 0.02
    assert runs[0].last("held_out_accuracy") == 1.0
    metrics = ["logp_chosen", "logp_rejected", "grad_norm", "seconds", "held_out_loss"]
    if settings.needs_reference:
        metrics += ["reward_chosen", "reward_rejected", "kl"]
    for metric in metrics:
        assert all(math.isfinite(value) for value in runs[0].series(metric))


def test_losses_without_a_reference_make_no_copy(tiny):
    assert DirectTrainer(tiny, DirectSettings(loss="orpo")).reference is None
    assert DirectTrainer(tiny, DirectSettings(loss="simpo")).prepare(PAIRS).ref is None
    assert DirectTrainer(tiny, DirectSettings(loss="ipo")).reference is not tiny


def test_nll_holds_the_chosen_answers_up(tiny):
    ends = []
    for weight in (0.0, 1.0):
        settings = DirectSettings(nll_weight=weight, epochs=2, **FAST)
        ends.append(train_direct(tiny.copy(), MANY, settings).last("logp_chosen"))
    assert ends[1] > ends[0] + 0.5


def test_ktos_reference_point_is_of_answers_to_other_prompts(tiny):
    trainer = DirectTrainer(tiny, DirectSettings(loss="kto", **FAST))
    data = trainer.prepare(PAIRS)
    trainer.step(data, [0, 1])
    mismatched = encode_answers(tiny, ["hi", "who?"], ["a hen.", "yes. yes."])
    drift = score_answers(tiny, mismatched) - score_answers(trainer.reference, mismatched)
    found = trainer.logps(data, [0, 1]).kl
    torch.testing.assert_close(found, drift.mean().clamp(min=0))


def test_rebel_takes_its_gaps_from_a_reward(tiny):
    def reward(rollout):
        return [len(text) for text in rollout.texts]

    trainer = DirectTrainer(tiny, DirectSettings(loss="rebel"), reward=reward)
    assert trainer.prepare(PAIRS).gaps.tolist() == [9.0 - 3.0, 6.0 - 11.0]


def test_held_out_numbers_come_as_often_as_asked(tiny):
    settings = DirectSettings(**FAST)
    history = train_direct(tiny, MANY, settings, held_out=PAIRS, evaluate_every=2)
    steps = [row["step"] for row in history.rows if "held_out_loss" in row]
    assert steps == [0, 2, 4]


def test_a_reward_that_is_no_number_is_refused_before_anything_is_trained(tiny):
    before = [p.clone() for p in tiny.model.parameters()]
    for reward in (lambda r: torch.full((r.batch_size,), float("nan")), lambda r: torch.ones(1)):
        with pytest.raises(ValueError, match="reward"):
            train_direct(tiny, MANY, DirectSettings(loss="rebel", **FAST), reward=reward)
    assert all(torch.equal(a, b) for a, b in zip(before, tiny.model.parameters(), strict=True))


def test_a_broken_run_says_so_and_keeps_the_last_good_weights(tiny, capsys):
    before = [p.clone() for p in tiny.model.parameters()]
    infinite = [replace(pair, stated_margin=float("inf")) for pair in MANY]
    history = train_direct(tiny, infinite, DirectSettings(loss="rebel", **FAST))
    assert "step 0" in history.stopped and "not finite" in history.stopped
    assert "rebel: stopped early, step 0" in capsys.readouterr().err
    assert all(torch.equal(a, b) for a, b in zip(before, tiny.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"loss": "ppo"}, "loss must be one of"),
        ({"beta": 0.0}, "beta must be positive"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"nll_weight": -1.0}, "nll_weight must be 0 or more"),
        ({"label_smoothing": 0.5}, "label_smoothing must lie in"),
        ({"rounds": 0}, "rounds must be positive"),
        ({"micro_batch": 0}, "micro_batch must be positive"),
        ({"warmup_steps": -1}, "warmup_steps must be 0 or more"),
        ({"weight_decay": -0.1}, "weight_decay must be 0 or more"),
        ({"epochs": "2"}, "epochs must be a number"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"rounds": 3, "loss": "kto", "prompts_per_round": 1}, "prompts_per_round must be 2"),
    ],
)
def test_wrong_settings_are_named(changes, named):
    with pytest.raises(ValueError, match=named):
        (OnlineDirectSettings if "rounds" in changes else DirectSettings)(**changes)


def test_nothing_to_compare_is_refused(tiny):
    with pytest.raises(ValueError, match="not a tie"):
        train_direct(tiny, [Preference("hi", "a", "b", tie=True)])
    with pytest.raises(ValueError, match="prompts must hold"):
        train_online_direct(tiny, [], reward_judge(None))


# --- online


def likes_short(prompts, first, second):
    """A judge for tests: the shorter text wins."""
    return [
        Preference(p, *sorted((a, b), key=len), tie=len(a) == len(b))
        for p, a, b in zip(prompts, first, second, strict=True)
    ]


def short(rollout):
    return -torch.tensor([float(len(text)) for text in rollout.texts])


ONLINE = dict(
    rounds=12, prompts_per_round=32, max_new_tokens=6, beta=0.05, epochs=4, learning_rate=1e-2,
    batch_size=16, warmup_steps=2,
)  # fmt: skip


def test_online_dpo_learns_from_a_judge_and_repeats(tiny):
    settings = OnlineDirectSettings(**ONLINE)
    runs = [
        train_online_direct(tiny.copy(), ["hi", "who?"] * 16, likes_short, settings, gold=short)
        for _ in range(2)
    ]
    gold = runs[0].series("gold")
    assert sum(gold[-3:]) > sum(gold[:3]) + 5
    assert gold == runs[1].series("gold") and len(runs[0].rows) == 12
    assert runs[0].series("kl")[0] == pytest.approx(0, abs=1e-4)
    assert all(kl > 0 for kl in runs[0].series("kl")[3:])


def test_online_updates_see_the_tokens_that_were_drawn(tiny):
    """Random models draw bytes that are no text, and answers without an end."""
    rollout = tiny.sample(["hi", "who is there?"], 2, max_new_tokens=5, seed=1)
    prompts = rollout.prompts
    answers = drawn_answers(tiny, rollout)(prompts, rollout.texts)
    torch.testing.assert_close(
        score_answers(tiny, answers), rollout.logp.sum(1), atol=1e-4, rtol=1e-4
    )
    assert [answer.length for answer in answers] == rollout.lengths.tolist()
    stranger = drawn_answers(tiny, rollout)(["hi"], ["never drawn"])
    assert stranger == encode_answers(tiny, ["hi"], ["never drawn"])


def test_a_judge_that_sees_only_ties_leaves_the_policy_alone(tiny):
    before = [p.clone() for p in tiny.model.parameters()]
    history = train_online_direct(
        tiny, ["hi"] * 4, lambda p, a, b: [Preference("hi", "a", "b", tie=True)],
        OnlineDirectSettings(**{**ONLINE, "rounds": 2}),
    )  # fmt: skip
    assert history.series("pairs") == [0, 0]
    assert all(torch.equal(a, b) for a, b in zip(before, tiny.model.parameters(), strict=True))


def test_the_annotator_judges_by_what_it_perceives(world):
    prompt = world.prompts(1, ("fact",), seed=2)[0]
    good, bad = world.list_answers(prompt, 20)[0], "the weather is nice today."
    judge = annotator_judge(world.annotator(temperature=0.0))
    found = judge([prompt, prompt, prompt], [good, bad, good], [bad, good, good])
    assert [(p.chosen, p.rejected) for p in found] == [
        (good, bad)
    ] * 2  # the same text twice: left out


def test_the_reward_judge_prefers_the_higher_reward(tiny):
    model = RewardModel.from_policy(tiny)
    first, second = ["yes.", "no. no.", "a"], ["a hen.", "yes.", "a"]
    prompts = ["hi"] * 3
    gaps = model.score_texts(prompts, first) - model.score_texts(prompts, second)
    found = reward_judge(model)(prompts, first, second)
    assert [p.chosen == a for p, a in zip(found[:2], first, strict=False)] == (
        gaps[:2] > 0
    ).tolist()
    assert found[2].tie and not found[0].tie


def test_the_refreshed_judge_learns_from_few_labels(world, tiny):
    prompts = world.prompts(30, ("fact",), seed=2)
    good = [world.list_answers(prompt, 20)[0] for prompt in prompts]
    bad = ["the weather is nice today."] * 30
    judge = RefreshedJudge(
        RewardModel.from_policy(tiny), world.annotator(temperature=0.0), 10, learning_rate=3e-3
    )
    for _ in range(8):
        found = judge(prompts, good, bad)
    assert judge.labels == 80 and judge.pairs_judged == 240
    assert sum(p.chosen == g for p, g in zip(found, good, strict=True)) == 30
    frozen = RefreshedJudge(judge.reward_model, world.annotator(), 0)
    frozen(prompts, good, bad)
    assert frozen.labels == 0
    with pytest.raises(ValueError, match="labels_per_round"):
        RefreshedJudge(judge.reward_model, world.annotator(), -1)
    with pytest.raises(ValueError, match="learning_rate"):
        RefreshedJudge(judge.reward_model, world.annotator(), 1, learning_rate=0)
