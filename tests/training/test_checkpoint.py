"""Runs that survive: killed at any step and resumed, a run equals the unbroken one bit for bit."""

import json
import random
import signal
import subprocess
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlhf_lib.lm import Decoder, DecoderConfig, Policy, load_policy
from rlhf_lib.objectives import AdaptiveKL
from rlhf_lib.rewards import RewardModel
from rlhf_lib.training import (
    DirectSettings,
    History,
    OnlineDirectSettings,
    PretrainSettings,
    RewardModelSettings,
    SFTSettings,
    packed_rows,
    preset,
    train_direct,
    train_language_model,
    train_online,
    train_online_direct,
    train_reward_model,
    train_sft,
)
from rlhf_lib.training import checkpoint as checkpoints
from rlhf_lib.training.checkpoint import Checkpoint, CountedStream, digest_of_weights, is_complete
from rlhf_lib.world import Preference

DEMONSTRATIONS = [("hi", "yes."), ("who?", "an owl."), ("what?", "no no no.")] * 8
PAIRS = [Preference("hi", "yes. yes.", "no."), Preference("who?", "a hen.", "no. an owl.")] * 12
SETTINGS = SFTSettings(batch_size=4, learning_rate=1e-2, warmup_steps=2)


def small(tokenizer, seed=0):
    """A policy of one thin layer, always the same for a seed."""
    torch.manual_seed(seed)
    config = DecoderConfig(
        len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    return Policy(Decoder(config), tokenizer, device="cpu")


def short(rollout):
    """A reward."""
    return [-float(len(text)) for text in rollout.texts]


def likes_short(prompts, first, second):
    """A judge."""
    rows = zip(prompts, first, second, strict=True)
    return [Preference(p, *sorted((a, b), key=len), tie=len(a) == len(b)) for p, a, b in rows]


def sft(policy, **kept):
    return train_sft(policy, DEMONSTRATIONS, SETTINGS, **kept)


def direct(policy, **kept):
    settings = DirectSettings(batch_size=4, learning_rate=1e-2, warmup_steps=2)
    return train_direct(policy, PAIRS, settings, held_out=PAIRS[:2], **kept)


def pretrain(policy, **kept):
    documents = (f"the fox is red. it eats {i} hens." for i in range(10_000))
    settings = PretrainSettings(steps=6, batch_size=2, row_length=16, warmup_steps=2)
    return train_language_model(policy, documents, settings, **kept)


def reward_model(policy, **kept):
    model = RewardModel(policy)
    history = train_reward_model(model, PAIRS, RewardModelSettings(batch_size=4), **kept)
    policy.model = model  # so that the caller compares all of its weights
    return history


def online_direct(policy, **kept):
    settings = OnlineDirectSettings(rounds=6, prompts_per_round=2, max_new_tokens=4)
    return train_online_direct(policy, ["hi", "who?", "what?"], likes_short, settings, **kept)


def online(policy, **kept):
    """PPO: with a value model, a KL that is steered, and weights of the rounds before."""
    settings = preset(
        "ppo", steps=6, prompts_per_step=2, samples_per_prompt=2, max_new_tokens=4, value_warmup=1,
        kl_coefficient=0.1, kl_target=0.5, kl_horizon=50.0, staleness=1, learning_rate=1e-2,
    )  # fmt: skip
    return train_online(policy, ["hi", "who?", "what?"], short, settings, **kept)


RUNS = {
    "online": online,
    "sft": sft, "direct": direct, "pretrain": pretrain, "reward_model": reward_model,
    "online_direct": online_direct,
}  # fmt: skip


def without_seconds(history):
    """All rows but their clock."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


class Killed(BaseException):
    """Stands for `kill -9` within one process: nothing of the library catches it."""


def kill_at(monkeypatch, step):
    """From now on a run ends, without a word, before it writes down its row number `step`."""
    log = History.log

    def dying(self, number, **metrics):
        if number == step:
            raise Killed
        log(self, number, **metrics)

    monkeypatch.setattr(History, "log", dying)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("step", [1, 5])
def test_a_run_that_was_cut_off_goes_on_as_if_nothing_had_happened(
    tokenizer, tmp_path, monkeypatch, name, step
):
    whole = small(tokenizer)
    expected = RUNS[name](whole)
    kept = {"checkpoint": tmp_path / "run", "checkpoint_every": 2}
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(Killed):
            RUNS[name](small(tokenizer), **kept)
    torch.manual_seed(99), random.seed(99)
    resumed = small(tokenizer)
    history = RUNS[name](resumed, **kept)
    assert without_seconds(history) == without_seconds(expected) and len(history.rows) == 6
    assert digest_of_weights(resumed.model) == digest_of_weights(whole.model)
    again = small(tokenizer)
    assert RUNS[name](again, **kept).rows == history.rows  # finished: nothing is trained any more
    assert digest_of_weights(again.model) == digest_of_weights(whole.model)
    rows = History.from_json(tmp_path / "run" / "history.jsonl").rows
    assert [row["loss"] for row in rows] == history.series("loss")


KILLED = """
import sys
from tests.training import test_checkpoint as runs
from rlhf_lib.lm import load_policy
policy = load_policy(sys.argv[2])
history = runs.RUNS[sys.argv[1]](policy, checkpoint=sys.argv[3], checkpoint_every=2)
policy.save(sys.argv[4])
history.to_json(sys.argv[4] + "/history.json")
"""


def in_a_process(name, policy, run, out, lines_before_kill=None):
    """The run in a process of its own, killed with SIGKILL once it has written that many rows."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, name, policy, run, out])
    if lines_before_kill is None:
        assert process.wait(timeout=600) == 0
        return
    rows = Path(run) / "history.jsonl"
    while process.poll() is None:
        if rows.exists() and rows.read_text(encoding="utf-8").count("\n") >= lines_before_kill:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL is of POSIX systems")
@pytest.mark.parametrize("name", ["sft", "direct", "online"])
def test_kill_9(tokenizer, tmp_path, name):
    small(tokenizer).save(tmp_path / "policy")
    whole = load_policy(str(tmp_path / "policy"))
    expected = RUNS[name](whole)
    run = [str(tmp_path / folder) for folder in ("policy", "run", "out")]
    in_a_process(name, *run, lines_before_kill=random.randrange(1, 6))
    in_a_process(name, *run)
    history = History.from_json(tmp_path / "out" / "history.json")
    assert without_seconds(history) == without_seconds(expected)
    weights = digest_of_weights(load_policy(str(tmp_path / "out")).model)
    assert weights == digest_of_weights(whole.model)


def test_the_original_reference_comes_back(tokenizer, tmp_path, monkeypatch):
    """A cell that is run again after the stop button hands over a policy that has moved already."""
    whole, policy = small(tokenizer), small(tokenizer)
    expected = direct(whole)
    with monkeypatch.context() as patch:
        kill_at(patch, 5)
        with pytest.raises(Killed):
            direct(policy, checkpoint=tmp_path, checkpoint_every=2)
    history = direct(policy, checkpoint=tmp_path, checkpoint_every=2)
    assert without_seconds(history) == without_seconds(expected)


@pytest.mark.parametrize("broken", ["tensors.safetensors", "state.json", "complete.json"])
@pytest.mark.parametrize("left", [0, 20])
def test_half_a_checkpoint_is_never_loaded(tokenizer, tmp_path, broken, left):
    whole = small(tokenizer)
    sft(whole, checkpoint=tmp_path, checkpoint_every=2)
    earlier, last = sorted(tmp_path.glob("step-*"))
    file = last / broken
    file.write_bytes(file.read_bytes()[:left])
    assert is_complete(earlier) and not is_complete(last)
    resumed = small(tokenizer)
    sft(resumed, checkpoint=tmp_path, checkpoint_every=2)
    assert digest_of_weights(resumed.model) == digest_of_weights(whole.model)
    for step in tmp_path.glob("step-*"):
        (step / broken).write_bytes(b"")
    with pytest.raises(ValueError, match="no whole checkpoint"):
        sft(small(tokenizer), checkpoint=tmp_path)
    (tmp_path / "start" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="damaged"):
        sft(small(tokenizer), checkpoint=tmp_path)


def test_what_is_being_written_has_another_name(tokenizer, tmp_path, monkeypatch):
    sft(small(tokenizer), checkpoint=tmp_path)
    (done,) = tmp_path.glob("step-*6")
    whole = {path.name: path.read_bytes() for path in done.iterdir()}
    monkeypatch.setattr(checkpoints, "_mark", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoints.write_folder(done, {"a": torch.ones(1)}, {})
    assert {path.name: path.read_bytes() for path in done.iterdir()} == whole


def test_only_the_last_two_are_kept_and_only_in_open_formats(tokenizer, tmp_path):
    sft(small(tokenizer), checkpoint=tmp_path, checkpoint_every=1)
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-00000005", "step-00000006"]
    files = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {".safetensors", ".json", ".jsonl"}


def test_another_run_is_refused_with_the_field(tokenizer, tmp_path):
    sft(small(tokenizer), checkpoint=tmp_path)
    policy = small(tokenizer)
    with pytest.raises(ValueError, match="learning_rate = 0.01; this one has learning_rate = 0.02"):
        other = replace(SETTINGS, learning_rate=2e-2)
        train_sft(policy, DEMONSTRATIONS, other, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="another demonstrations"):
        train_sft(policy, DEMONSTRATIONS[::-1], SETTINGS, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="checkpoint_every must be 1 or more"):
        sft(policy, checkpoint=tmp_path, checkpoint_every=0)
    wider = Policy(
        Decoder(replace(policy.model.config, intermediate_size=32)), tokenizer, "x", "cpu"
    )
    with pytest.raises(ValueError, match="of another model.*mlp"):
        train_sft(wider, DEMONSTRATIONS, SETTINGS, checkpoint=tmp_path)
    direct(policy, checkpoint=tmp_path / "b")
    settings = DirectSettings(batch_size=4, learning_rate=1e-2, warmup_steps=2)
    with pytest.raises(ValueError, match="another reference"):
        train_direct(policy, PAIRS, settings, small(tokenizer, 1), checkpoint=tmp_path / "b")


def test_every_kind_of_part_comes_back(tmp_path):
    def parts(seed):
        generator = torch.Generator().manual_seed(seed)
        weight = torch.nn.Parameter(torch.full((2,), float(seed)))
        optimizer = torch.optim.AdamW([weight], 0.1 * seed)
        for _ in range(seed):
            weight.square().sum().backward()
            optimizer.step()
        past = deque([{"w": torch.full((3,), float(i))} for i in range(seed)], maxlen=5)
        stream = CountedStream(range(10))
        for _ in range(seed):
            next(stream)
        return {
            "generator": generator, "python": random.Random(seed), "optimizer": optimizer,
            "kl": AdaptiveKL(1.0, 10.0, 0.1 * seed), "past": past, "stream": stream,
            "nothing": None, "counts": {"a": seed},
        }  # fmt: skip

    def opened(seed):
        history = History()
        kept = Checkpoint(tmp_path, 1, SETTINGS, history, parts(seed))
        kept.resume()
        return kept, history

    first, history = opened(3)
    random.seed(5)
    history.log(0, loss=float("nan"), seconds=7.0)
    history.warn("look")
    first.after(1)
    expected = torch.rand(3, generator=first.parts["generator"]), random.random(), torch.rand(1)
    first.after(1)  # the same step again
    random.seed(9)
    second, found = opened(1)
    assert second.done == 1 and found.warnings == ["look"] and found.seconds() >= 7.0
    a, b = first.parts, second.parts
    assert a["python"].random() == b["python"].random() and next(b["stream"]) == 3
    assert (
        torch.rand(3, generator=a["generator"]).tolist()
        == torch.rand(3, generator=b["generator"]).tolist()
    )
    assert b["kl"].coefficient == a["kl"].coefficient and b["counts"] == {"a": 3}
    assert [w["w"].tolist() for w in b["past"]] == [w["w"].tolist() for w in a["past"]]
    old, new = a["optimizer"].state_dict(), b["optimizer"].state_dict()
    assert new["param_groups"][0]["lr"] == old["param_groups"][0]["lr"] == pytest.approx(0.3)
    for key, value in old["state"][0].items():
        assert torch.equal(value, new["state"][0][key])
    assert (
        len(expected) == 3
        and json.loads((tmp_path / "history.jsonl").read_text(encoding="utf-8"))["step"] == 0
    )


def test_dropout_is_resumed_as_well(tokenizer, tmp_path, monkeypatch):
    """Its random numbers come from torch's own generator."""

    class Dropping(Decoder):
        def hidden_states(self, *args, **kwargs):
            return torch.nn.functional.dropout(
                super().hidden_states(*args, **kwargs), 0.5, self.training
            )

    def policy():
        made = small(tokenizer)
        made.model.__class__ = Dropping
        return made

    whole = policy()
    torch.manual_seed(4)
    expected = sft(whole)
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        made = policy()
        torch.manual_seed(4)
        with pytest.raises(Killed):
            sft(made, checkpoint=tmp_path, checkpoint_every=2)
    assert without_seconds(
        sft(policy(), checkpoint=tmp_path, checkpoint_every=2)
    ) == without_seconds(expected)


def test_a_stream_is_packed_from_where_it_was(tokenizer):
    policy = small(tokenizer)
    documents = [f"the fox is red. it eats {i} hens." for i in range(40)]
    stream = CountedStream(packed_rows(policy, documents, 2, 8))
    blocks = list(packed_rows(policy, documents, 2, 8))
    stream.restore(3)
    assert torch.equal(next(stream), blocks[3]) and stream.state() == 4
