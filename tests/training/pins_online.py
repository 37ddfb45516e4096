"""One step of the online loop against a few lines of `objectives`, for its settings.

Each function takes a `Room` and asserts; `test_pins.py` runs them on the library, `test_mutants.py` on
copies of it in which one line is wrong.
"""

from __future__ import annotations

import functools
import itertools

import torch

from rlhf_lib import objectives
from rlhf_lib.lm import last_token

from .rooms import close, gradients, near, ragged, tiny, weights

PROMPTS = ["hi", "who?", "what is here?", "no!"]
SMALL = {"prompts_per_step": 4, "samples_per_prompt": 3, "max_new_tokens": 5, "steps": 4}


def by_length(rollout):
    """A reward with a spread in most groups."""
    return rollout.lengths + 0.25 * (rollout.completion_ids[:, 0] % 7)


def a_trainer(room, reward=by_length, prompts=PROMPTS, **changes):
    """A trainer with a reference of its own, under GRPO-like settings unless changed."""
    settings = room.settings.OnlineSettings(**{"max_grad_norm": 1e9, **SMALL, **changes})
    policy = tiny()
    extra = {"reference": near(policy, seed=5)}
    if settings.pretraining_coefficient:
        extra["pretraining"] = itertools.repeat(torch.arange(40).view(4, 10) + 10)
    trainer = room.online.OnlineTrainer(policy, prompts, reward, settings, **extra)
    collect = trainer.collect
    trainer.collect = lambda: ragged(collect(), settings.max_new_tokens)
    return trainer


def a_batch(trainer, fresh=False):
    """(rollout, rewards, batch) of one round; not fresh: old log-probabilities off the policy's."""
    rollout = trainer.collect()
    rewards = trainer.score(rollout)
    batch = trainer.prepare(rollout, rewards)
    batch.fresh = fresh
    if not fresh:
        generator = torch.Generator().manual_seed(3)
        noise = 0.3 * torch.randn(batch.old_logp.shape, generator=generator)
        batch.old_logp = (batch.old_logp + noise) * rollout.loss_mask
    return rollout, rewards, batch


def with_forced_tokens(rollout):
    """The rollout with a second token that the policy did not write, in every row that is long enough."""
    own = rollout.loss_mask.clone()
    own[:, 1] = torch.where(rollout.lengths > 2, 0.0, own[:, 1])
    rollout.loss_mask, rollout.sampler_logp = own, rollout.sampler_logp * own
    return rollout


# --- what is drawn


def sampling_takes_its_settings(room):
    trainer = a_trainer(room, temperature=0.7, prompts_per_step=3, max_new_tokens=6)
    drawn, sample = [], trainer.policy.sample

    def record(prompts, *arguments, **named):
        drawn.append((prompts, arguments, named))
        return sample(prompts, *arguments, **named)

    trainer.policy.sample = record
    trainer.collect(), trainer.collect()
    (prompts, arguments, first), (_, _, second) = drawn
    assert arguments == (3, 6, 0.7) and len(set(prompts)) == 3
    assert first["seed"] != second["seed"]
    few = a_trainer(room, prompts=PROMPTS[:2])
    assert few.collect().batch_size == 6


def stale_samplers_are_as_old_as_asked(room):
    trainer = a_trainer(room, staleness=2, learning_rate=0.1)
    seen = []
    for _ in range(4):
        seen.append(weights(trainer.policy))
        trainer.step()
    trainer.collect()
    close(weights(trainer.sampler), seen[2])
    assert not torch.equal(seen[2], seen[3])
    assert [row["ratio_max"] == 1.0 for row in trainer.history.rows] == [True, False, False, False]


def rewards_are_looked_at(room):
    for wrong in (lambda r: r.lengths[:, None], lambda r: 1.0):
        try:
            a_trainer(room, wrong).step()
        except ValueError as error:
            assert "one number for each answer" in str(error)
        else:
            raise AssertionError("a reward of a wrong shape was taken")


