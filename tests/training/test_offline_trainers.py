"""The trainers on given data: modes, rows of all forms, KTO's strangers, what is said when a run goes wrong."""

import math

import pytest
from datasets import Dataset
from torch import nn

from rlhf_lib.lm import Decoder
from rlhf_lib.rewards import OutcomeModel, ProcessModel, RewardModel
from rlhf_lib.training import (
    DirectSettings,
    DirectTrainer,
    History,
    OnlineDirectSettings,
    PretrainSettings,
    Progress,
    RewardModelSettings,
    SFTSettings,
    completion_loss,
    direct,
    document_loss,
    evaluate_pairs,
    held_out_loss,
    loop,
    packed_rows,
    train_direct,
    train_language_model,
    train_online_direct,
    train_outcome_model,
    train_process_model,
    train_reward_model,
    train_sft,
)
from rlhf_lib.training.direct import answers_to_others
from rlhf_lib.training.pretrain import document_boundary
from rlhf_lib.training.sft import epochs_of_batches
from rlhf_lib.world import Preference, Stepwise, Unpaired

PAIRS = [
    Preference("hi", "yes. yes.", "no."), Preference("who?", "a hen.", "no. an owl."),
    Preference("what?", "the fox.", "it."), Preference("why?", "so.", "it went."),
]  # fmt: skip
DEMONSTRATIONS = [(p.prompt, p.chosen) for p in PAIRS]
NO_LEARNING = dict(learning_rate=1e-12, batch_size=4)


class Dropping(Decoder):
    """A decoder with dropout, which counts how often it drops."""

    def hidden_states(self, *args, **kwargs):
        states = super().hidden_states(*args, **kwargs)
        self.dropped = getattr(self, "dropped", 0) + self.training
        return nn.functional.dropout(states, 0.3, self.training)


@pytest.fixture
def dropping(tiny):
    """A policy whose model has dropout, handed over in train mode."""
    tiny.model.__class__ = Dropping
    tiny.model.train()
    return tiny


# --- modes
def test_preferences_are_trained_and_measured_without_dropout(dropping):
    history = train_direct(dropping, PAIRS, DirectSettings(**NO_LEARNING), held_out=PAIRS)
    row = history.rows[0]
    assert row["loss"] == pytest.approx(math.log(2), abs=1e-5) and row["accuracy"] == 0.5
    assert row["held_out_loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert not dropping.model.training and getattr(dropping.model, "dropped", 0) == 0
    by_hand = dropping.copy()
    by_hand.model.train()
    trainer = DirectTrainer(by_hand, DirectSettings(**NO_LEARNING))
    assert trainer.step(trainer.prepare(PAIRS), [0, 1])["loss"] == pytest.approx(
        math.log(2), abs=1e-5
    )
    assert by_hand.model.training  # a step by hand gives the mode back


def test_reward_models_are_trained_and_measured_without_dropout(dropping):
    settings = RewardModelSettings(**NO_LEARNING)
    for fit, model in (
        (lambda m: train_reward_model(m, PAIRS, settings, held_out=PAIRS), RewardModel(dropping)),
        (lambda m: train_outcome_model(m, [("a", "b", 1.0)], settings), OutcomeModel(dropping)),
        (lambda m: train_process_model(m, [("a", ["b."], [2])], settings), ProcessModel(dropping)),
    ):
        model.train()
        fit(model)
        assert getattr(model.trunk, "dropped", 0) == 0 and not model.training


def test_fine_tuning_keeps_dropout_and_measures_without(dropping):
    history = train_sft(dropping, DEMONSTRATIONS, SFTSettings(**NO_LEARNING), DEMONSTRATIONS)
    assert dropping.model.dropped == 1 and not dropping.model.training
    assert history.last("held_out_loss") == held_out_loss(dropping, DEMONSTRATIONS)
    settings = PretrainSettings(steps=2, batch_size=1, row_length=8)
    train_language_model(dropping, ["the fox is red."] * 9, settings)
    assert dropping.model.dropped == 3


def test_measurements_give_the_mode_back(dropping):
    model = RewardModel(dropping)
    for measure, module in (
        (lambda: held_out_loss(dropping, DEMONSTRATIONS), dropping.model),
        (lambda: document_loss(dropping, ["the fox is red."] * 9, 1, 1, 8), dropping.model),
        (lambda: evaluate_pairs(model, PAIRS), model),
    ):
        module.train()
        assert measure() == measure() and module.training


# --- rows of all forms
def test_trainers_take_rows_and_datasets(tiny):
    rows = [{"prompt": p, "completion": a} for p, a in DEMONSTRATIONS]
    pairs = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in PAIRS]
    judged = [
        {"prompt": p, "completion": a, "label": i < 2} for i, (p, a) in enumerate(DEMONSTRATIONS)
    ]
    steps = [{"prompt": "a", "completions": ["b.", "c."], "labels": [True, False]}] * 3
    fast, kto = dict(batch_size=4), DirectSettings(loss="kto", batch_size=4)
    expected = [
        train_sft(tiny.copy(), DEMONSTRATIONS, SFTSettings(**fast), DEMONSTRATIONS),
        train_direct(tiny.copy(), PAIRS, DirectSettings(**fast), held_out=PAIRS),
        train_direct(tiny.copy(), [Unpaired(*row.values()) for row in judged], kto),
        train_reward_model(RewardModel(tiny), PAIRS, RewardModelSettings(**fast)),
        train_outcome_model(OutcomeModel(tiny), [tuple(row.values()) for row in judged]),
        train_process_model(ProcessModel(tiny), [Stepwise("a", ("b.", "c."), (2, 0))] * 3),
    ]
    for form in (list, Dataset.from_list):
        found = [
            train_sft(tiny.copy(), form(rows), SFTSettings(**fast), form(rows)),
            train_direct(tiny.copy(), form(pairs), DirectSettings(**fast), held_out=form(pairs)),
            train_direct(tiny.copy(), form(judged), kto),
            train_reward_model(RewardModel(tiny), form(pairs), RewardModelSettings(**fast)),
            train_outcome_model(OutcomeModel(tiny), form(judged)),
            train_process_model(ProcessModel(tiny), form(steps)),
        ]
        for ours, theirs in zip(expected, found, strict=True):
            assert ours.series("loss") == theirs.series("loss")


