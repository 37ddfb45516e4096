"""A run of rounds that was stopped and called again equals the unbroken one, bit for bit."""

import itertools

import pytest
import torch

from rlhf_lib.training import OnlineSettings, RejectionSettings, train_online, train_rejection

from .rooms import tiny, weights

PROMPTS = ["hi", "who?", {"prompt": "what is here?", "answer": "an owl"}, "no!"]
ROUNDS = {"steps": 5, "prompts_per_step": 3, "samples_per_prompt": 2, "max_new_tokens": 4,
          "learning_rate": 0.01, "warmup_steps": 4}  # fmt: skip
EVERYTHING = {"advantage": "gae", "epochs": 2, "kl_coefficient": 0.1, "kl_target": 0.1, "staleness": 2,
              "pretraining_coefficient": 0.1, "value_warmup": 1}  # fmt: skip


class Interrupted:
    """A reward that presses the stop button at its `last` call."""

    def __init__(self, last=None):
        self.calls, self.last = 0, last

    def __call__(self, rollout):
        self.calls += 1
        if self.calls == self.last:
            raise KeyboardInterrupt
        return rollout.completion_ids[:, 0] % 5 + rollout.lengths


def documents():
    return (torch.arange(40).view(4, 10) + start for start in itertools.count(10))


def rounds(changes, folder, last=None):
    policy, settings = tiny(), OnlineSettings(**ROUNDS, **changes)
    stream = documents() if settings.pretraining_coefficient else None
    history = train_online(
        policy, PROMPTS, Interrupted(last), settings, pretraining=stream,
        checkpoint=folder, checkpoint_every=2,
    )  # fmt: skip
    return policy, history


def rejection(changes, folder, last=None):
    policy = tiny()
    settings = RejectionSettings(
        rounds=4,
        prompts_per_round=3,
        samples_per_prompt=2,
        max_new_tokens=4,
        batch_size=2,
        **changes,
    )
    history = train_rejection(policy, PROMPTS, Interrupted(last), settings, checkpoint=folder)
    return policy, history


def numbers(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


@pytest.mark.parametrize(
    ("run", "changes"),
    [(rounds, {}), (rounds, EVERYTHING), (rejection, {}), (rejection, {"selection": "random_overall"})],
    ids=["rloo", "everything", "rejection", "rejection, control"],
)  # fmt: skip
def test_a_stopped_run_goes_on(run, changes, tmp_path, capsys):
    whole, history = run(changes, None)
    _, broken = run(changes, tmp_path, last=4)
    assert "by hand at step 3" in broken.stopped and len(broken.rows) == 3
    assert "stopped early, interrupted by hand at step 3" in capsys.readouterr().err
    resumed, rest = run(changes, tmp_path)
    assert rest.stopped is None and numbers(rest) == numbers(history)
    assert rest.samples == history.samples
    assert torch.equal(weights(resumed), weights(whole))


def test_another_run_is_not_gone_on_with(tmp_path):
    rounds({}, tmp_path, last=4)
    with pytest.raises(ValueError, match="learning_rate = 0.01; this one has learning_rate = 0.02"):
        settings = OnlineSettings(**{**ROUNDS, "learning_rate": 0.02})
        train_online(tiny(), PROMPTS, Interrupted(), settings, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="another prompts"):
        train_online(
            tiny(), PROMPTS[:3], Interrupted(), OnlineSettings(**ROUNDS), checkpoint=tmp_path
        )