# --- advantages


def shaped(trainer, rollout, rewards, beta):
    """Rewards minus beta times the sequence KL, by hand."""
    temperature = trainer.settings.temperature
    with torch.no_grad():
        ref = trainer.reference.logprobs(rollout, temperature=temperature)
        own = trainer.policy.logprobs(rollout, temperature=temperature)
    return rewards - beta * ((own - ref) * rollout.loss_mask).sum(1)


def response_advantages_of(advantage, room):
    changes = {"kl_coefficient": 0.3, "temperature": 0.8, "advantage": advantage}
    trainer = a_trainer(room, **changes)
    rollout, rewards, batch = a_batch(trainer, fresh=True)
    total = shaped(trainer, rollout, rewards, 0.3)
    groups = total.view(4, 3)
    wanted = {
        "none": total,
        "batch": total - total.mean(),
        "rloo": objectives.rloo_advantages(groups).flatten(),
        "group": objectives.group_advantages(groups, "group").flatten(),
        "group_mean": objectives.group_advantages(groups, "none").flatten(),
    }[advantage]
    close(batch.advantages, wanted, 1e-4)
    close(batch.rewards, rewards)
    in_loss = a_trainer(room, **changes, kl_in="loss")
    rollout, rewards, batch = a_batch(in_loss, fresh=True)
    assert abs(batch.advantages.sum() - total.sum()) > 1e-3 or advantage != "none"
    plain = a_trainer(room, **{**changes, "kl_coefficient": 0.0})
    close(batch.advantages, a_batch(plain, fresh=True)[2].advantages)


def whitened_response_advantages(room):
    trainer = a_trainer(room, advantage="batch", whiten_advantages=True)
    _, rewards, batch = a_batch(trainer, fresh=True)
    close(batch.advantages, (rewards - rewards.mean()) / rewards.std(), 1e-4)


def penalties_are_taken_off(room):
    trainer = a_trainer(
        room, advantage="none", overlong_penalty=2.0, missing_end_penalty=0.7, max_new_tokens=8
    )
    rollout, rewards, batch = a_batch(trainer, fresh=True)
    late = ((rollout.lengths - 6) / 2).clamp(0, 1)
    assert late.max() > 0 and not rollout.finished.all() and rollout.finished.any()
    close(batch.advantages, rewards - 2 * late - 0.7 * (~rollout.finished).float())


def token_advantages(room):
    for whiten, kl_in in ((False, "reward"), (True, "reward"), (False, "loss")):
        trainer = a_trainer(
            room, advantage="gae", gamma=0.9, lam=0.7, kl_coefficient=0.3, kl_in=kl_in,
            whiten_advantages=whiten, overlong_penalty=1.0,
        )  # fmt: skip
        rollout = with_forced_tokens(trainer.collect())
        rewards = trainer.score(rollout)
        batch, mask = trainer.prepare(rollout, rewards), rollout.loss_mask
        with torch.no_grad():
            kl = rollout.sampler_logp - trainer.reference.logprobs(rollout)
            values = trainer.value_model.token_scores(rollout)
        written = mask.sum(1)
        placed = -0.3 * kl * mask if kl_in == "reward" else torch.zeros_like(mask)
        late = ((written - 3.75) / 1.25).clamp(0, 1)
        placed[torch.arange(12), last_token(mask)] += rewards - late
        wanted, returns = objectives.gae(placed, values, mask, 0.9, 0.7)
        close(batch.advantages, objectives.whiten(wanted, mask) if whiten else wanted, 1e-4)
        close(batch.returns, returns, 1e-4)
        close(batch.old_values, values)


def rewards_lie_at_the_last_own_token(room):
    mask = torch.tensor([[1.0, 1, 0, 1, 0], [1, 0, 0, 0, 0]])
    placed = room.batch.at_last_token(torch.tensor([5.0, 7.0]), mask)
    assert placed.tolist() == [[0, 0, 0, 5, 0], [7, 0, 0, 0, 0]]