def test_whole_conversations_are_trained_on_all_answers(tiny):
    turns = [("user", "hi"), ("assistant", "yes."), ("user", "why?"), ("assistant", "a hen.")]
    messages = [{"role": role, "content": text} for role, text in turns]
    policy = tiny.copy()
    loss = train_sft(policy, [{"messages": messages}] * 2).series("loss")[0]
    whole = tiny.encode_conversations([messages])
    assert loss == pytest.approx(completion_loss(tiny, whole).item(), abs=1e-5)
    last = train_sft(tiny.copy(), [{"messages": messages}] * 2, train_on="last")
    expected = completion_loss(tiny, tiny.encode_completions([messages[:3]], ["a hen."])).item()
    assert last.series("loss")[0] == pytest.approx(expected, abs=1e-5) and expected != loss
    with pytest.raises(ValueError, match="train_on"):
        train_sft(tiny, [{"messages": messages}], train_on="first")
    pairs = [{"prompt": messages[:3], "completion": messages[3:]}] * 2  # a prompt is not trained on
    assert train_sft(tiny.copy(), pairs).series("loss")[0] == pytest.approx(expected, abs=1e-5)


def test_columns_without_answers_are_refused(tiny):
    with pytest.raises(ValueError, match="column"):
        train_sft(tiny, Dataset.from_list([{"question": "a", "reply": "b"}] * 3))
    for call in (train_sft, train_direct):
        with pytest.raises(ValueError):
            call(tiny, [])


def test_ties_equal_answers_and_bad_rows_are_counted(tiny):
    tie = Preference("hi", "a", "b", tie=True)
    equal = Preference("hi", "the same", "the same")
    for history in (
        train_direct(tiny, [*PAIRS, tie, tie, equal]),
        train_reward_model(RewardModel(tiny), [*PAIRS, tie, tie, equal]),
    ):
        assert "2 of 7 pairs are ties" in history.warnings[0]
        assert "1 of 7 pairs compare an answer with itself" in history.warnings[1]
    rows = [{"prompt": p, "completion": a} for p, a in DEMONSTRATIONS] + [{"prompt": "a"}]
    history = train_sft(tiny, rows)
    assert len(history.warnings) == 1 and "4 of 5" in history.warnings[0]


