"""Direct alignment: a policy from comparisons, without a reward model and without sampling.

One trainer for nine losses. The reference is asked once for each answer and then never again; chosen and
rejected answers share a forward pass; answers are tokenised once. Book: `c/08-direct-alignment`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..lm import EncodedAnswer, Policy, answer_logp, encode_answers, score_answers
from ..lm.modes import evaluating, without_dropout
from ..objectives import (
    apo_down_loss,
    apo_zero_loss,
    dpo_loss,
    ipo_loss,
    kto_loss,
    orpo_loss,
    rebel_loss,
    simpo_loss,
)
from ..rewards.protocol import Reward, score
from ..world import Preference, Unpaired
from .checkpoint import Checkpoint, digest, digest_of_weights
from .checks import check_settings
from .examples import are_unpaired, as_row, with_flaws_noted, without_ties
from .history import History
from .loop import Part, in_parts, is_due, run_training, update_in_parts
from .rows import as_preferences, as_unpaired
from .schedule import linear, set_learning_rate
from .sft import epochs_of_batches

LOSSES = ("dpo", "ipo", "cdpo", "kto", "orpo", "simpo", "rebel", "apo_zero", "apo_down")
WITHOUT_REFERENCE = ("orpo", "simpo")
LENGTH_AVERAGED = ("ipo", "orpo", "simpo")
SCORED_AT_ONCE = 64
"""Comparisons in one forward pass of a measurement, where no micro-batch says otherwise."""

Encode = Callable[[list, list[str]], list[EncodedAnswer]]


@dataclass
class DirectSettings:
    """Settings of `train_direct`. The rate is for models of a few million parameters; 5e-7 to 5e-6 are usual
    from 100M parameters on, and 5e-6 to 5e-5 for LoRA.

    Raises:
        ValueError: a number out of range, or an unknown loss.
    """

    loss: str = "dpo"
    """dpo, ipo, cdpo, kto, orpo, simpo, rebel, apo_zero or apo_down: see `objectives.direct`."""
    beta: float = 0.1
    """How strongly the policy is held to the reference: higher is nearer. ORPO has none. REBEL's eta is
    1 / beta. The two losses without a reference (simpo) and with averaged log-probabilities (ipo, simpo)
    need other values than DPO: 2 and more for SimPO."""
    label_smoothing: float = 0.1
    """cdpo only: the share of comparisons that are taken to be labelled the wrong way round."""
    nll_weight: float = 0.0
    """Adds this times the mean negative log-likelihood of a token of the chosen answers (DPO + NLL)."""
    gamma: float = 0.5
    """simpo only: the margin that is asked for."""
    orpo_weight: float = 0.1
    """orpo only: lambda, the weight of the odds ratio beside the NLL."""
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    """kto only."""
    length_average: bool | None = None
    """Mean instead of sum of an answer's token log-probabilities. None: as the loss has it (mean for ipo,
    orpo and simpo)."""

    epochs: float = 1.0
    """Passes over the comparisons."""
    batch_size: int = 32
    """Comparisons in a batch, B; the policy sees 2 B answers."""
    micro_batch: int | None = None
    """Comparisons in one forward pass; None: the whole batch. It changes memory, not the gradient."""
    learning_rate: float = 3e-4
    """Peak; linear warm-up, then linear decay."""
    warmup_steps: int = 10
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(
            self,
            positive=(
                "beta", "epochs", "batch_size", "micro_batch", "learning_rate", "max_grad_norm",
            ),
            non_negative=(
                "nll_weight", "gamma", "orpo_weight", "desirable_weight", "undesirable_weight",
                "warmup_steps", "weight_decay", "seed",
            ),
            choices={"loss": LOSSES},
        )  # fmt: skip
        if not 0 <= self.label_smoothing < 0.5:
            raise ValueError(
                "label_smoothing must lie in [0, 0.5): at a half the labels say nothing; got "
                f"{self.label_smoothing}"
            )

    @property
    def averages(self) -> bool:
        """Whether the loss gets means over an answer's tokens."""
        if self.length_average is None:
            return self.loss in LENGTH_AVERAGED
        return self.length_average

    @property
    def needs_reference(self) -> bool:
        """Whether the loss compares with a reference policy."""
        return self.loss not in WITHOUT_REFERENCE