# --- what enters the loss


def groups_without_spread_are_dropped_whole(room):
    rewards = torch.tensor([0.0, 0.5, 1.0, 2.0, 2.0, 2.0, 0.5, 0.5, 0.5 + 2e-7, 0.0, 0.0, 3.0])
    for advantage in ("group", "gae"):
        trainer = a_trainer(
            room, lambda r: rewards, advantage=advantage, drop_zero_variance_groups=True,
            overlong_penalty=1.0,
        )  # fmt: skip
        _, found, batch = a_batch(trainer)
        assert room.batch.kept_rows(batch, trainer.settings).tolist() == [0, 1, 2, 9, 10, 11]
        trainer.settings.drop_zero_variance_groups = False
        assert len(room.batch.kept_rows(batch, trainer.settings)) == 12
        row = trainer.describe(batch.rollout, found, batch)
        assert row["zero_variance_groups"] == 0.5


def a_round_without_spread_has_no_update(room):
    trainer = a_trainer(
        room, lambda r: [1.0] * 12, advantage="group", drop_zero_variance_groups=True,
        overlong_penalty=1.0, weight_decay=0.5,
    )  # fmt: skip
    before = weights(trainer.policy)
    row = trainer.step()
    assert torch.equal(weights(trainer.policy), before)
    assert row["loss"] == row["grad_norm"] == 0.0 and row["zero_variance_groups"] == 1.0
    assert "all have the same reward" in trainer.history.warnings[0]


def truncated_answers_can_be_left_out(room):
    trainer = a_trainer(room, drop_truncated=True)
    rollout, _, batch = a_batch(trainer)
    rollout.loss_mask[0] = 0  # and answers without a token of the policy's own
    kept = room.batch.kept_rows(batch, trainer.settings).tolist()
    assert kept == [i for i in range(1, 12) if rollout.finished[i]]
    trainer.settings.drop_truncated = False
    assert room.batch.kept_rows(batch, trainer.settings).tolist() == list(range(1, 12))


# --- the update


def loss_by_hand(trainer, batch, logp, entropy):
    """The loss of a batch from log-probabilities (B, T), in a few lines of `objectives`."""
    s, mask = trainer.settings, batch.rollout.loss_mask
    old = logp.detach() if batch.fresh else batch.old_logp
    tis = (
        {}
        if s.tis_cap is None
        else {"sampler_logp": batch.rollout.sampler_logp, "tis_cap": s.tis_cap}
    )
    loss, _ = objectives.policy_loss(
        logp, old, batch.advantages, mask, s.algorithm, s.aggregate, s.clip_low, s.clip_high,
        max_length=s.max_new_tokens, **tis,
    )  # fmt: skip
    if s.kl_in == "loss":
        kl = objectives.kl_estimate(logp, batch.ref_logp, s.kl_kind[:2])
        kl = (logp - old).exp() * kl if s.kl_kind == "k3_weighted" else kl
        loss += s.kl_coefficient * objectives.masked_aggregate(kl, mask, s.aggregate, 5)
    return loss - s.entropy_bonus * (entropy * mask).sum() / mask.sum()


def gradient_by_hand(trainer, batch):
    """(loss, gradient) of that, through whole logits of a copy of the policy."""
    policy, s = trainer.policy.copy(), trainer.settings
    logits = policy.completion_logits(batch.rollout).float() / s.temperature
    logp_all = logits.log_softmax(-1)
    logp = logp_all.gather(-1, batch.rollout.completion_ids[..., None])[..., 0]
    entropy = -(logp_all.exp() * logp_all).sum(-1)
    loss = loss_by_hand(trainer, batch, logp * batch.rollout.loss_mask, entropy)
    if s.pretraining_coefficient:
        rows = next(trainer.pretraining)
        next_logits = policy.model(rows[:, :-1]).float().flatten(0, 1)
        nll = torch.nn.functional.cross_entropy(next_logits, rows[:, 1:].flatten())
        loss += s.pretraining_coefficient * nll
    loss.backward()
    return loss.item(), gradients(policy)