# --- rates and orders
def rates_of(monkeypatch, module, run):
    """The learning rates that a run sets, step by step."""
    seen, original = [], module.set_learning_rate

    def noted(optimizer, rate):
        seen.append(rate)
        original(optimizer, rate)

    with monkeypatch.context() as patch:
        patch.setattr(module, "set_learning_rate", noted)
        run()
    return seen


def test_rates_rise_and_fall(tiny, monkeypatch):
    """Linear up over two of four steps, then linear (pre-training: cosine) down to a twentieth."""
    rise, some = [0.5, 1.0, 1.0, 1.0], dict(learning_rate=0.01, batch_size=1, warmup_steps=2)
    line = [0.01 * r * (1 - 0.95 * i / 4) for i, r in enumerate(rise)]
    wave = [0.01 * r * (0.525 + 0.475 * math.cos(math.pi * i / 4)) for i, r in enumerate(rise)]
    runs = (
        (loop, lambda: train_sft(tiny.copy(), DEMONSTRATIONS, SFTSettings(**some)), line),
        (loop, lambda: train_reward_model(RewardModel(tiny), PAIRS, RewardModelSettings(**some)), line),
        (direct, lambda: train_direct(tiny.copy(), PAIRS, DirectSettings(**some)), line),
        (loop, lambda: train_language_model(
            tiny.copy(), ["the fox is red."] * 20, PretrainSettings(4, row_length=8, **some)), wave),
    )  # fmt: skip
    for module, run, shape in runs:
        assert rates_of(monkeypatch, module, run) == pytest.approx(shape)


def test_rows_are_seen_as_often_as_asked():
    """Each once in an epoch, in another order in the next; half an epoch is half of the rows."""
    settings = SFTSettings(epochs=2.5, batch_size=4)
    batches = list(epochs_of_batches(10, settings))
    rows = [row for batch in batches for row in batch]
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2, 4, 1]
    assert sorted(rows[:10]) == sorted(rows[10:20]) == list(range(10)) and rows[:10] != rows[10:20]
    assert batches == list(epochs_of_batches(10, settings))


# --- KTO
def test_strangers_are_answers_to_other_prompts():
    pool = [("a", "1"), ("a", "2"), ("b", "2"), ("c", "3")]
    assert answers_to_others(pool, 4, list) == ["2", "3", "3", "1"]
    for pool in ([("a", "1")], [("a", "1"), ("a", "2")], [("a", "1"), ("b", "1")]):
        with pytest.raises(ValueError, match="kto"):
            answers_to_others(pool, len(pool), list)


@pytest.mark.parametrize(
    "pairs", [PAIRS[:1], [PAIRS[0], Preference("hi", "yes. yes.", "go.")], [PAIRS[0]] * 5]
)
def test_kto_with_one_prompt_is_refused(tiny, pairs):
    with pytest.raises(ValueError, match="two prompts"):
        train_direct(tiny, pairs, DirectSettings(loss="kto"))
    unpaired = [Unpaired(p.prompt, p.chosen, True) for p in pairs]
    with pytest.raises(ValueError, match="two prompts"):
        train_direct(tiny, unpaired, DirectSettings(loss="kto"))


def test_unpaired_answers_are_for_kto_alone(tiny):
    rows = [Unpaired("hi", "yes.", True), Unpaired("who?", "no.", False)]
    with pytest.raises(ValueError, match="kto"):
        train_direct(tiny, rows)
    with pytest.raises(ValueError, match="pairs"):
        train_direct(tiny, rows, DirectSettings(loss="kto", nll_weight=1.0))


def test_kto_learns_from_unpaired_answers(tiny):
    rows = [Unpaired("hi", "yes. yes.", True), Unpaired("who?", "no. an owl.", False)] * 20
    settings = DirectSettings(
        loss="kto", learning_rate=3e-3, batch_size=8, warmup_steps=2, beta=0.3
    )
    history = train_direct(tiny, rows, settings, held_out=rows[:2])
    assert history.last("margin") > 0.02 and history.last("held_out_accuracy") == 1.0
    assert history.last("reward_chosen") > history.last("reward_rejected")


def test_an_online_round_without_another_prompt_has_no_update(tiny):
    """The same request twice: the round is passed over, and the run says so."""

    def judge(prompts, first, second):
        rows = zip(prompts, first, second, strict=True)
        return [Preference(p, a, b, tie=a == b) for p, a, b in rows]

    settings = OnlineDirectSettings(loss="kto", rounds=2, prompts_per_round=2, max_new_tokens=4)
    history = train_online_direct(tiny, ["hi", "hi"], judge, settings)
    assert len(history.rows) == 2 and "no update" in history.warnings[0] and not history.stopped


