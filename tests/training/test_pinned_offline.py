"""One step of each trainer, pinned: its loss, gradient and update equal a few lines of `objectives`.

The checks are plain functions that take nothing, for the tests that break trainers on purpose.
"""

from dataclasses import replace
from functools import cache

import pytest
import torch

from rlhf_lib.lm import Decoder, DecoderConfig, Policy, load_policy
from rlhf_lib.objectives import (
    apo_down_loss,
    apo_zero_loss,
    bradley_terry_loss,
    dpo_loss,
    ipo_loss,
    kto_loss,
    orpo_loss,
    outcome_loss,
    process_loss,
    rebel_loss,
    simpo_loss,
)
from rlhf_lib.rewards import OutcomeModel, ProcessModel, RewardModel
from rlhf_lib.training import (
    DirectSettings,
    DirectTrainer,
    PretrainSettings,
    RewardModelSettings,
    SFTSettings,
    packed_rows,
    train_direct,
    train_language_model,
    train_outcome_model,
    train_process_model,
    train_reward_model,
    train_sft,
)
from rlhf_lib.world import Preference, Unpaired

PROMPTS = ["hi", "who is it?", "what?", "and then?"]
GOOD = ["yes. yes.", "a hen.", "the fox.", "it went home and slept."]
BAD = ["no.", "no. an owl.", "a.", "it."]
PAIRS = [
    Preference(p, a, b, likert=1 + i)
    for i, (p, a, b) in enumerate(zip(PROMPTS, GOOD, BAD, strict=True))
]
ONE_STEP = dict(batch_size=4, learning_rate=1e-2, max_grad_norm=1e9)
"""Four examples: one step, in which the order of the rows does not matter."""