@dataclass
class PairData:
    """n comparisons, tokenised, with what the reference says of them.

    ref (n, 2): the reference's log-probability of the chosen and the rejected answer, sums over tokens;
    None without a reference. gaps (n,): how much better the chosen answer is (REBEL). strangers: each
    prompt with another prompt's chosen answer, and stranger_ref (n,), for KTO's reference point.
    """

    chosen: list[EncodedAnswer]
    rejected: list[EncodedAnswer]
    ref: Tensor | None
    gaps: Tensor
    strangers: list[EncodedAnswer] | None = None
    stranger_ref: Tensor | None = None


@dataclass
class UnpairedData:
    """n answers judged one by one (KTO), tokenised; ref and stranger_ref (n,) as in `PairData`."""

    answers: list[EncodedAnswer]
    desirable: Tensor
    ref: Tensor
    strangers: list[EncodedAnswer]
    stranger_ref: Tensor


@dataclass
class PairLogps:
    """Log-probabilities of a batch of comparisons, sums over tokens, all (B,).

    chosen_length and rejected_length (B,) count tokens; gaps and kl as the losses of REBEL and KTO want
    them.
    """

    chosen: Tensor
    rejected: Tensor
    ref_chosen: Tensor | None
    ref_rejected: Tensor | None
    chosen_length: Tensor
    rejected_length: Tensor
    gaps: Tensor | None = None
    kl: Tensor | None = None


@dataclass
class UnpairedLogps:
    """Log-probabilities of a batch of answers judged one by one, sums over tokens, all (B,)."""

    policy: Tensor
    ref: Tensor
    desirable: Tensor
    kl: Tensor | None = None


def direct_loss(logps: PairLogps | UnpairedLogps, settings: DirectSettings) -> Tensor:
    """The loss of a batch that `settings` ask for, from log-probabilities alone.

    nll_weight adds that many times the mean over pairs of -log pi(chosen) / tokens (iterative RPO).
    Equation: [REG-2].
    """
    s = settings
    if isinstance(logps, UnpairedLogps):
        return _kto(logps.policy, logps.ref, logps.desirable, logps.kl, s)
    pc, pr, rc, rr = logps.chosen, logps.rejected, logps.ref_chosen, logps.ref_rejected
    nll = -(pc / logps.chosen_length).mean()
    if s.averages:
        pc, pr = pc / logps.chosen_length, pr / logps.rejected_length
        if rc is not None and rr is not None:
            rc, rr = rc / logps.chosen_length, rr / logps.rejected_length
    if rc is None or rr is None:
        loss = _without_reference(pc, pr, s)
    else:
        loss = _with_reference(logps, pc, pr, rc, rr, s)
    return loss + s.nll_weight * nll if s.nll_weight else loss


def _without_reference(pc: Tensor, pr: Tensor, s: DirectSettings) -> Tensor:
    if s.loss == "simpo":
        return simpo_loss(pc, pr, s.beta, s.gamma)
    if s.loss == "orpo":
        return orpo_loss(pc, pr, -pc, s.orpo_weight)
    raise ValueError(f"loss {s.loss!r} needs the reference's log-probabilities")


def _with_reference(
    batch: PairLogps, pc: Tensor, pr: Tensor, rc: Tensor, rr: Tensor, s: DirectSettings
) -> Tensor:
    if s.loss == "dpo":
        return dpo_loss(pc, pr, rc, rr, s.beta)
    if s.loss == "cdpo":
        return dpo_loss(pc, pr, rc, rr, s.beta, s.label_smoothing)
    if s.loss == "ipo":
        return ipo_loss(pc, pr, rc, rr, s.beta)
    if s.loss == "apo_zero":
        return apo_zero_loss(pc, pr, rc, rr, s.beta)
    if s.loss == "apo_down":
        return apo_down_loss(pc, pr, rc, rr, s.beta)
    if s.loss == "rebel":
        return rebel_loss(pc, pr, rc, rr, batch.gaps, 1 / s.beta)
    if s.loss == "kto":  # chosen answers as desirable ones; KTO does not need them in pairs
        desirable = torch.arange(2 * len(pc), device=pc.device) < len(pc)
        return _kto(torch.cat((pc, pr)), torch.cat((rc, rr)), desirable, batch.kl, s)
    return _without_reference(pc, pr, s)