# --- pre-training
def test_documents_have_a_boundary_with_any_tokenizer(tiny):
    class Words:
        """A Llama-like tokenizer: an unknown token, and no end of text."""

        unk_token, unk_token_id, bos_token, eos_token = "<unk>", 0, "<s>", None

        def __init__(self, **changes):
            vars(self).update(changes)

        def convert_tokens_to_ids(self, token):
            return {"<s>": 1, "</s>": 2}.get(token, self.unk_token_id)

        def encode(self, text, add_special_tokens):
            return [5] * len(text.split())

    tiny.tokenizer = Words()
    assert document_boundary(tiny) == [1]
    tiny.tokenizer = Words(eos_token="</s>")
    assert document_boundary(tiny) == [2]
    assert next(packed_rows(tiny, ["a b c"] * 9, 1, 7)).tolist() == [[2, 5, 5, 5, 2, 5, 5, 5]]
    tiny.tokenizer = Words(bos_token=None, unk_token_id=None)
    assert document_boundary(tiny) == []
    assert next(packed_rows(tiny, ["a b c"] * 9, 1, 3)).tolist() == [[5] * 4]
    tiny.tokenizer = Words(unk_token="</s>", unk_token_id=2, eos_token="</s>")  # as GPT-2 has it
    assert document_boundary(tiny) == [2]


def test_documents_that_end_early_end_the_run(tiny, capsys):
    settings = PretrainSettings(steps=50, batch_size=1, row_length=8)
    history = train_language_model(tiny, ["the fox is red."] * 4, settings)
    assert "documents filled" in history.stopped and 0 < len(history.rows) < 50
    assert "pre-training: stopped early, step" in capsys.readouterr().err


# --- settings
@pytest.mark.parametrize(
    "settings", [SFTSettings, RewardModelSettings, DirectSettings, PretrainSettings]
)
@pytest.mark.parametrize(
    "changes",
    [
        {"micro_batch": 0}, {"warmup_steps": -1}, {"weight_decay": -0.1}, {"seed": -1},
        {"batch_size": 2.5}, {"learning_rate": float("nan")}, {"max_grad_norm": 0.0},
    ],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(settings, changes):
    (name,) = changes
    with pytest.raises(ValueError, match=name):
        settings(**changes)


def test_a_frozen_policy_is_refused(tiny):
    with pytest.raises(ValueError, match="frozen"):
        train_sft(tiny.copy(frozen=True), DEMONSTRATIONS)


# --- the history
def test_a_history_goes_to_every_format(tmp_path):
    history = History()
    history.log(0, loss=0.5)
    history.log(10, loss=0.25, kl=float("nan"))
    history.samples.append({"step": 0, "text": "größer – 狐"})
    history.warn("slow"), history.warn("slow")
    history.to_json(tmp_path / "run.json")
    again = History.from_json(tmp_path / "run.json")
    assert again.samples == history.samples and again.warnings == ["slow"]
    history.to_csv(tmp_path / "run.csv")
    lines = (tmp_path / "run.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["step,loss,kl", "0,0.5,", "10,0.25,nan"]
    written, logged = [], []
    writer, run = type("Writer", (), {})(), type("Run", (), {})()
    writer.add_scalar = lambda name, value, step: written.append((name, value, step))
    run.log = lambda numbers, step: logged.append((step, numbers))
    history.to_tensorboard(writer, "a/"), history.to_wandb(run)
    assert ("a/loss", 0.25, 10) in written and len(written) == 3
    assert logged[0] == (0, {"loss": 0.5})
    assert "warning" in repr(history)


def test_a_history_of_before_has_no_warnings(tmp_path):
    (tmp_path / "old.json").write_text(
        '{"rows": [], "samples": [], "stopped": null}', encoding="utf-8"
    )
    assert History.from_json(tmp_path / "old.json").warnings == []


def test_what_went_wrong_is_said_below_the_line(capsys):
    progress = Progress("policy", 10)
    progress.update(3)
    progress.close(None, "step 2: the policy is far from its reference", "stopped early, step 3")
    said = capsys.readouterr().err
    assert "policy: step 2: the policy is far" in said and "policy: stopped early, step 3" in said
    Progress("quiet", 1).close()
    assert capsys.readouterr().err == ""