@cache
def _start() -> Policy:
    torch.manual_seed(0)
    tokenizer = load_policy("pocket-base").tokenizer
    config = DecoderConfig(
        len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    return Policy(Decoder(config), tokenizer, device="cpu")


def policy() -> Policy:
    """A small policy, the same each time."""
    return _start().copy()


def other() -> Policy:
    """A reference that differs from it."""
    made = policy()
    with torch.no_grad():
        for p in made.model.parameters():
            p.mul_(1.1)
    return made


def sums(of: Policy, prompts, texts):
    """Log-probabilities (B,) and lengths (B,) of answers, by plain scoring."""
    rollout = of.encode_completions(prompts, texts)
    return of.logprobs(rollout).sum(1), rollout.lengths


def adam_step(module, loss, settings, factor=1.0, betas=(0.9, 0.999)):
    """Weights after AdamW's first step on `loss`, by hand: sign-like, then decay; and the gradient's norm."""
    grads = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
    total = sum(g.square().sum() for g in grads if g is not None).sqrt()
    clip = min(1.0, settings.max_grad_norm / float(total))
    rate, after = factor * settings.learning_rate, []
    for p, g in zip(module.parameters(), grads, strict=True):
        moved = p.detach() * (1 - rate * settings.weight_decay) if g is not None else p.detach()
        after.append(moved if g is None else moved - rate * g * clip / ((g * clip).abs() + 1e-8))
    return after, float(total)


def check_step(history, module, after, norm, loss):
    """The one row of a run, and its weights, are those worked out by hand."""
    (row,) = history.rows
    assert row["loss"] == pytest.approx(loss.item(), rel=1e-5, abs=1e-6)
    assert row["grad_norm"] == pytest.approx(norm, rel=1e-4)
    found = torch.cat([p.detach().flatten() for p in module.parameters()])
    far = (found - torch.cat([p.flatten() for p in after])).abs() > 1e-5
    assert far.float().mean() < 0.01  # where a gradient is all but 0, its sign is rounding


def check_sft(**changes):
    settings = SFTSettings(**ONE_STEP, **changes)
    trained, start = policy(), policy()
    rollout = start.encode_completions(PROMPTS, GOOD)
    loss = -start.logprobs(rollout).sum() / rollout.lengths.sum()
    after, norm = adam_step(start.model, loss, settings, 1 / max(1, settings.warmup_steps))
    history = train_sft(trained, list(zip(PROMPTS, GOOD, strict=True)), settings)
    check_step(history, trained.model, after, norm, loss)


def check_pretraining(**changes):
    settings = PretrainSettings(steps=1, row_length=8, **ONE_STEP, **changes)
    trained, start, documents = policy(), policy(), [" ".join(GOOD)] * 20
    rows = next(packed_rows(start, documents, 4, 8))
    logp = start.model(rows[:, :-1]).log_softmax(-1)
    loss = -logp.gather(-1, rows[:, 1:, None]).mean()
    after, norm = adam_step(start.model, loss, settings, 1 / max(1, settings.warmup_steps))
    history = train_language_model(trained, documents, settings)
    check_step(history, trained.model, after, norm, loss)


def by_hand(settings: DirectSettings, start: Policy, reference: Policy):
    """The loss of PAIRS in the order in which they stand."""
    (pc, lc), (pr, lr) = sums(start, PROMPTS, GOOD), sums(start, PROMPTS, BAD)
    with torch.no_grad():
        (rc, _), (rr, _) = sums(reference, PROMPTS, GOOD), sums(reference, PROMPTS, BAD)
        drifts = [sums(m, PROMPTS, GOOD[1:] + GOOD[:1])[0] for m in (start, reference)]
    point, beta = (drifts[0] - drifts[1]).mean().clamp(min=0), settings.beta
    nll = -(pc / lc).mean()
    if settings.averages:
        pc, pr, rc, rr = pc / lc, pr / lr, rc / lc, rr / lr
    sides, gaps = torch.tensor([True] * 4 + [False] * 4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    weights = (settings.desirable_weight, settings.undesirable_weight)
    loss = {
        "dpo": lambda: dpo_loss(pc, pr, rc, rr, beta),
        "cdpo": lambda: dpo_loss(pc, pr, rc, rr, beta, settings.label_smoothing),
        "ipo": lambda: ipo_loss(pc, pr, rc, rr, beta),
        "apo_zero": lambda: apo_zero_loss(pc, pr, rc, rr, beta),
        "apo_down": lambda: apo_down_loss(pc, pr, rc, rr, beta),
        "simpo": lambda: simpo_loss(pc, pr, beta, settings.gamma),
        "orpo": lambda: orpo_loss(pc, pr, -pc, settings.orpo_weight),
        "rebel": lambda: rebel_loss(pc, pr, rc, rr, gaps, 1 / beta),
        "kto": lambda: kto_loss(
            torch.cat((pc, pr)), torch.cat((rc, rr)), sides, point, beta, *weights
        ),
    }[settings.loss]()
    return loss + settings.nll_weight * nll


def check_direct(loss="dpo", **changes):
    settings = DirectSettings(loss=loss, **{**ONE_STEP, **changes})
    trained, start, reference = policy(), policy(), other()
    expected = by_hand(settings, start, reference)
    after, norm = adam_step(start.model, expected, settings, 1 / max(1, settings.warmup_steps))
    history = train_direct(trained, PAIRS, settings, reference)
    check_step(history, trained.model, after, norm, expected)


def check_unpaired_kto(**changes):
    settings = DirectSettings(loss="kto", undesirable_weight=0.5, **ONE_STEP, **changes)
    trained, start, reference = policy(), policy(), other()
    wanted = [True, False, True, True]
    expected = (sums(start, PROMPTS, GOOD)[0], sums(reference, PROMPTS, GOOD)[0].detach())
    elsewhere = GOOD[1:] + GOOD[:1]
    drift = sums(start, PROMPTS, elsewhere)[0] - sums(reference, PROMPTS, elsewhere)[0]
    loss = kto_loss(*expected, torch.tensor(wanted), drift.detach().mean(), settings.beta, 1.0, 0.5)
    after, norm = adam_step(start.model, loss, settings, 0.1)
    rows = [Unpaired(*row) for row in zip(PROMPTS, GOOD, wanted, strict=True)]
    check_step(train_direct(trained, rows, settings, reference), trained.model, after, norm, loss)


def check_reward_model(**changes):
    settings = RewardModelSettings(**ONE_STEP, **changes)
    model, start = RewardModel(policy(), seed=1), RewardModel(policy(), seed=1)
    chosen = start(start.encode(PROMPTS, GOOD))
    rejected = start(start.encode(PROMPTS, BAD))
    margin = settings.margin_weight * torch.tensor([1.0, 2.0, 3.0, 4.0])
    loss = bradley_terry_loss(chosen, rejected, margin)
    loss = loss + settings.center_coefficient * (chosen + rejected).square().mean()
    after, norm = adam_step(start, loss, settings, 0.1)
    check_step(train_reward_model(model, PAIRS, settings), model, after, norm, loss)


def check_outcome_model(level="token", **changes):
    settings, right = RewardModelSettings(**ONE_STEP, **changes), [1.0, 0.0, 1.0, 1.0]
    model, start = OutcomeModel(policy(), seed=1), OutcomeModel(policy(), seed=1)
    rollout = start.encode(PROMPTS, GOOD)
    scores = start.token_scores(rollout)
    loss = outcome_loss(scores, torch.tensor(right), rollout.completion_mask, level)
    after, norm = adam_step(start, loss, settings, 0.1)
    rows = list(zip(PROMPTS, GOOD, right, strict=True))
    check_step(train_outcome_model(model, rows, settings, level), model, after, norm, loss)


STEPS = [["1 + 1 = 2.", "2 + 2 = 5."], ["2 + 2 = 4."], ["3 = 3.", "4 = 4.", "so 5."], ["6 = 7."]]
LABELS = [[2, 0], [2], [2, 2, 1], [0]]


def check_process_model(**changes):
    settings = RewardModelSettings(**ONE_STEP, **changes)
    model, start = ProcessModel(policy(), seed=1), ProcessModel(policy(), seed=1)
    logits = start.token_scores(start.encode(PROMPTS, [" ".join(s) for s in STEPS]))
    labels = torch.full(logits.shape[:2], -100)
    for row, (steps, marks) in enumerate(zip(STEPS, LABELS, strict=True)):
        for i, mark in enumerate(marks):  # no end token behind a step
            ids = start.backbone.tokenizer.encode(
                " ".join(steps[: i + 1]), add_special_tokens=False
            )
            labels[row, len(ids) - 1] = mark
    loss = process_loss(logits, labels)
    after, norm = adam_step(start, loss, settings, 0.1)
    rows = list(zip(PROMPTS, STEPS, LABELS, strict=True))
    check_step(train_process_model(model, rows, settings), model, after, norm, loss)


CHECKS = {
    "sft": check_sft,
    "pretraining": check_pretraining,
    "kto, unpaired": check_unpaired_kto,
    "reward model": check_reward_model,
    "outcome model": check_outcome_model,
    "process model": check_process_model,
}
MICRO = [None, 3]
"""Whole, and in parts of unequal size, whose weights must be right."""
DIRECT = ["dpo", "cdpo", "ipo", "kto", "orpo", "simpo", "rebel", "apo_zero", "apo_down"]


@pytest.mark.parametrize("micro_batch", MICRO)
@pytest.mark.parametrize("name", CHECKS)
def test_one_step(name, micro_batch):
    CHECKS[name](micro_batch=micro_batch)


@pytest.mark.parametrize("micro_batch", MICRO)
@pytest.mark.parametrize("loss", DIRECT)
def test_one_step_of_a_direct_loss(loss, micro_batch):
    check_direct(loss, micro_batch=micro_batch)


SETTINGS = [
    lambda: check_sft(weight_decay=0.3, warmup_steps=5),
    lambda: check_pretraining(weight_decay=0.3, warmup_steps=4),
    lambda: check_direct(weight_decay=0.3, warmup_steps=4, nll_weight=0.5, beta=0.7),
    lambda: check_direct("kto", desirable_weight=1.5, undesirable_weight=0.3),
    lambda: check_direct("simpo", gamma=1.5),
    lambda: check_direct("orpo", orpo_weight=0.7),
    lambda: check_direct("cdpo", label_smoothing=0.3),
    lambda: check_direct("dpo", length_average=True),
    lambda: check_direct("dpo", max_grad_norm=1e-3),
    lambda: check_reward_model(weight_decay=0.3, margin_weight=0.5),
    lambda: check_reward_model(center_coefficient=0.2, micro_batch=1),
    lambda: check_outcome_model("sequence", micro_batch=1),
]


@pytest.mark.parametrize("check", SETTINGS)
def test_one_step_with_other_settings(check):
    check()


@pytest.mark.parametrize("loss", DIRECT)
def test_micro_batches_have_the_whole_batchs_gradient(loss):
    """To 1e-6 of the largest entry, however the batch is cut; KTO's reference point is the batch's own."""
    found = []
    for micro in (None, 1, 3):
        trained = policy()
        trainer = DirectTrainer(trained, DirectSettings(loss=loss, micro_batch=micro), other())
        row = trainer.step(trainer.prepare(PAIRS), [2, 0, 1, 3], 1e-12)
        gradient = torch.cat(
            [p.grad.flatten() for p in trained.model.parameters() if p.grad is not None]
        )
        found.append((gradient, {k: v for k, v in row.items() if k != "seconds"}))
    for gradient, row in found[1:]:
        assert (gradient - found[0][0]).abs().max() <= 1e-6 * found[0][0].abs().max().clamp(min=1)
        assert row == pytest.approx(found[0][1], rel=1e-4, abs=1e-6)


def test_held_out_numbers_do_not_depend_on_micro_batches():
    rows = []
    for micro in (None, 1):
        trainer = DirectTrainer(policy(), DirectSettings(loss="kto", micro_batch=micro), other())
        rows.append(trainer.evaluate(trainer.prepare(PAIRS)))
    assert rows[0] == pytest.approx(rows[1], rel=1e-5)


def test_margins_come_from_scores_where_given():

    pairs = [replace(pair, chosen_score=5.0, rejected_score=2.5) for pair in PAIRS]
    trainer = DirectTrainer(policy(), DirectSettings(loss="rebel"), other())
    assert trainer.prepare(pairs).gaps.tolist() == [2.5] * 4