UPDATES = {
    "ppo": {},
    "a clip of its own on each side": {"clip_low": 0.1, "clip_high": 0.4},
    "reinforce, fixed": {"algorithm": "reinforce", "aggregate": "fixed"},
    "gspo": {"algorithm": "gspo", "clip_low": 0.05, "clip_high": 0.1},
    "cispo, token": {"algorithm": "cispo", "aggregate": "token", "clip_low": 1.0},
    "temperature": {"temperature": 0.6},
    "tis": {"tis_cap": 1.05, "temperature": 1.3},
    "kl in the loss": {"kl_in": "loss", "kl_coefficient": 0.4, "aggregate": "token"},
    "k2 in the loss": {
        "kl_in": "loss",
        "kl_coefficient": 0.4,
        "kl_kind": "k2",
        "aggregate": "fixed",
    },
    "weighted kl": {"kl_in": "loss", "kl_coefficient": 0.4, "kl_kind": "k3_weighted"},
    "entropy": {"entropy_bonus": 0.3, "temperature": 0.8},
    "ptx": {"pretraining_coefficient": 0.7},
}


def the_gradient_is(name, fresh, micro_batch, room):
    trainer = a_trainer(room, micro_batch=micro_batch, **UPDATES[name])
    _, _, batch = a_batch(trainer, fresh)
    loss, wanted = gradient_by_hand(trainer, batch)
    row = trainer._minibatch(batch)
    close(gradients(trainer.policy), wanted, 1e-5)
    close(row["loss"], loss, 1e-5)
    close(row["grad_norm"], wanted.norm())
    if fresh:
        assert row["ratio_min"] == row["ratio_max"] == 1.0 and row["approx_kl"] == 0.0


def micro_batches_change_nothing(name, room):
    """The gradient in parts of 5 answers is the whole batch's, to a millionth of its largest entry."""
    whole, in_parts = (a_trainer(room, micro_batch=size, **UPDATES[name]) for size in (None, 5))
    for trainer in (whole, in_parts):
        trainer._minibatch(a_batch(trainer)[2])
    wanted = gradients(whole.policy)
    apart = (gradients(in_parts.policy) - wanted).abs().max()
    assert wanted.abs().max() > 0 and apart <= 1e-6 * wanted.abs().max()


def token_rewards_and_values_learn(micro_batch, room):
    trainer = a_trainer(
        room, advantage="gae", aggregate="token", micro_batch=micro_batch, value_warmup=0
    )
    rollout = with_forced_tokens(trainer.collect())
    batch = trainer.prepare(rollout, trainer.score(rollout))
    batch.old_values = batch.old_values + torch.linspace(-0.5, 0.5, 12)[:, None]  # some clipped
    loss, wanted = gradient_by_hand(trainer, batch)
    values = trainer.value_model.token_scores(rollout)
    value = objectives.value_loss(values, batch.old_values, batch.returns, rollout.loss_mask, 0.2)
    value.backward()
    value_gradient = gradients(trainer.value_model)
    row = trainer._minibatch(batch)
    close(gradients(trainer.policy), wanted)
    close(gradients(trainer.value_model), value_gradient)
    close(row["value_loss"], value.item())
    assert value_gradient.norm() > 0
    inside = rollout.loss_mask.bool()
    error = (batch.returns - values.detach())[inside].var() / batch.returns[inside].var()
    close(row["explained_variance"], 1 - error.item(), 1e-4)


def only_the_value_model_learns_at_first(room):
    trainer = a_trainer(room, advantage="gae", value_warmup=2, value_learning_rate=0.01)
    moved = []
    for _ in range(3):
        before = weights(trainer.policy), weights(trainer.value_model)
        row = trainer.step()
        after = weights(trainer.policy), weights(trainer.value_model)
        moved.append([not torch.equal(a, b) for a, b in zip(before, after, strict=True)])
        assert row["grad_norm"] > 0 or not moved[-1][0]
    assert moved == [[False, True], [False, True], [True, True]]


