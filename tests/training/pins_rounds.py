"""Rejection sampling and online direct alignment against the same rounds written out by hand."""

from __future__ import annotations

import random

import torch

from rlhf_lib import objectives
from rlhf_lib.rewards import RewardModel
from rlhf_lib.training import SFTSettings, train_sft
from rlhf_lib.world import Preference

from .rooms import close, near, tiny, weights

PROMPTS = ["hi", "who?", "what is here?", "no!"]


def first_token(rollout):
    """A reward as a list, without equal ones in most groups."""
    return (rollout.completion_ids[:, 0] % 11).tolist()


def rejection_is_fine_tuning_on_the_best(room):
    settings = room.rejection.RejectionSettings(
        rounds=2, prompts_per_round=3, samples_per_prompt=3, max_new_tokens=5, temperature=0.7,
        epochs=2.0, batch_size=2, learning_rate=0.02, seed=3,
    )  # fmt: skip
    trained, start, rng = tiny(), tiny(), random.Random(3)
    history = room.rejection.train_rejection(
        trained, PROMPTS, first_token, settings, gold=lambda r: [-x for x in first_token(r)]
    )
    for number in range(2):
        rollout = start.sample(rng.sample(PROMPTS, 3), 3, 5, 0.7, seed=rng.randrange(2**31))
        rewards = first_token(rollout)
        best = [max(range(i, i + 3), key=lambda k: (rewards[k], -k)) for i in (0, 3, 6)]
        rng.randrange(2**31)  # the control's seed
        row, kept = history.rows[number], [rewards[k] for k in best]
        wanted = {
            "proxy": sum(rewards) / 9, "proxy_kept": sum(kept) / 3, "gold": -sum(rewards) / 9,
            "gold_kept": -sum(kept) / 3, "kept": 3.0, "length": rollout.lengths.mean().item(),
        }  # fmt: skip
        for name, value in wanted.items():
            close(row[name], value)
        sft = SFTSettings(2.0, 2, learning_rate=0.02, warmup_steps=2, seed=3 + number)
        train_sft(start, [(rollout.prompts[k], rollout.texts[k]) for k in best], sft)
    close(weights(trained), weights(start), 1e-3)


def the_selections(room):
    rewards = torch.tensor([[1.0, 3.0, 3.0], [4.0, 0.0, 2.0]])
    select = room.rejection.select_answers
    assert select(rewards) == [(0, 1), (1, 0)]
    assert select(rewards, "top_overall", 3) == [(1, 0), (0, 1), (0, 2)]
    assert {row for row, _ in select(rewards, "random_per_prompt", seed=1)} == {0, 1}
    assert len(set(select(rewards, "random_overall", 5, seed=1))) == 5
    settings = room.rejection.RejectionSettings(selection="top_overall", keep=2)
    assert room.rejection.keep_best(None, rewards, settings, seed=0).tolist() == [3, 1]


def one_reward_for_all_is_refused(room):
    for shape in ((), (1,)):
        try:
            room.rejection.train_rejection(tiny(), PROMPTS, lambda r, s=shape: torch.ones(s))
        except ValueError as error:
            assert "one number for each answer" in str(error)
        else:
            raise AssertionError(f"a reward of shape {shape} was taken")


def online_direct_settings(room, **changes):
    return room.online_direct.OnlineDirectSettings(
        rounds=1, prompts_per_round=4, temperature=0.7, max_new_tokens=5, batch_size=4, warmup_steps=4,
        learning_rate=0.02, max_grad_norm=1e9, beta=0.5, seed=3, **changes,
    )  # fmt: skip


