"""The one online loop: sample, score, weigh, update. Its settings make it any of eight algorithms.

Book: `c/06-policy-gradients`. Left out: several devices, a separate inference engine, a decaying
learning rate.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..lm import Policy, Rollout, evaluating, without_dropout
from ..objectives import (
    AdaptiveKL,
    kl_estimate,
    masked_aggregate,
    policy_loss,
    value_loss,
    weighted_kl,
)
from ..rewards import Reward, ValueModel, last_request, score
from ..runtime import compute_dtype
from .alarms import look, warn_of_learning_rate
from .batch import (
    Batch,
    in_rows,
    kept_rows,
    merged,
    penalties,
    response_advantages,
    share,
    token_advantages,
    without_spread,
)
from .checkpoint import Checkpoint, CountedStream, digest, of_reference
from .guards import apply_gradients, backward
from .history import History
from .loop import run_training
from .pretrain import next_token_loss
from .schedule import set_learning_rate
from .settings import OnlineSettings


def train_online(
    policy: Policy,
    prompts: Sequence,
    reward: Reward,
    settings: OnlineSettings | None = None,
    gold: Reward | None = None,
    reference: Policy | None = None,
    pretraining: Iterator[Tensor] | None = None,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
) -> History:
    """Train `policy` in place to raise `reward` on `prompts`.

    reward: see `rewards.protocol`. gold: another reward that is measured and never trained on.
    reference: the policy that KL is measured to; the policy as it starts, by default. pretraining: an
    endless stream of rows (B, T + 1) of token ids, such as `packed_rows(policy, documents, 8, 64)`, for
    a pretraining_coefficient above 0 (PPO-ptx; its loss is logged as pretraining_loss). prompts may be
    rows of data with a column prompt or messages; rewards see the whole row. checkpoint: a folder; the
    same call on it goes on where a killed run was (see `training.checkpoint`), with `pretraining` anew
    from its beginning.

    The history has a row a step: proxy (mean reward), gold, kl (sequence KL in nats, k1, at the sampling
    temperature), kl_k3, entropy, length, finished, clip_fraction, ratio_min, ratio_max, approx_kl, loss,
    grad_norm, zero_variance_groups, kl_coefficient, seconds; with a value model also value_loss and
    explained_variance. Where no answer is left in the loss (`drop_zero_variance_groups`), loss and
    grad_norm are 0 and the metrics of the update are missing. `warnings`: see `alarms`.

    Raises:
        ValueError: no prompts; a frozen policy; a reward that does not give one number for each answer; a
            pretraining_coefficient without a stream to go with it; a checkpoint of another run.
    """
    trainer = OnlineTrainer(policy, prompts, reward, settings, gold, reference, pretraining)
    s, history = trainer.settings, trainer.history
    fixed, facts = of_reference(trainer.reference, reference)
    facts["prompts"] = lambda: digest((prompt,) for prompt in trainer.prompts)
    kept = Checkpoint(checkpoint, checkpoint_every, s, history, trainer.parts(), fixed, facts)
    shown = ("proxy", "gold", "kl")
    return run_training("policy", s.steps, lambda _: trainer.step(), history, kept, shown)


class OnlineTrainer:
    """What `train_online` repeats: `step()` does one round and returns its row of metrics."""

    def __init__(
        self,
        policy: Policy,
        prompts: Sequence,
        reward: Reward,
        settings: OnlineSettings | None = None,
        gold: Reward | None = None,
        reference: Policy | None = None,
        pretraining: Iterator[Tensor] | None = None,
    ) -> None:
        self.settings = s = settings or OnlineSettings()
        self.policy, self.prompts = policy, list(prompts)
        self.reward, self.gold = reward, gold
        self.pretraining = CountedStream(pretraining) if pretraining is not None else None
        self._check()
        self.reference = reference or policy.reference()
        self.optimizer = _adamw(policy.model, s.learning_rate, s.weight_decay)
        self.value_model: ValueModel | None = None
        self.value_optimizer: torch.optim.Optimizer | None = None
        if s.advantage == "gae":
            self.value_model = ValueModel(policy)
            self.value_optimizer = _adamw(self.value_model, s.value_learning_rate, s.weight_decay)
        self.kl_control: AdaptiveKL | None = None
        if s.kl_target is not None:
            self.kl_control = AdaptiveKL(s.kl_target, s.kl_horizon, s.kl_coefficient)
        self.sampler = policy.copy(frozen=True) if s.staleness else policy
        self.past_weights: deque[dict[str, Tensor]] = deque(maxlen=s.staleness + 1)
        self.rng = random.Random(s.seed)
        self.generator = torch.Generator().manual_seed(s.seed)  # of the mini-batches
        self.history = History()
        warn_of_learning_rate(self.history, policy.model, s.learning_rate)

    def _check(self) -> None:
        s, count = self.settings, len(self.prompts)
        if count == 0:
            raise ValueError("prompts must hold at least one prompt")
        if s.pretraining_coefficient and self.pretraining is None:
            raise ValueError(
                "pretraining_coefficient needs pretraining: a stream of rows of token ids"
            )
        if s.advantage == "batch" and min(count, s.prompts_per_step) * s.samples_per_prompt < 2:
            raise ValueError("prompts must hold two or more for advantage 'batch' with one answer to "
                             "each: an answer alone is its own mean")  # fmt: skip

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps besides the history."""
        return {
            "policy": self.policy.model,
            "optimizer": self.optimizer,
            "value_model": self.value_model,
            "value_optimizer": self.value_optimizer,
            "kl_control": self.kl_control,
            "past_weights": self.past_weights,
            "prompts_and_seeds": self.rng,
            "minibatches": self.generator,
            "pretraining": self.pretraining,
        }

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
        self.history.log(len(self.history.rows), **metrics, seconds=self.history.seconds())
        self._keep_sample(rollout, rewards)
        look(self.history, self.settings.max_grad_norm)
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
    def score(self, rollout: Rollout) -> Tensor:
        """Rewards (B,), checked."""
        return score(self.reward, rollout, f"the reward of batch {len(self.history.rows)}")

    # --- 3. weigh
    @torch.no_grad()
    def prepare(self, rollout: Rollout, rewards: Tensor) -> Batch:
        """Reference and old log-probabilities, penalties, advantages."""
        s, mask = self.settings, rollout.loss_mask
        with evaluating(self.policy, self.reference, self.value_model):
            ref_logp = self._logp(self.reference, rollout)
            fresh, rescore = self._old_policy()
            old_logp = self._logp(self.policy, rollout) if rescore else rollout.sampler_logp
            batch = Batch(rollout, rewards, old_logp, ref_logp, rewards, fresh=fresh)
            if self.value_model is not None:
                batch.old_values = in_rows(self.value_model.token_scores, rollout, s.micro_batch)
        shaped = rewards - penalties(rollout, s)
        beta = self.kl_coefficient if s.kl_in == "reward" else 0.0
        token_kl = beta * self._token_kl(batch)
        if batch.old_values is None:
            batch.advantages = response_advantages(shaped - token_kl.sum(1), s)
        else:
            batch.advantages, batch.returns = token_advantages(
                shaped, token_kl, batch.old_values, mask, s
            )
        return batch

    def _logp(self, policy: Policy, rollout: Rollout) -> Tensor:
        """(B, T), at the temperature of sampling, without gradient."""
        temperature = self.settings.temperature
        return in_rows(
            lambda part: policy.logprobs(part, temperature=temperature),
            rollout,
            self.settings.micro_batch,
        )

    def _token_kl(self, batch: Batch) -> Tensor:
        """k1 (B, T) of what drew the tokens to the reference; 0 on tokens that the policy did not write."""
        token_kl = kl_estimate(batch.rollout.sampler_logp, batch.ref_logp, "k1")
        return token_kl * batch.rollout.loss_mask

    def _old_policy(self) -> tuple[bool, bool]:
        """Whether the policy as it stands is the old policy, and whether it has to score the batch anew.

        The old policy is what drew the tokens; with a cap of truncated importance sampling, the policy
        at the start of the round. The sampler's own log-probabilities serve for the second update and
        later ones, unless they come from other weights or from 16-bit arithmetic that rounds otherwise.
        """
        s = self.settings
        stale = len(self.past_weights) > 1
        fresh = not stale or s.tis_cap is not None
        weights = next(self.policy.model.parameters()).dtype
        rounded = {weights, compute_dtype(self.policy.device)} != {torch.float32}
        return fresh, fresh and (stale or rounded) and s.epochs * s.minibatches > 1

    # --- 4. update
    def update(self, batch: Batch) -> dict[str, float]:
        """Epochs of mini-batches; metrics are means over them (extremes for the ratio's range)."""
        s, rows = self.settings, kept_rows(batch, self.settings)
        warm = min(1.0, (len(self.history.rows) + 1) / max(1, s.warmup_steps))
        set_learning_rate(self.optimizer, warm * s.learning_rate)
        if len(rows) == 0:
            return {"loss": 0.0, "grad_norm": 0.0}
        found: list[dict[str, float]] = []
        with without_dropout(self.policy, self.value_model):
            for _ in range(s.epochs):
                order = rows[torch.randperm(len(rows), generator=self.generator)]
                for part in order.chunk(s.minibatches):
                    small = batch.select(part)
                    small.fresh = batch.fresh and not found
                    found.append(self._minibatch(small))
        return merged(found, [1.0] * len(found))

    def _minibatch(self, batch: Batch) -> dict[str, float]:
        """One update of the policy, and of the value model if there is one."""
        s, where = self.settings, f"batch {len(self.history.rows)}"
        learns = self.value_model is None or len(self.history.rows) >= s.value_warmup
        parts = list(batch.micro_batches(s.micro_batch))
        self.optimizer.zero_grad(set_to_none=True)
        found, loss = [], 0.0
        for part in parts:
            with torch.set_grad_enabled(learns):
                part_loss, metrics = self._loss(part, batch)
            loss += part_loss.item()
            found.append(metrics)
            if learns:
                backward(part_loss, where)
        metrics = merged(found, [part.tokens for part in parts])
        if s.pretraining_coefficient:
            remembered = next_token_loss(self.policy, next(self.pretraining))  # type: ignore[arg-type]
            metrics["pretraining_loss"] = remembered.item()
            loss += s.pretraining_coefficient * remembered.item()
            if learns:
                backward(s.pretraining_coefficient * remembered, where)
        if self.value_model is not None:
            metrics |= self._value_step(parts, batch, where)
        norm = apply_gradients(self.optimizer, s.max_grad_norm, where) if learns else 0.0
        return metrics | {"loss": loss, "grad_norm": norm}

    def _loss(self, part: Batch, whole: Batch) -> tuple[Tensor, dict[str, float]]:
        """The loss of a micro-batch, weighed by its share of the batch, and its metrics."""
        s, mask = self.settings, part.rollout.loss_mask
        logp, entropy = self.policy.logprobs(
            part.rollout, temperature=s.temperature, with_entropy=True
        )
        old_logp = logp.detach() if part.fresh else part.old_logp
        use_tis = s.tis_cap is not None
        loss, metrics = policy_loss(
            logp,
            old_logp,
            part.advantages,
            mask,
            s.algorithm,
            s.aggregate,
            s.clip_low,
            s.clip_high,
            max_length=s.max_new_tokens,
            sampler_logp=part.rollout.sampler_logp if use_tis else None,
            tis_cap=s.tis_cap if use_tis else 2.0,  # type: ignore[arg-type]
            entropy=entropy.detach(),
        )
        if s.kl_in == "loss" and self.kl_coefficient:
            token_kl = _kl_for_loss(logp, old_logp, part.ref_logp, s.kl_kind)
            kl = masked_aggregate(token_kl, mask, s.aggregate, s.max_new_tokens)
            loss = loss + self.kl_coefficient * kl
        loss = share(part, whole, s.aggregate) * loss
        if s.entropy_bonus:
            bonus = s.entropy_bonus * masked_aggregate(entropy, mask, "token")
            loss = loss - share(part, whole, "token") * bonus
        return loss, metrics

    def _value_step(self, parts: list[Batch], whole: Batch, where: str) -> dict[str, float]:
        """One update of the value model, on the same micro-batches."""
        s, found = self.settings, []
        where = f"the value model, {where}"
        if self.value_model is None or self.value_optimizer is None:
            return {}
        self.value_optimizer.zero_grad(set_to_none=True)
        for part in parts:
            mask = part.rollout.loss_mask
            values = self.value_model.token_scores(part.rollout)
            loss = value_loss(values, part.old_values, part.returns, mask, s.value_clip)  # type: ignore[arg-type]
            backward(share(part, whole, "token") * loss, where)
            inside = mask.bool()
            found.append((loss.item(), part.returns[inside], values.detach()[inside]))  # type: ignore[index]
        apply_gradients(self.value_optimizer, s.max_grad_norm, where)
        losses, returns, values = zip(*found, strict=True)
        returns, values = torch.cat(returns), torch.cat(values)
        explained = 1 - (returns - values).var() / returns.var().clamp(min=1e-8)
        weighed = zip(parts, losses, strict=True)
        value = sum(share(part, whole, "token") * loss for part, loss in weighed)
        return {"value_loss": value, "explained_variance": explained.item()}

    # --- 5. describe
    @torch.no_grad()
    def describe(self, rollout: Rollout, rewards: Tensor, batch: Batch) -> dict[str, float]:
        """What a practitioner watches, before the update."""
        k3 = kl_estimate(rollout.sampler_logp, batch.ref_logp, "k3") * rollout.loss_mask
        equal = without_spread(rewards, self.settings.samples_per_prompt)
        metrics = {
            "proxy": rewards.mean().item(),
            "kl": self._token_kl(batch).sum(1).mean().item(),
            "kl_k3": k3.sum(1).mean().item(),
            "length": rollout.lengths.mean().item(),
            "finished": rollout.finished.float().mean().item(),
            "zero_variance_groups": equal.float().mean().item(),
            "kl_coefficient": self.kl_coefficient,
        }
        if self.gold is not None:
            gold = score(self.gold, rollout, "gold")
            spread = gold.std().item() if len(gold) > 1 else 0.0
            metrics |= {"gold": gold.mean().item(), "gold_sd": spread}
        return metrics

    def _kept_rows(self, batch: Batch) -> Tensor:
        return kept_rows(batch, self.settings)

    def _keep_sample(self, rollout: Rollout, rewards: Tensor) -> None:
        step = len(self.history.rows) - 1
        if step % 10 == 0 or step + 1 == self.settings.steps:
            request = last_request(rollout.prompts[0])
            sample = {"step": step, "prompt": request, "text": rollout.texts[0]}
            self.history.samples.append(sample | {"proxy": rewards[0].item()})


def _kl_for_loss(logp: Tensor, old_logp: Tensor, ref_logp: Tensor, kind: str) -> Tensor:
    if kind == "k3_weighted":
        return weighted_kl(logp, old_logp, ref_logp)
    return kl_estimate(logp, ref_logp, kind)


def _adamw(
    module: torch.nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Over the parameters that are trained.

    Raises:
        ValueError: there are none, as in a frozen copy.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("policy has no parameter that is trained: is it a frozen copy?")
    return torch.optim.AdamW(trained, learning_rate, weight_decay=weight_decay)