def rates_decay_and_clip_reach_the_weights(room):
    changes = {"learning_rate": 0.02, "weight_decay": 0.1, "max_grad_norm": 0.5, "warmup_steps": 4}
    trainer = a_trainer(room, **changes)
    _, _, batch = a_batch(trainer, fresh=True)
    _, gradient = gradient_by_hand(trainer, batch)
    mine = torch.nn.Parameter(weights(trainer.policy))
    other = torch.optim.AdamW([mine], 0.02 / 4, weight_decay=0.1)
    mine.grad = gradient * min(1.0, 0.5 / gradient.norm().item())
    other.step()
    trainer.update(batch)
    close(weights(trainer.policy), mine.detach(), 1e-4)
    assert gradient.norm() > 0.5


def the_warm_up_ends_at_the_rate(room):
    trainer = a_trainer(room, learning_rate=0.02, warmup_steps=2)
    rates = []
    for _ in range(4):
        trainer.step()
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    close(torch.tensor(rates), torch.tensor([0.01, 0.02, 0.02, 0.02]))


def epochs_and_minibatches_are_as_asked(room):
    trainer = a_trainer(room, epochs=2, minibatches=3, learning_rate=0.01)
    parts, minibatch = [], trainer._minibatch

    def record(batch):
        parts.append((batch.rollout.batch_size, batch.fresh, batch.rewards.sum().item()))
        return minibatch(batch)

    trainer._minibatch = record
    row = trainer.step()
    assert [size for size, _, _ in parts] == [4] * 6
    assert [fresh for _, fresh, _ in parts] == [True] + [False] * 5
    totals = [total for _, _, total in parts]
    close(sum(totals[:3]), sum(totals[3:]))
    assert sorted(totals[:3]) != sorted(totals[3:])  # another order
    assert row["ratio_max"] > 1.0 > row["ratio_min"]


def metrics_are_merged_by_weight(room):
    rows = [
        {"x": 1.0, "ratio_min": 0.5, "ratio_max": 1.5},
        {"x": 4.0, "ratio_min": 0.8, "ratio_max": 2.0},
    ]
    assert room.batch.merged(rows, [2.0, 1.0]) == {"x": 2.0, "ratio_min": 0.5, "ratio_max": 2.0}


# --- what is written down


def the_row_says_what_happened(room):
    trainer = a_trainer(room, temperature=0.7, kl_coefficient=0.2, entropy_bonus=0.1)
    trainer.gold = lambda r: -r.lengths
    rollout, rewards, batch = a_batch(trainer, fresh=True)
    row, mask = trainer.describe(rollout, rewards, batch), rollout.loss_mask
    drift = rewards - shaped(trainer, rollout, rewards, 1.0)
    with torch.no_grad():
        ref = trainer.reference.logprobs(rollout, temperature=0.7)
    k3 = objectives.kl_estimate(rollout.sampler_logp, ref, "k3") * mask
    wanted = {
        "proxy": rewards.mean(), "kl": drift.mean(), "kl_k3": k3.sum(1).mean(),
        "length": rollout.lengths.mean(), "finished": rollout.finished.float().mean(),
        "gold": -rollout.lengths.mean(), "gold_sd": rollout.lengths.std(), "kl_coefficient": 0.2,
    }  # fmt: skip
    for name, number in wanted.items():
        close(row[name], float(number), 1e-4)
    with torch.no_grad():
        _, entropy = trainer.policy.logprobs(rollout, temperature=0.7, with_entropy=True)
    close(trainer.update(batch)["entropy"], ((entropy * mask).sum() / mask.sum()).item(), 1e-4)


