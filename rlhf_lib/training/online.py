"""The one online loop: sample, score, weigh, update. Its settings make it any of eight algorithms.

Book: `c/06-policy-gradients`. Left out: several devices, a separate inference engine, a decaying
learning rate.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..lm import Policy, Rollout
from ..objectives import (
    AdaptiveKL,
    gae,
    group_advantages,
    kl_estimate,
    masked_aggregate,
    policy_loss,
    rloo_advantages,
    value_loss,
    whiten,
)
from ..rewards import ValueModel, last_token
from .guards import check_finite, optimizer_step, run_steps
from .history import History
from .pretrain import next_token_loss
from .progress import Progress
from .schedule import set_learning_rate
from .settings import OnlineSettings


@dataclass
class Batch:
    """A scored rollout, ready for updates. Tensors (B,) or (B, T)."""

    rollout: Rollout
    old_logp: Tensor
    ref_logp: Tensor
    advantages: Tensor
    old_values: Tensor | None = None
    returns: Tensor | None = None

    def select(self, rows: Tensor) -> Batch:
        """These rows, with the columns of `Rollout.select`."""
        rollout = self.rollout.select(rows)
        width = rollout.completion_mask.shape[1]

        def part(x: Tensor | None) -> Tensor | None:
            return x if x is None else (x[rows] if x.ndim == 1 else x[rows, :width])

        fields = (self.old_logp, self.ref_logp, self.advantages, self.old_values, self.returns)
        return Batch(rollout, *(part(x) for x in fields))


def train_online(
    policy: Policy,
    prompts: Sequence,
    reward: Callable[[Rollout], Tensor],
    settings: OnlineSettings | None = None,
    gold: Callable[[Rollout], Tensor] | None = None,
    reference: Policy | None = None,
    pretraining: Iterator[Tensor] | None = None,
) -> History:
    """Train `policy` in place to raise `reward` on `prompts`.

    gold: another reward that is measured and never trained on. reference: the policy that KL is
    measured to; the policy as it starts, by default. pretraining: an endless stream of rows (B, T + 1) of
    token ids, such as `packed_rows(policy, documents, 8, 64)`, for a pretraining_coefficient above 0
    (PPO-ptx; its loss is logged as pretraining_loss). The history has a row a step: proxy (mean reward), gold, kl (sequence KL in nats, k1), kl_k3, entropy, length, finished, clip_fraction,
    ratio_min, ratio_max, approx_kl, loss, grad_norm, zero_variance_groups, kl_coefficient, seconds;
    with a value model also value_loss and explained_variance.

    Raises:
        ValueError: no prompts; a pretraining_coefficient without a stream to go with it.
    """
    trainer = OnlineTrainer(policy, prompts, reward, settings, gold, reference, pretraining)
    progress = Progress("policy", trainer.settings.steps)

    def do_step(step: int) -> None:
        row = trainer.step()
        shown = {name: row[name] for name in ("proxy", "gold", "kl") if name in row}
        progress.update(step + 1, **shown)

    run_steps(range(trainer.settings.steps), do_step, trainer.history)
    progress.close()
    return trainer.history


class OnlineTrainer:
    """What `train_online` repeats: `step()` does one round and returns its row of metrics."""

    def __init__(
        self, policy, prompts, reward, settings=None, gold=None, reference=None, pretraining=None
    ) -> None:
        if len(prompts) == 0:
            raise ValueError("prompts must hold at least one prompt")
        self.settings = settings = settings or OnlineSettings()
        self.pretraining = pretraining
        if settings.pretraining_coefficient and pretraining is None:
            raise ValueError(
                "pretraining_coefficient needs pretraining: a stream of rows of token ids"
            )
        self.policy, self.prompts, self.reward, self.gold = policy, list(prompts), reward, gold
        self.reference = reference or policy.reference()
        self.optimizer = _adamw(policy.model, settings.learning_rate)
        self.value_model = ValueModel(policy) if settings.advantage == "gae" else None
        if self.value_model is not None:
            self.value_optimizer = _adamw(self.value_model, settings.value_learning_rate)
        self.kl_control = None
        if settings.kl_target is not None:
            start = settings.kl_coefficient or 0.05
            self.kl_control = AdaptiveKL(settings.kl_target, settings.kl_horizon, start)
        self.sampler = policy.copy(frozen=True) if settings.staleness else policy
        self.past_weights: deque = deque(maxlen=settings.staleness + 1)
        self.rng = random.Random(settings.seed)
        self.generator = torch.Generator().manual_seed(settings.seed)  # of the mini-batches
        self.history, self.started = History(), time.perf_counter()

    @property
    def kl_coefficient(self) -> float:
        """beta as it stands."""
        return self.kl_control.coefficient if self.kl_control else self.settings.kl_coefficient

    def step(self) -> dict[str, float]:
        """One round. Raises `guards.NonFiniteError` on rewards or losses that are not numbers."""
        rollout = self.collect()
        rewards = self.score(rollout)
        batch = self.prepare(rollout, rewards)
        metrics = self.describe(rollout, rewards, batch)
        metrics |= self.update(batch)
        if self.kl_control:
            self.kl_control.update(metrics["kl"], rollout.batch_size)
        seconds = time.perf_counter() - self.started
        self.history.log(len(self.history.rows), **metrics, seconds=seconds)
        self._keep_sample(rollout, rewards)
        return self.history.rows[-1]

    # --- 1. sample
    def collect(self) -> Rollout:
        """Completions from the sampler, whose weights may be `staleness` rounds old."""
        s = self.settings
        if s.staleness:
            weights = self.policy.model.state_dict()
            self.past_weights.append({k: v.detach().clone() for k, v in weights.items()})
            self.sampler.model.load_state_dict(self.past_weights[0])
        count = min(s.prompts_per_step, len(self.prompts))
        return self.sampler.sample(
            self.rng.sample(self.prompts, count),
            s.samples_per_prompt,
            s.max_new_tokens,
            s.temperature,
            seed=self.rng.randrange(2**31),
        )

    # --- 2. score
    @torch.no_grad()
    def score(self, rollout: Rollout) -> Tensor:
        """Rewards (B,), checked."""
        rewards = self.reward(rollout).float()
        cause = "the reward function; look at the texts it was given"
        check_finite(rewards, f"the reward of batch {len(self.history.rows)}", cause)
        return rewards

    # --- 3. weigh
    @torch.no_grad()
    def prepare(self, rollout: Rollout, rewards: Tensor) -> Batch:
        """Reference and old log-probabilities, penalties, advantages."""
        s = self.settings
        ref_logp = self.reference.logprobs(rollout)
        rescore = s.staleness > 0 and s.tis_cap is not None
        old_logp = self.policy.logprobs(rollout) if rescore else rollout.logp
        rewards = rewards - s.overlong_penalty * overlong(rollout, s.max_new_tokens)
        beta = self.kl_coefficient if s.kl_in == "reward" else 0.0
        token_kl = kl_estimate(rollout.logp, ref_logp, "k1")
        batch = Batch(rollout, old_logp, ref_logp, rewards - beta * token_kl.sum(1))
        if self.value_model is None:
            batch.advantages = response_advantages(batch.advantages, s)
        else:
            token_rewards = at_last_token(rewards, rollout.completion_mask) - beta * token_kl
            batch.old_values = self.value_model.token_scores(rollout)
            batch.advantages, batch.returns = gae(
                token_rewards, batch.old_values, rollout.completion_mask, s.gamma, s.lam
            )
            if s.whiten_advantages:
                batch.advantages = whiten(batch.advantages, rollout.completion_mask)
        return batch

    # --- 4. update
    def update(self, batch: Batch) -> dict[str, float]:
        """Epochs of mini-batches; metrics are means over them (extremes for the ratio's range)."""
        s, rows = self.settings, self._kept_rows(batch)
        warm = min(1.0, (len(self.history.rows) + 1) / max(1, s.warmup_steps))
        set_learning_rate(self.optimizer, warm * s.learning_rate)
        found = []
        for _ in range(s.epochs):
            order = rows[torch.randperm(len(rows), generator=self.generator)]
            for part in order.chunk(s.minibatches):
                found.append(self._minibatch(batch.select(part)))
        merged = {name: sum(m[name] for m in found) / len(found) for name in found[0]}
        merged["ratio_min"] = min(m["ratio_min"] for m in found)
        merged["ratio_max"] = max(m["ratio_max"] for m in found)
        return merged

    def _minibatch(self, batch: Batch) -> dict[str, float]:
        s, mask = self.settings, batch.rollout.completion_mask
        logp, entropy = self.policy.logprobs(batch.rollout, with_entropy=True)
        use_tis = s.tis_cap is not None
        loss, metrics = policy_loss(
            logp,
            batch.old_logp,
            batch.advantages,
            mask,
            s.algorithm,
            s.aggregate,
            s.clip_low,
            s.clip_high,
            max_length=s.max_new_tokens,
            sampler_logp=batch.rollout.sampler_logp if use_tis else None,
            tis_cap=s.tis_cap if use_tis else 2.0,
            entropy=entropy.detach(),
        )
        if s.kl_in == "loss" and self.kl_coefficient:
            token_kl = kl_estimate(logp, batch.ref_logp, s.kl_kind)
            loss = loss + self.kl_coefficient * masked_aggregate(
                token_kl, mask, s.aggregate, s.max_new_tokens
            )
        if s.entropy_bonus:
            loss = loss - s.entropy_bonus * masked_aggregate(entropy, mask, "token")
        if s.pretraining_coefficient:
            remembered = next_token_loss(self.policy, next(self.pretraining))
            metrics["pretraining_loss"] = remembered.item()
            loss = loss + s.pretraining_coefficient * remembered
        where = f"batch {len(self.history.rows)}"
        metrics["loss"] = loss.item()
        if self.value_model is not None:
            metrics |= self._value_step(batch, where)
        if self.value_model is None or len(self.history.rows) >= s.value_warmup:
            metrics["grad_norm"] = optimizer_step(loss, self.optimizer, s.max_grad_norm, where)
        else:
            metrics["grad_norm"] = 0.0
        return metrics

    def _value_step(self, batch: Batch, where: str) -> dict[str, float]:
        s, mask = self.settings, batch.rollout.completion_mask
        values = self.value_model.token_scores(batch.rollout)
        loss = value_loss(values, batch.old_values, batch.returns, mask, s.value_clip)
        optimizer_step(loss, self.value_optimizer, s.max_grad_norm, f"the value model, {where}")
        inside = mask.bool()
        error = (batch.returns - values.detach())[inside].var()
        explained = 1 - error / batch.returns[inside].var().clamp(min=1e-8)
        return {"value_loss": loss.item(), "explained_variance": explained.item()}

    # --- 5. describe
    @torch.no_grad()
    def describe(self, rollout: Rollout, rewards: Tensor, batch: Batch) -> dict[str, float]:
        """What a practitioner watches, before the update."""
        token_kl, mask = kl_estimate(rollout.logp, batch.ref_logp, "k1"), rollout.completion_mask
        k3 = kl_estimate(rollout.logp, batch.ref_logp, "k3") * mask
        metrics = {
            "proxy": rewards.mean().item(),
            "kl": token_kl.sum(1).mean().item(),
            "kl_k3": k3.sum(1).mean().item(),
            "length": rollout.lengths.mean().item(),
            "finished": rollout.finished.float().mean().item(),
            "zero_variance_groups": (self._group_spread(rewards) == 0).float().mean().item(),
            "kl_coefficient": self.kl_coefficient,
        }
        if self.gold is not None:
            gold = self.gold(rollout)
            metrics |= {"gold": gold.mean().item(), "gold_sd": gold.std().item()}
        return metrics

    def _group_spread(self, rewards: Tensor) -> Tensor:
        groups = rewards.view(-1, self.settings.samples_per_prompt)
        return groups.max(1).values - groups.min(1).values

    def _kept_rows(self, batch: Batch) -> Tensor:
        rows = torch.arange(batch.rollout.batch_size)
        if not self.settings.drop_zero_variance_groups:
            return rows
        kept = rows[(batch.advantages != 0).cpu()]
        return kept if len(kept) >= self.settings.minibatches else rows

    def _keep_sample(self, rollout: Rollout, rewards: Tensor) -> None:
        step = len(self.history.rows) - 1
        if step % 10 == 0 or step + 1 == self.settings.steps:
            prompt = rollout.prompts[0]
            self.history.samples.append(
                {
                    "step": step,
                    "prompt": getattr(prompt, "text", str(prompt)),
                    "text": rollout.texts[0],
                    "proxy": rewards[0].item(),
                }
            )


def response_advantages(rewards: Tensor, settings: OnlineSettings) -> Tensor:
    """Advantages (B,) of whole completions from rewards (B,), prompt-major groups of G."""
    if settings.advantage == "none":
        return rewards
    if settings.advantage == "batch":
        return rewards - rewards.mean()
    groups = rewards.view(-1, settings.samples_per_prompt)
    if settings.advantage == "rloo":
        return rloo_advantages(groups).flatten()
    return group_advantages(
        groups, scale="group" if settings.advantage == "group" else "none"
    ).flatten()


def at_last_token(rewards: Tensor, mask: Tensor) -> Tensor:
    """(B,) rewards placed on the last completion token of each row: (B, T)."""
    placed = torch.zeros_like(mask)
    placed[torch.arange(len(mask), device=mask.device), last_token(mask)] = rewards
    return placed


def overlong(rollout: Rollout, max_new_tokens: int) -> Tensor:
    """0 up to three quarters of the length limit, then linearly to 1 at the limit, (B,)."""
    buffer = max_new_tokens / 4
    return ((rollout.lengths - (max_new_tokens - buffer)) / buffer).clamp(0, 1)


def _adamw(module: torch.nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), learning_rate, weight_decay=0.0)