def _kto(policy: Tensor, ref: Tensor, desirable: Tensor, kl: Tensor | None, s) -> Tensor:
    if kl is None:
        raise ValueError("loss 'kto' needs kl, its reference point")
    weights = (s.desirable_weight, s.undesirable_weight)
    return kto_loss(policy, ref, desirable, kl, s.beta, *weights)


def train_direct(
    policy: Policy,
    pairs: Sequence[Preference] | Sequence[Unpaired] | Any,
    settings: DirectSettings | None = None,
    reference: Policy | None = None,
    held_out: Sequence[Preference] | Sequence[Unpaired] | Any | None = None,
    evaluate_every: int = 0,
    reward: Reward | None = None,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
) -> History:
    """Train `policy` in place on comparisons, without dropout; it is left in eval mode.

    pairs: `Preference`s, rows with the columns prompt, chosen and rejected, or a `datasets.Dataset`. Ties
    and pairs of equal answers are left out and counted in `history.warnings`. For loss='kto' also
    answers judged one by one: `Unpaired`, or rows with the columns prompt, completion and label.
    reference: the policy as it starts, by default. reward: rollout -> (B,), for the reward gaps of
    REBEL; by default the gaps are the pairs' margins (`Preference.margin`). checkpoint: a folder; the
    same call on it goes on where a killed run was (see `training.checkpoint`). The history has a row a step:
    see `DirectTrainer.step`; and of held-out pairs held_out_loss, held_out_accuracy,
    held_out_logp_chosen every `evaluate_every` steps (0: at the end only).

    Raises:
        ValueError: no pairs that are not ties; rows that are none; KTO without another prompt's answers; a
            reward that does not give one number for each answer; a checkpoint of another run.
    """
    trainer = DirectTrainer(policy, settings, reference, reward)
    settings, history = trainer.settings, trainer.history
    examples = read_examples(pairs, settings, history)
    unseen = read_examples(held_out, settings) if held_out is not None and len(held_out) else None
    facts = {"pairs": lambda: digest(map(as_row, examples)), **trainer.facts(reference)}
    kept = Checkpoint(
        checkpoint, checkpoint_every, settings, history, trainer.parts(),
        fixed={} if reference else trainer.fixed(), facts=facts,
    )  # fmt: skip
    kept.resume()  # before the reference is asked: a resumed run has the original one
    data, measured = trainer.prepare(examples), trainer.prepare(unseen) if unseen else None
    batches = list(epochs_of_batches(len(examples), settings))

    def do_step(step: int) -> dict[str, float]:
        factor = linear(step, len(batches), settings.warmup_steps)
        row = trainer.step(data, batches[step], factor * settings.learning_rate)
        if measured and is_due(step, len(batches), evaluate_every):
            row |= trainer.evaluate(measured)
        return row

    run_training(settings.loss, len(batches), do_step, history, kept)
    policy.model.eval()
    return history


def read_examples(
    source: Any, settings: DirectSettings, history: History | None = None
) -> list[Preference] | list[Unpaired]:
    """Comparisons that are no ties, or (KTO alone) answers judged one by one, from whatever holds them.

    Raises:
        ValueError: there are none, or another loss meets answers without a partner.
    """
    history = history or History()
    if not are_unpaired(source):
        return without_ties(with_flaws_noted(as_preferences(source), history), history)
    if settings.loss != "kto":
        raise ValueError(
            f"loss {settings.loss!r} compares two answers to a prompt; answers judged one by one "
            "are for loss='kto'"
        )
    return list(with_flaws_noted(as_unpaired(source), history))