def the_coefficient_follows_the_kl(room):
    trainer = a_trainer(room, kl_coefficient=0.2, kl_target=1e-3, kl_horizon=100)
    first, second = trainer.step(), trainer.step()
    error = 0.2 if first["kl"] > 1.2e-3 else -0.2
    assert first["kl_coefficient"] == 0.2 and abs(first["kl"] - 1e-3) > 2e-4
    close(second["kl_coefficient"], 0.2 * (1 + error * 12 / 100))


def the_reference_is_the_one_given_or_the_start(room):
    trainer = a_trainer(room)
    given = near(trainer.policy, seed=5)
    close(weights(trainer.reference), weights(given))
    alone = room.online.OnlineTrainer(
        tiny(), PROMPTS, by_length, room.settings.OnlineSettings(**SMALL)
    )
    alone.step(), alone.step()
    close(weights(alone.reference), weights(tiny()))
    assert not any(p.requires_grad for p in alone.reference.model.parameters())


def samples_hold_the_request_as_a_text(room):
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "who?"}]
    trainer = a_trainer(room, prompts=[messages], steps=1)
    trainer.step()
    assert trainer.history.samples[0]["prompt"] == "who?"
    assert trainer.history.samples[0]["step"] == 0


def runs_that_go_wrong_say_so(room):
    history, look = room.history.History(), room.alarms.look
    for step, norm in enumerate((0.5, 150.0, 150.0, 150.0)):
        history.log(step, kl=1.0, length=2.0, grad_norm=norm, loss=0.1)
        look(history, 1.0)
        assert len(history.warnings) == (step == 3)
    assert "step 3" in history.warnings[0] and "150 times max_grad_norm" in history.warnings[0]
    for step in range(4, 6):
        history.log(step, kl=4.0, length=2.0, grad_norm=0.0, loss=0.0)
        look(history, 1.0)
    assert len(history.warnings) == 3
    assert "4 nats from its reference" in history.warnings[1]
    assert "step 4" in history.warnings[2] and "nothing is learned" in history.warnings[2]
    calm = room.history.History()
    calm.log(0, kl=2.9, length=2.0, grad_norm=0.5, loss=0.0)
    look(calm, 1.0)
    assert calm.warnings == []


def large_rates_for_large_models_are_named(room):
    large = torch.nn.Linear(5000, 5000, bias=False, device="meta")
    for rate, limit in ((1.5e-4, 5e-5), (4e-5, 3e-5)):
        history = room.history.History()
        room.alarms.warn_of_learning_rate(history, large, rate, limit)
        assert "for 25M parameters 2e-05 is usual" in history.warnings[0]
    quiet = room.history.History()
    room.alarms.warn_of_learning_rate(quiet, large, 4e-5)
    room.alarms.warn_of_learning_rate(quiet, torch.nn.Linear(9, 9), 1.0)
    room.alarms.warn_of_learning_rate(quiet, large.requires_grad_(False), 1.0)
    assert quiet.warnings == []


def what_is_no_number_stops(room):
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], 0.1)
    for loss, word in (
        (weight.sum() * float("inf"), "loss"),
        ((weight - 1).abs().sqrt().sum(), "gradient"),
    ):
        try:
            room.guards.optimizer_step(loss, optimizer, 1.0, "step 0")
        except room.guards.NonFiniteError as error:
            assert f"the {word} of step 0 is not finite" in str(error)
        else:
            raise AssertionError(f"a {word} that is no number was applied")
        assert weight.item() == 1.0