def what_is_judged(room):
    shown = {}

    def judge(prompts, first, second):
        shown.update(prompts=prompts, first=first, second=second)
        pairs = [Preference(p, a, b) for p, a, b in zip(prompts, first, second, strict=True)]
        pairs[0] = Preference(prompts[0], first[0], second[0], tie=True)
        pairs[1] = Preference(prompts[1], first[1], first[1])
        return pairs

    settings, start = online_direct_settings(room), tiny()
    rng, again = random.Random(3), random.Random(3)
    rollout, pairs = room.online_direct.draw_and_judge(start, PROMPTS, judge, settings, rng)
    asked = again.sample(PROMPTS, 4)
    drawn = start.sample(asked, 2, 5, 0.7, seed=again.randrange(2**31))
    assert shown["prompts"] == asked and drawn.texts == rollout.texts
    assert shown["first"] == drawn.texts[0::2] and shown["second"] == drawn.texts[1::2]
    assert [pair.prompt for pair in pairs] == asked[2:]


def one_round_of_online_dpo(room):
    def judge(prompts, first, second):
        return [Preference(p, b, a) for p, a, b in zip(prompts, first, second, strict=True)]

    trained, start, rng = tiny(), tiny(), random.Random(3)
    reference = near(start, 0.1)
    history = room.online_direct.train_online_direct(
        trained, PROMPTS, judge, online_direct_settings(room), reference, gold=first_token
    )
    rollout = start.sample(rng.sample(PROMPTS, 4), 2, 5, 0.7, seed=rng.randrange(2**31))
    logp, ref = start.logprobs(rollout).sum(1), reference.logprobs(rollout).sum(1).detach()
    loss = objectives.dpo_loss(logp[1::2], logp[0::2], ref[1::2], ref[0::2], 0.5)
    step = torch.optim.AdamW(start.model.parameters(), 0.02 / 4, weight_decay=0.0)
    loss.backward()
    step.step()
    (row,) = history.rows
    close(row["loss"], loss.item(), 1e-4)
    close(row["kl"], (logp - ref).mean().item(), 1e-4)
    close(row["gold"], sum(first_token(rollout)) / 8)
    off = (weights(trained) - weights(start)).abs() > 1e-4
    assert off.float().mean() < 0.01  # where a gradient is all but 0, its sign is rounding


def judges_prefer_the_higher_reward(room):
    model, texts = RewardModel(tiny()), ["yes.", "an owl is here.", "no. no."]
    scores = model.score_texts(["hi"] * 3, texts).tolist()
    judge = room.online_direct.reward_judge(model)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        (pair,) = judge(["hi"], [texts[i]], [texts[j]])
        best = i if scores[i] > scores[j] else j
        assert pair.chosen == texts[best] and not pair.tie
    (pair,) = judge(["hi"], [texts[0]], [texts[0]])
    assert pair.tie


def the_reference_point_of_kto(room):
    """Mean drift on answers to other prompts, at least 0: of two policies, one is above and one below."""
    first = tiny()
    second, points = near(first, 0.3), []
    pairs = [Preference(p, a, b) for p, a, b in zip(PROMPTS, "abca", "defg", strict=True)]
    others = ["b", "c", "a", "b"]  # the next chosen answer to another prompt, and another text
    for policy, reference in ((first, second), (second, first)):
        settings = room.direct.DirectSettings(loss="kto")
        trainer = room.direct.DirectTrainer(policy, settings, reference)
        rollout = policy.encode_completions(PROMPTS, others)
        drift = (policy.logprobs(rollout) - reference.logprobs(rollout)).sum(1).mean().item()
        found = trainer._reference_point(trainer.prepare(pairs), [0, 1, 2, 3])
        close(found, max(0.0, drift), 1e-4)
        points.append(drift)
    assert min(points) < -1e-3 and max(points) > 1e-3


def averages_as_asked(room):
    settings = room.direct_losses.DirectSettings
    assert settings(loss="dpo", length_average=True).averages
    assert not settings(loss="simpo", length_average=False).averages
    assert settings(loss="simpo").averages and not settings(loss="dpo").averages


PINS = {
    "rejection is fine-tuning on the best": rejection_is_fine_tuning_on_the_best,
    "the selections": the_selections,
    "one reward for all is refused": one_reward_for_all_is_refused,
    "online direct: what is judged": what_is_judged,
    "online direct: one round": one_round_of_online_dpo,
    "online direct: judges": judges_prefer_the_higher_reward,
    "kto: the reference point": the_reference_point_of_kto,
    "averages as asked": averages_as_asked,
}