class DirectTrainer:
    """What `train_direct` repeats: `prepare(pairs)` once, then `step(data, rows)`."""

    def __init__(
        self,
        policy: Policy,
        settings: DirectSettings | None = None,
        reference: Policy | None = None,
        reward: Reward | None = None,
    ) -> None:
        self.policy, self.settings, self.reward = policy, settings or DirectSettings(), reward
        self.reference = reference
        if reference is None and self.settings.needs_reference:
            self.reference = policy.reference()
        self.optimizer = torch.optim.AdamW(
            policy.model.parameters(),
            self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        self.history = History()

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps besides the history."""
        return {"policy": self.policy.model, "optimizer": self.optimizer}

    def fixed(self) -> dict[str, torch.nn.Module]:
        """What it keeps once: the reference, where it is a model of its own."""
        if self.reference is None or self.reference.model is self.policy.model:
            return {}
        return {"reference": self.reference.model}

    def facts(self, reference: Policy | None) -> dict[str, Callable[[], str | None]]:
        """Fingerprint of a reference that was given, which must be given again."""
        model = reference.model if reference is not None else None
        return {"reference": lambda: digest_of_weights(model)}

    def prepare(
        self,
        pairs: Sequence[Preference] | Sequence[Unpaired],
        encode: Encode | None = None,
        others: Sequence[tuple] = (),
    ) -> PairData | UnpairedData:
        """Tokenise examples and ask the reference about them, once, in bounded batches.

        encode: (prompts, texts) -> answers, in place of `encode_answers` with the policy's tokenizer.
        others: (prompt, answer) rows among which KTO may look for answers to other prompts as well.

        Raises:
            ValueError: no pairs that are not ties; no answers to other prompts for KTO.
        """
        encode = encode or functools.partial(encode_answers, self.policy)
        if are_unpaired(pairs):
            return self._prepare_unpaired(pairs, encode, others)
        pairs = without_ties(pairs)
        prompts = [pair.prompt for pair in pairs]
        chosen = encode(prompts, [pair.chosen for pair in pairs])
        rejected = encode(prompts, [pair.rejected for pair in pairs])
        data = PairData(chosen, rejected, None, self._gaps(pairs))
        if self.reference is not None:
            ref = self._ask(self.reference, chosen + rejected)
            data.ref = torch.stack(ref.split(len(pairs)), dim=1)
        if self.settings.loss == "kto":
            pool = [(p.prompt, p.chosen) for p in pairs] + [(p.prompt, p.rejected) for p in pairs]
            texts = answers_to_others([*pool, *others], len(pairs), self.policy.prompt_ids)
            data.strangers = encode(prompts, texts)
            data.stranger_ref = self._ask(self.reference, data.strangers)
        return data

    def _prepare_unpaired(
        self, examples: Sequence[Unpaired], encode: Encode, others: Sequence
    ) -> UnpairedData:
        prompts, texts, desirable = (list(column) for column in zip(*examples, strict=True))
        answers = encode(prompts, texts)
        pool = [*zip(prompts, texts, strict=True), *others]
        elsewhere = answers_to_others(pool, len(answers), self.policy.prompt_ids)
        strangers = encode(prompts, elsewhere)
        return UnpairedData(
            answers,
            torch.tensor(desirable, dtype=torch.bool, device=self.policy.device),
            self._ask(self.reference, answers),
            strangers,
            self._ask(self.reference, strangers),
        )

    @torch.no_grad()
    def _ask(self, policy: Policy, answers: Sequence[EncodedAnswer]) -> Tensor:
        """log pi(answer | prompt) (n,), without dropout and gradient, answers of like length together."""
        order = sorted(range(len(answers)), key=lambda i: len(answers[i].token_ids))
        size = 2 * (self.settings.micro_batch or SCORED_AT_ONCE)
        with evaluating(policy):
            parts = [
                score_answers(policy, [answers[i] for i in some]) for some in in_parts(order, size)
            ]
        found = torch.cat(parts)
        return found[torch.tensor(order, device=found.device).argsort()]

    def _gaps(self, pairs: Sequence[Preference]) -> Tensor:
        """Reward of the chosen minus that of the rejected answers (n,)."""
        if self.reward is None:
            return torch.tensor([pair.margin for pair in pairs], device=self.policy.device)
        prompts = [pair.prompt for pair in pairs]
        texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        rollout = self.policy.encode_completions(prompts * 2, texts)
        first, second = score(self.reward, rollout, "reward").split(len(pairs))
        return first - second

    def step(
        self,
        data: PairData | UnpairedData,
        rows: Sequence[int],
        learning_rate: float | None = None,
    ) -> dict[str, float]:
        """One update on these rows of `data`; logs and returns its metrics, from before the update.

        loss; logp_chosen, logp_rejected (sequence sums, nats); with a reference reward_chosen,
        reward_rejected (beta log pi / pi_ref), margin, accuracy (share of positive margins) and kl
        (mean of log pi_ref - log pi over both answers: KL(reference || policy), if the reference wrote
        them); without one, margin and accuracy are of the means over tokens, as ORPO and SimPO compare
        them; grad_norm, seconds. Of answers judged one by one: see `describe_unpaired`.

        Raises:
            guards.NonFiniteError: the loss or its gradient is not a number.
        """
        if learning_rate is not None:
            set_learning_rate(self.optimizer, learning_rate)
        seen: list[PairLogps | UnpairedLogps] = []
        step = len(self.history.rows)
        with without_dropout(self.policy):
            parts = self._parts(data, list(rows), seen)
            row = update_in_parts(
                parts, self.optimizer, self.settings.max_grad_norm, f"step {step}"
            )
        described = describe_logps(joined(seen), self.settings.beta)
        metrics = {"loss": row["loss"], **described, "grad_norm": row["grad_norm"]}
        self.history.log(step, **metrics, seconds=self.history.seconds())
        return self.history.rows[-1]

    def _parts(self, data: PairData | UnpairedData, rows: list[int], seen: list) -> Iterator[Part]:
        """The batch in micro-batches, all with one reference point; `seen` collects what was computed."""
        kl = self._reference_point(data, rows)
        for some in in_parts(rows, self.settings.micro_batch):
            logps = self.logps(data, some, kl)
            seen.append(logps)
            yield Part(direct_loss(logps, self.settings), len(some))

    def logps(
        self, data: PairData | UnpairedData, rows: Sequence[int], kl: Tensor | None = None
    ) -> PairLogps | UnpairedLogps:
        """Log-probabilities of a batch, in one forward pass over all its answers.

        kl: KTO's reference point; by default it is measured on these rows.
        """
        rows = list(rows)
        kl = self._reference_point(data, rows) if kl is None else kl
        if isinstance(data, UnpairedData):
            found = answer_logp(self.policy, [data.answers[i] for i in rows])
            return UnpairedLogps(found, data.ref[rows], data.desirable[rows], kl)
        answers = [data.chosen[i] for i in rows] + [data.rejected[i] for i in rows]
        chosen, rejected = answer_logp(self.policy, answers).split(len(rows))
        lengths = chosen.new_tensor([answer.length for answer in answers])
        ref = (None, None) if data.ref is None else data.ref[rows].unbind(1)
        return PairLogps(chosen, rejected, *ref, *lengths.split(len(rows)), data.gaps[rows], kl)

    @torch.no_grad()
    def _reference_point(self, data: PairData | UnpairedData, rows: list[int]) -> Tensor | None:
        """KTO's z0: mean log pi / pi_ref of answers to other prompts, at least 0; None for other losses."""
        if data.strangers is None or data.stranger_ref is None:
            return None
        logp = self._ask(self.policy, [data.strangers[i] for i in rows])
        return (logp - data.stranger_ref[rows]).mean().clamp(min=0)

    @torch.no_grad()
    def evaluate(self, data: PairData | UnpairedData) -> dict[str, float]:
        """Loss, accuracy and mean log-probability of the chosen answers on unseen examples, without dropout."""
        rows = list(range(len(data.ref if isinstance(data, UnpairedData) else data.chosen)))
        size = self.settings.micro_batch or SCORED_AT_ONCE
        with evaluating(self.policy):
            kl = self._reference_point(data, rows)
            logps = joined([self.logps(data, some, kl) for some in in_parts(rows, size)])
        found = describe_logps(logps, self.settings.beta)
        return {
            "held_out_loss": direct_loss(logps, self.settings).item(),
            "held_out_accuracy": found["accuracy"],
            "held_out_logp_chosen": found["logp_chosen"],
        }


class NoStrangers(ValueError):
    """KTO has no answers to other prompts."""


def answers_to_others(
    pool: Sequence[tuple[Any, str]], n: int, key_of: Callable[[Any], Sequence[int]]
) -> list[str]:
    """For each of the first n (prompt, answer) rows of `pool` an answer to another prompt, and another text.

    Taken from the rows that follow, so that each serves about once; what stands behind the first n rows
    comes last. key_of: prompt -> what tells prompts
    apart.

    Raises:
        NoStrangers: a row for which there is none; KTO's reference point would then rise with what is trained.
    """
    keys = [tuple(key_of(prompt)) for prompt, _ in pool]
    if len(set(keys)) < 2:
        raise NoStrangers(
            "loss 'kto' needs answers to at least two prompts: its reference point is measured on "
            "answers to other prompts"
        )
    found = []
    for i in range(n):
        others = itertools.chain(range(i + 1, n), range(i), range(n, len(pool)))
        texts = (pool[j][1] for j in others if keys[j] != keys[i] and pool[j][1] != pool[i][1])
        text = next(texts, None)
        if text is None:
            raise NoStrangers(
                f"loss 'kto' needs for each prompt another prompt's answer that is not its own; row {i} "
                f"has none: all answers to other prompts are {pool[i][1]!r}"
            )
        found.append(text)
    return found


def joined(logps: Sequence[PairLogps | UnpairedLogps]) -> PairLogps | UnpairedLogps:
    """Micro-batches of one kind and one reference point as one batch, without gradient."""
    if len(logps) == 1:
        return logps[0]
    columns = {
        name: _joined_column(name, [getattr(part, name) for part in logps])
        for name in vars(logps[0])
    }
    return type(logps[0])(**columns)


def _joined_column(name: str, parts: Sequence[Tensor | None]) -> Tensor | None:
    found = [part.detach() for part in parts if part is not None]
    if not found:
        return None
    return found[0] if name == "kl" else torch.cat(found)


def describe_logps(logps: PairLogps | UnpairedLogps, beta: float) -> dict[str, float]:
    """The metrics of a batch of either kind."""
    if isinstance(logps, UnpairedLogps):
        return describe_unpaired(logps, beta)
    return describe_pairs(logps, beta)


@torch.no_grad()
def describe_unpaired(logps: UnpairedLogps, beta: float) -> dict[str, float]:
    """Metrics of answers judged one by one.

    logp_chosen, reward_chosen: means over the desirable answers, and logp_rejected, reward_rejected over the
    others (0 where a batch has none); accuracy: share of desirable answers with a reward above
    beta z0 and of others below it; margin: the difference of the mean rewards; kl as of pairs.
    """
    drift, good = logps.policy - logps.ref, logps.desirable
    point = logps.kl if logps.kl is not None else torch.zeros(())
    above = (drift > point).float() + 0.5 * (drift == point)
    found = {"kl": -drift.mean().item()}
    for name, rows in (("chosen", good), ("rejected", ~good)):
        some = bool(rows.any())
        found[f"logp_{name}"] = logps.policy[rows].mean().item() if some else 0.0
        found[f"reward_{name}"] = beta * drift[rows].mean().item() if some else 0.0
    found["margin"] = found["reward_chosen"] - found["reward_rejected"]
    found["accuracy"] = torch.where(good, above, 1 - above).mean().item()
    return found


@torch.no_grad()
def describe_pairs(logps: PairLogps, beta: float) -> dict[str, float]:
    """The metrics of a batch that need no gradient: see `DirectTrainer.step`."""
    chosen, rejected = logps.chosen / logps.chosen_length, logps.rejected / logps.rejected_length
    found = {}
    if logps.ref_chosen is not None:
        drift = torch.stack((logps.chosen - logps.ref_chosen, logps.rejected - logps.ref_rejected))
        chosen, rejected = beta * drift
        found = {"reward_chosen": chosen, "reward_rejected": rejected, "kl": -drift}
    margin = chosen - rejected
    accuracy = (margin > 0).float() + 0.5 * (margin == 0)
    found |= {"logp_chosen": logps.chosen, "logp_rejected": logps.rejected}
    found |= {"margin": margin, "accuracy": accuracy}
    return {name: value.mean().item() for name, value in found.items()}
