"""Direct alignment: a policy from comparisons, without a reward model and without sampling.

One trainer for nine losses. The reference is asked once for each answer and then never again; chosen and
rejected answers share a forward pass; answers are tokenised once. Book: `c/08-direct-alignment`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..lm import EncodedAnswer, Policy, answer_logp, encode_answers, score_answers
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
from ..world import Preference
from .guards import optimizer_step, run_steps
from .history import History
from .progress import Progress
from .schedule import linear, set_learning_rate
from .sft import epochs_of_batches

LOSSES = ("dpo", "ipo", "cdpo", "kto", "orpo", "simpo", "rebel", "apo_zero", "apo_down")
WITHOUT_REFERENCE = ("orpo", "simpo")
LENGTH_AVERAGED = ("ipo", "orpo", "simpo")


@dataclass
class DirectSettings:
    """Settings of `train_direct`.

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
    learning_rate: float = 3e-4
    """Peak; linear warm-up, then linear decay."""
    warmup_steps: int = 10
    max_grad_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {self.loss!r}")
        for name in ("beta", "epochs", "batch_size", "learning_rate", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        for name in ("nll_weight", "gamma", "orpo_weight", "desirable_weight", "undesirable_weight",
                     "warmup_steps"):  # fmt: skip
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more; got {getattr(self, name)}")
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


def direct_loss(logps: PairLogps, settings: DirectSettings) -> Tensor:
    """The loss of a batch that `settings` ask for, from log-probabilities alone.

    With nll_weight alpha: loss + alpha * mean of -log pi(chosen) / tokens (DPO + NLL; Pang et al., 2024,
    divide by the tokens of the prompt as well). Equation: [REG-2].
    """
    s = settings
    pc, pr, rc, rr = logps.chosen, logps.rejected, logps.ref_chosen, logps.ref_rejected
    nll = -(pc / logps.chosen_length).mean()
    if s.averages:
        pc, pr = pc / logps.chosen_length, pr / logps.rejected_length
        if rc is not None:
            rc, rr = rc / logps.chosen_length, rr / logps.rejected_length
    loss = _LOSSES[s.loss](s, logps, pc, pr, rc, rr)
    return loss + s.nll_weight * nll if s.nll_weight else loss


_LOSSES = {
    "dpo": lambda s, b, pc, pr, rc, rr: dpo_loss(pc, pr, rc, rr, s.beta),
    "cdpo": lambda s, b, pc, pr, rc, rr: dpo_loss(pc, pr, rc, rr, s.beta, s.label_smoothing),
    "ipo": lambda s, b, pc, pr, rc, rr: ipo_loss(pc, pr, rc, rr, s.beta),
    "apo_zero": lambda s, b, pc, pr, rc, rr: apo_zero_loss(pc, pr, rc, rr, s.beta),
    "apo_down": lambda s, b, pc, pr, rc, rr: apo_down_loss(pc, pr, rc, rr, s.beta),
    "simpo": lambda s, b, pc, pr, rc, rr: simpo_loss(pc, pr, s.beta, s.gamma),
    "orpo": lambda s, b, pc, pr, rc, rr: orpo_loss(pc, pr, -pc, s.orpo_weight),
    "rebel": lambda s, b, pc, pr, rc, rr: rebel_loss(pc, pr, rc, rr, b.gaps, 1 / s.beta),
    "kto": lambda s, b, pc, pr, rc, rr: _kto(s, b, pc, pr, rc, rr),
}


def _kto(s: DirectSettings, batch: PairLogps, pc, pr, rc, rr) -> Tensor:
    """Chosen answers as desirable ones, rejected as undesirable; KTO does not need them in pairs."""
    policy, reference = torch.cat((pc, pr)), torch.cat((rc, rr))
    desirable = torch.arange(len(policy), device=policy.device) < len(pc)
    return kto_loss(
        policy, reference, desirable, batch.kl, s.beta, s.desirable_weight, s.undesirable_weight
    )


def train_direct(
    policy: Policy,
    pairs: Sequence[Preference],
    settings: DirectSettings | None = None,
    reference: Policy | None = None,
    held_out: Sequence[Preference] | None = None,
    evaluate_every: int = 0,
    reward: Callable[[list, list[str]], Tensor] | None = None,
) -> History:
    """Train `policy` in place on comparisons. Ties are left out.

    reference: the policy as it starts, by default. reward: (prompts, texts) -> (B,), for the reward
    gaps of REBEL; by default the gaps are the pairs' Likert scores. The history has a row a step: see
    `DirectTrainer.step`; and of held-out pairs held_out_loss, held_out_accuracy, held_out_logp_chosen
    every `evaluate_every` steps (0: at the end only).

    Raises:
        ValueError: no pairs that are not ties.
    """
    settings = settings or DirectSettings()
    trainer = DirectTrainer(policy, settings, reference, reward)
    data = trainer.prepare(pairs)
    unseen = trainer.prepare(held_out) if held_out else None
    batches = list(epochs_of_batches(len(data.chosen), settings))
    progress = Progress(settings.loss, len(batches))
    policy.model.train()

    def do_step(numbered: tuple[int, list[int]]) -> None:
        step, rows = numbered
        factor = linear(step, len(batches), settings.warmup_steps)
        row = trainer.step(data, rows, factor * settings.learning_rate)
        last = step + 1 == len(batches)
        if unseen and (last or (evaluate_every and step % evaluate_every == 0)):
            row |= trainer.evaluate(unseen)
        progress.update(step + 1, loss=row["loss"], accuracy=row["accuracy"])

    run_steps(enumerate(batches), do_step, trainer.history)
    progress.close()
    policy.model.eval()
    return trainer.history


class DirectTrainer:
    """What `train_direct` repeats: `prepare(pairs)` once, then `step(data, rows)`."""

    def __init__(self, policy, settings=None, reference=None, reward=None) -> None:
        self.policy, self.settings, self.reward = policy, settings or DirectSettings(), reward
        self.reference = reference
        if reference is None and self.settings.needs_reference:
            self.reference = policy.copy(frozen=True)
        self.optimizer = torch.optim.AdamW(
            policy.model.parameters(), self.settings.learning_rate, weight_decay=0.0
        )
        self.history, self.started = History(), time.perf_counter()

    def prepare(self, pairs: Sequence[Preference], encode: Callable | None = None) -> PairData:
        """Tokenise comparisons and ask the reference about them, once.

        encode: (prompts, texts) -> answers, in place of `encode_answers` with the policy's tokenizer.

        Raises:
            ValueError: no pairs that are not ties.
        """
        pairs = [pair for pair in pairs if not pair.tie]
        if not pairs:
            raise ValueError("pairs must hold at least one comparison that is not a tie")
        encode = encode or functools.partial(encode_answers, self.policy)
        prompts = [pair.prompt for pair in pairs]
        chosen_texts, rejected_texts = [p.chosen for p in pairs], [p.rejected for p in pairs]
        chosen, rejected = encode(prompts, chosen_texts), encode(prompts, rejected_texts)
        data = PairData(chosen, rejected, None, self._gaps(pairs))
        if self.reference is not None:
            ref = score_answers(self.reference, chosen + rejected)
            data.ref = torch.stack(ref.split(len(pairs)), dim=1)
        if self.settings.loss == "kto":
            others = chosen_texts[1:] + chosen_texts[:1]
            data.strangers = encode(prompts, others)
            data.stranger_ref = score_answers(self.reference, data.strangers)
        return data

    def _gaps(self, pairs: Sequence[Preference]) -> Tensor:
        """Reward of the chosen minus that of the rejected answers (n,)."""
        if self.reward is None:
            return torch.tensor([pair.margin for pair in pairs], device=self.policy.device)
        prompts = [pair.prompt for pair in pairs]
        texts = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        first, second = self.reward(prompts * 2, texts).to(self.policy.device).split(len(pairs))
        return first - second

    def step(
        self, data: PairData, rows: Sequence[int], learning_rate: float | None = None
    ) -> dict[str, float]:
        """One update on these rows of `data`; logs and returns its metrics, from before the update.

        loss; logp_chosen, logp_rejected (sequence sums, nats); with a reference reward_chosen,
        reward_rejected (beta log pi / pi_ref), margin, accuracy (share of positive margins) and kl
        (mean of log pi_ref - log pi over both answers: KL(reference || policy), if the reference wrote
        them); without one, margin and accuracy are of the means over tokens, as ORPO and SimPO compare
        them; grad_norm, seconds.

        Raises:
            guards.NonFiniteError: the loss or its gradient is not a number.
        """
        if learning_rate is not None:
            set_learning_rate(self.optimizer, learning_rate)
        logps = self.logps(data, rows)
        loss, where = direct_loss(logps, self.settings), f"step {len(self.history.rows)}"
        norm = optimizer_step(loss, self.optimizer, self.settings.max_grad_norm, where)
        metrics = {"loss": loss.item(), **describe_pairs(logps, self.settings.beta)}
        seconds = time.perf_counter() - self.started
        self.history.log(len(self.history.rows), **metrics, grad_norm=norm, seconds=seconds)
        return self.history.rows[-1]

    def logps(self, data: PairData, rows: Sequence[int]) -> PairLogps:
        """Log-probabilities of a batch, in one forward pass over chosen and rejected answers."""
        rows = list(rows)
        answers = [data.chosen[i] for i in rows] + [data.rejected[i] for i in rows]
        chosen, rejected = answer_logp(self.policy, answers).split(len(rows))
        lengths = chosen.new_tensor([answer.length for answer in answers])
        ref = (None, None) if data.ref is None else data.ref[rows].unbind(1)
        kl = self._reference_point(data, rows) if self.settings.loss == "kto" else None
        return PairLogps(chosen, rejected, *ref, *lengths.split(len(rows)), data.gaps[rows], kl)

    @torch.no_grad()
    def _reference_point(self, data: PairData, rows: list[int]) -> Tensor:
        """KTO's z0: mean log pi / pi_ref of answers to other prompts, at least 0."""
        logp = answer_logp(self.policy, [data.strangers[i] for i in rows])
        return (logp - data.stranger_ref[rows]).mean().clamp(min=0)

    @torch.no_grad()
    def evaluate(self, data: PairData) -> dict[str, float]:
        """Loss, accuracy and mean log-probability of the chosen answers on unseen comparisons."""
        logps = self.logps(data, range(len(data.chosen)))
        found = describe_pairs(logps, self.settings.beta)
        return {
            "held_out_loss": direct_loss(logps, self.settings).item(),
            "held_out_accuracy": found["accuracy"],
            "held_out_logp_chosen": found["logp_chosen"],
        }


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
