"""The losses of direct alignment, from log-probabilities alone, and what is logged about a batch.

Book: `c/08-direct-alignment`. All tensors are (B,): sums over an answer's tokens, in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

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
from .checks import check_settings

LOSSES = ("dpo", "ipo", "cdpo", "kto", "orpo", "simpo", "rebel", "apo_zero", "apo_down")
WITHOUT_REFERENCE = ("orpo", "simpo")
LENGTH_AVERAGED = ("ipo", "orpo", "simpo")


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
    """kto only."""
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
        if batch.gaps is None:
            raise ValueError("loss 'rebel' needs gaps, how much better the chosen answers are")
        return rebel_loss(pc, pr, rc, rr, batch.gaps, 1 / s.beta)
    if s.loss == "kto":  # chosen answers as desirable ones; KTO does not need them in pairs
        desirable = torch.arange(2 * len(pc), device=pc.device) < len(pc)
        return _kto(torch.cat((pc, pr)), torch.cat((rc, rr)), desirable, batch.kl, s)
    return _without_reference(pc, pr, s)


def _kto(
    policy: Tensor, ref: Tensor, desirable: Tensor, kl: Tensor | None, s: DirectSettings
) -> Tensor:
    if kl is None:
        raise ValueError("loss 'kto' needs kl, its reference point")
    weights = (s.desirable_weight, s.undesirable_weight)
    return kto_loss(policy, ref, desirable, kl, s.beta, *weights)


def joined(logps: Sequence[PairLogps | UnpairedLogps]) -> PairLogps | UnpairedLogps:
    """Micro-batches of one kind and one reference point as one batch, without gradient."""
    if len(logps) == 1:
        return logps[0]
    columns: dict[str, Any] = {
        name: _joined_column(name, [getattr(part, name) for part in logps])
        for name in vars(logps[0])
    }
    return replace(logps[0], **columns)


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

    logp_chosen, reward_chosen: means over the desirable answers, and logp_rejected, reward_rejected over
    the others, where a batch has both margin, the difference of the rewards; accuracy: share of desirable
    answers with a reward above beta z0 and of others below it; kl as of pairs.
    """
    drift, good = logps.policy - logps.ref, logps.desirable
    point = logps.kl if logps.kl is not None else torch.zeros(())
    above = (drift > point).float() + 0.5 * (drift == point)
    found = {"kl": -drift.mean().item()}
    for name, rows in (("chosen", good), ("rejected", ~good)):
        if bool(rows.any()):
            found[f"logp_{name}"] = logps.policy[rows].mean().item()
            found[f"reward_{name}"] = beta * drift[rows].mean().item()
    if "reward_chosen" in found and "reward_rejected" in found:
        found["margin"] = found["reward_chosen"] - found["reward_rejected"]
    found["accuracy"] = torch.where(good, above, 1 - above).mean().item()
    return found


@torch.no_grad()
def describe_pairs(logps: PairLogps, beta: float) -> dict[str, float]:
    """The metrics of a batch that need no gradient: see `DirectTrainer.step`."""
    chosen, rejected = logps.chosen / logps.chosen_length, logps.rejected / logps.rejected_length
    found = {}
    if logps.ref_chosen is not None and logps.ref_rejected is not None:
        drift = torch.stack((logps.chosen - logps.ref_chosen, logps.rejected - logps.ref_rejected))
        chosen, rejected = beta * drift
        found = {"reward_chosen": chosen, "reward_rejected": rejected, "kl": -drift}
    margin = chosen - rejected
    accuracy = (margin > 0).float() + 0.5 * (margin == 0)
    found |= {"logp_chosen": logps.chosen, "logp_rejected": logps.rejected}
    found |= {"margin": margin, "accuracy": accuracy}
    return {name: value.mean().item() for name, value in found.items()}
