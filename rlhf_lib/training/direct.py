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
from typing import Any, cast

import torch
from torch import Tensor

from ..lm import EncodedAnswer, Policy, answer_logp, encode_answers, score_answers
from ..lm.modes import evaluating, without_dropout
from ..rewards.protocol import Reward, score
from ..world import Preference, Unpaired
from .alarms import look, warn_of_learning_rate
from .checkpoint import Checkpoint, digest, of_reference
from .direct_losses import (
    LENGTH_AVERAGED,
    LOSSES,
    WITHOUT_REFERENCE,
    DirectSettings,
    PairLogps,
    UnpairedLogps,
    describe_logps,
    describe_pairs,
    describe_unpaired,
    direct_loss,
    joined,
)
from .examples import are_unpaired, as_row, with_flaws_noted, without_ties
from .history import History
from .loop import Part, adamw, in_parts, is_due, run_training, update_in_parts
from .rows import as_preferences, as_unpaired
from .schedule import linear, set_learning_rate
from .sft import epochs_of_batches

__all__ = [
    "DirectSettings",
    "DirectTrainer",
    "LENGTH_AVERAGED",
    "LOSSES",
    "NoStrangers",
    "PairData",
    "PairLogps",
    "UnpairedData",
    "UnpairedLogps",
    "WITHOUT_REFERENCE",
    "describe_logps",
    "describe_pairs",
    "describe_unpaired",
    "direct_loss",
    "train_direct",
]

SCORED_AT_ONCE = 64
"""Comparisons in one forward pass of a measurement, where no micro-batch says otherwise."""

Encode = Callable[[list, list[str]], list[EncodedAnswer]]


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
    fixed, facts = of_reference(trainer.reference, reference)
    facts["pairs"] = lambda: digest(map(as_row, examples))
    kept = Checkpoint(
        checkpoint, checkpoint_every, settings, history, trainer.parts(),
        fixed, facts,
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
    if settings.nll_weight or settings.length_average:
        raise ValueError("nll_weight and length_average are for pairs of answers")
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
        self.optimizer = adamw(policy.model, self.settings)
        self.history = History()
        warn_of_learning_rate(self.history, policy.model, self.settings.learning_rate)

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps besides the history."""
        return {"policy": self.policy.model, "optimizer": self.optimizer}

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
        judged = [example for example in pairs if isinstance(example, Unpaired)]
        if judged:
            return self._prepare_unpaired(judged, encode, others)
        return self._prepare_pairs(without_ties(cast(Any, pairs)), encode, others)

    def _prepare_pairs(
        self, pairs: Sequence[Preference], encode: Encode, others: Sequence[tuple]
    ) -> PairData:
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
    def _ask(self, policy: Policy | None, answers: Sequence[EncodedAnswer]) -> Tensor:
        """log pi(answer | prompt) (n,), without dropout and gradient, answers of like length together."""
        if policy is None:
            raise ValueError(f"loss {self.settings.loss!r} needs a reference")
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
        look(self.history, self.settings.max_grad_norm)
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
        first, second = (None, None) if data.ref is None else data.ref[rows].unbind(1)
        counts, others = lengths.split(len(rows))
        return PairLogps(chosen, rejected, first, second, counts, others, data.gaps[rows], kl)

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
        wanted = [name for name in ("accuracy", "logp_chosen") if name in found]
        loss = direct_loss(logps, self.settings).item()
        return {"held_out_loss": loss, **{f"held_out_{name}": found[name] for name in wanted}}


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