def contradictions_are_refused(room):
    for wrong in (
        {"advantage": "batch", "prompts_per_step": 1, "samples_per_prompt": 1},
        {"advantage": "rloo", "samples_per_prompt": 1},
        {"advantage": "none", "samples_per_prompt": 1, "drop_zero_variance_groups": True},
        {"minibatches": 65},
        {"kl_target": 1.0},
        {"kl_target": 1.0, "kl_coefficient": 0.1, "kl_horizon": 12.0},
        {"algorithm": "nope"}, {"aggregate": "x"}, {"kl_kind": "k9"}, {"kl_in": "data"},
        {"clip_low": 7.0}, {"clip_high": -0.1}, {"lam": 3.0}, {"gamma": -0.1}, {"tis_cap": -1.0},
        {"staleness": 1.5}, {"staleness": -1}, {"value_clip": 0.0}, {"micro_batch": 0},
        {"weight_decay": -0.1}, {"entropy_bonus": -1.0}, {"temperature": 0.0}, {"steps": "3"},
        {"missing_end_penalty": -1.0}, {"value_warmup": -1}, {"kl_horizon": 0.0},
    ):  # fmt: skip
        try:
            room.settings.OnlineSettings(**wrong)
        except ValueError as error:
            assert any(name in str(error) for name in wrong), (wrong, error)
        else:
            raise AssertionError(f"{wrong} was taken")
    room.settings.OnlineSettings(kl_target=1.0, kl_coefficient=0.1, kl_horizon=13.0)
    lone = {"advantage": "batch", "samples_per_prompt": 1, "prompts_per_step": 2}
    for prompts in ([], ["hi"]):
        try:
            a_trainer(room, prompts=prompts, **lone)
        except ValueError as error:
            assert "prompts must hold" in str(error)
        else:
            raise AssertionError(f"{len(prompts)} prompts were taken")


def rates_follow_the_size(room):
    settings = room.settings
    assert settings.preset("grpo", size="135M").learning_rate == 2e-5
    assert settings.preset("grpo", size=7e9).learning_rate == 1e-6
    assert settings.preset("grpo", size="1.7B", learning_rate=0.5).learning_rate == 0.5
    assert settings.preset("grpo", size="1.7B").learning_rate == 3e-6
    assert settings.preset("grpo").learning_rate == settings.preset("grpo", size="1M").learning_rate
    for wrong in ("huge", "", 0):
        try:
            settings.preset("grpo", size=wrong)
        except ValueError as error:
            assert "size must be a number of parameters" in str(error)
        else:
            raise AssertionError(f"size {wrong!r} was taken")


PINS = {
    pin.__name__: pin
    for pin in (
        sampling_takes_its_settings,
        stale_samplers_are_as_old_as_asked,
        rewards_are_looked_at,
        whitened_response_advantages,
        penalties_are_taken_off,
        token_advantages,
        rewards_lie_at_the_last_own_token,
        groups_without_spread_are_dropped_whole,
        a_round_without_spread_has_no_update,
        truncated_answers_can_be_left_out,
        only_the_value_model_learns_at_first,
        rates_decay_and_clip_reach_the_weights,
        the_warm_up_ends_at_the_rate,
        epochs_and_minibatches_are_as_asked,
        metrics_are_merged_by_weight,
        the_row_says_what_happened,
        the_coefficient_follows_the_kl,
        the_reference_is_the_one_given_or_the_start,
        samples_hold_the_request_as_a_text,
        runs_that_go_wrong_say_so,
        large_rates_for_large_models_are_named,
        what_is_no_number_stops,
        contradictions_are_refused,
        rates_follow_the_size,
    )
}
for _advantage in ("none", "batch", "rloo", "group", "group_mean"):
    PINS[f"advantages: {_advantage}"] = functools.partial(response_advantages_of, _advantage)
for _name in UPDATES:
    for _fresh, _micro in ((False, None), (False, 5), (True, None)):
        _label = f"gradient: {_name}{', fresh' * _fresh}{', micro-batches' * bool(_micro)}"
        PINS[_label] = functools.partial(the_gradient_is, _name, _fresh, _micro)
for _name in UPDATES:
    PINS[f"micro-batches: {_name}"] = functools.partial(micro_batches_change_nothing, _name)
for _micro in (None, 5):
    PINS[f"gradient: gae, micro_batch {_micro}"] = functools.partial(
        token_rewards_and_values_learn, _micro
    )
