"""Learning to climb: REINFORCE, PPO, a KL penalty and a KL constraint on the landscape.

The losses are those of `rlhf_lib.objectives`, the same that train language models: a step stands where a
token does. The walker's weights are the only parameters. Left out: a learned critic (the mean return
of the batch at each step is the baseline), minibatches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..objectives import kl_estimate, policy_loss, reward_to_go, whiten
from ..training import History
from .tube import kl_of_walks, sampled_kl, step_radius
from .walker import Walker, Walks, dice, guided_of, mean_path, step_features, step_logp, walk

ALGORITHMS = ("reinforce", "ppo", "kl_penalty", "kl_constraint")
DAMPING = 1.0
"""Added to the Fisher matrix, in units of its mean diagonal, as TRPO does: without it the step is
largest where hardly a walk has been."""


@dataclass(frozen=True)
class WalkSettings:
    """How a walker learns.

    algorithm: 'reinforce'; 'ppo': four updates a batch with a clip; 'kl_penalty': REINFORCE with
        beta * KL to the baseline taken off the reward, or in the loss (`kl_in`); 'kl_constraint': a
        natural-gradient step of exactly `trust_region` nats a walk's step, as TRPO takes.
    budget: nats a step that the walker may be away from its baseline, anywhere on the map (the tube);
        None is no tube. It holds for any algorithm: after each update the weights are brought back.
    learning_rate: of Adam; 'kl_constraint' has none.

    Raises:
        ValueError: a setting that is out of range, by name.
    """

    algorithm: str = "reinforce"
    updates: int = 40
    walks: int = 64
    horizon: int = 24
    gamma: float = 0.95
    learning_rate: float = 0.02
    epochs: int = 4
    clip: float = 0.2
    beta: float = 0.0
    kl_in: str = "reward"
    trust_region: float = 0.02
    budget: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}")
        if self.kl_in not in ("reward", "loss"):
            raise ValueError(f"kl_in must be 'reward' or 'loss'; got {self.kl_in!r}")
        for name in ("updates", "walks", "horizon", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more; got {getattr(self, name)}")
        for name in ("learning_rate", "trust_region", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.beta < 0 or (self.budget is not None and self.budget < 0):
            raise ValueError("beta and budget must not be negative")


@dataclass(frozen=True)
class Learned:
    """What came of a run: the walker, its history, and what it was after each update.

    paths (updates + 1, T + 1, 2): mean paths. weights (updates + 1, M, 2).
    history: proxy and gold (mean altitude of the points stepped on), kl (nats a walk to the baseline),
    distance (of the mean path from the baseline's, at most).
    """

    walker: Walker
    history: History
    paths: Tensor
    weights: Tensor


def learn(
    walker: Walker, reward: Callable[[Tensor], Tensor], start, settings: WalkSettings | None = None,
    gold: Callable[[Tensor], Tensor] | None = None,
) -> Learned:  # fmt: skip
    """Train a walker to collect `reward`(points (..., 2)) -> (...); `gold` is only measured.

    Such as `terrain.altitude` or `proxy.altitude`. The walker given is left as it is.
    """
    settings = settings or WalkSettings()
    weights = walker.weights.clone().requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=settings.learning_rate)
    history, kept, paths = History(), [], []
    base_path = mean_path(walker.baseline(), start, settings.horizon)
    for update in range(settings.updates + 1):
        current = walker.with_weights(weights.detach().clone())
        path, walks = _path_and_walks(current, start, settings, 1000 * settings.seed + update)
        kept.append(current.weights)
        paths.append(path)
        given = reward(walks.states[:, 1:])
        row = measure(current, walks, given, gold)
        history.log(update, **row, distance=(path - base_path).norm(dim=-1).max())
        if update < settings.updates:
            _update(weights, optimizer, current, walks, given, settings)
    return Learned(current, history, torch.stack(paths), torch.stack(kept))


def _path_and_walks(walker: Walker, start, settings: WalkSettings, seed: int):
    """The mean path (T + 1, 2) and a batch of walks, in one go: row 0 has dice that show zeros."""
    noise = dice(settings.walks, settings.horizon, seed)
    rows = torch.cat((torch.zeros_like(noise[:1]), noise))
    both = walk(walker, start, settings.horizon, noise=rows)
    return both.states[0], Walks(both.states[1:], both.steps[1:], both.logp[1:], noise)


def measure(walker: Walker, walks: Walks, given: Tensor, gold=None) -> dict[str, float]:
    """Means over some walks with the rewards `given` (B, T): of these, of gold, and of KL in nats a walk."""
    row = {"proxy": float(given.mean())}
    if gold is not None:
        row["gold"] = float(gold(walks.states[:, 1:]).mean())
    return row | {"kl": float(kl_of_walks(walker, walks).sum(1).mean())}


def step_advantages(walker: Walker, walks: Walks, given: Tensor, settings: WalkSettings) -> Tensor:
    """Advantages (B, T) of walks with the rewards `given` (B, T).

    Whitened reward to go, less the batch's mean at each step. With a KL penalty in the reward, each
    step first pays beta times its log-ratio to the baseline.
    """
    if settings.algorithm == "kl_penalty" and settings.kl_in == "reward":
        given = given - settings.beta * sampled_kl(walker, walks)
    mask = torch.ones_like(given)
    to_go = reward_to_go(given, mask, settings.gamma)
    return whiten(to_go - to_go.mean(0), mask)


def _update(weights, optimizer, walker, walks, given, settings) -> None:
    """Change the weights in place by one batch of walks."""
    advantages = step_advantages(walker, walks, given, settings)
    features = step_features(walks.states[:, :-1])  # (B, T, M)
    chosen = walks.steps - guided_of(walker, walks)

    def loss() -> Tensor:
        return _loss(features @ weights, chosen, walks.logp, advantages, walker.sigma, settings)

    if settings.algorithm == "kl_constraint":
        gradient = torch.autograd.grad(loss(), weights)[0]
        with torch.no_grad():
            weights += trust_region_step(gradient, features, walker.sigma, settings.trust_region)
    else:
        for _ in range(settings.epochs if settings.algorithm == "ppo" else 1):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    if settings.budget is not None:
        with torch.no_grad():
            weights.copy_(into_budget(weights, settings.budget, walker.sigma))


def _loss(means, chosen, old_logp, advantages, sigma: float, settings: WalkSettings) -> Tensor:
    """The policy-gradient loss of `objectives`; means and chosen (B, T, 2) without the trail's share."""
    logp = step_logp(chosen, means, sigma)
    name = "ppo" if settings.algorithm == "ppo" else "reinforce"
    clip = {"clip_low": settings.clip, "clip_high": settings.clip}
    loss, _ = policy_loss(logp, old_logp, advantages, torch.ones_like(logp), name, **clip)
    if settings.algorithm == "kl_penalty" and settings.kl_in == "loss":
        base_logp = step_logp(chosen, torch.zeros_like(means), sigma)
        loss = loss + settings.beta * kl_estimate(logp, base_logp, "k2").mean()
    return loss


def trust_region_step(
    gradient: Tensor, features: Tensor, sigma: float, trust_region: float
) -> Tensor:
    """The step (M, 2) that lowers the loss fastest among those of `trust_region` nats. Equation: [LS-9].

    -sqrt(2 delta / g'F^-1 g) F^-1 g, where F = E[features features'] / sigma^2 is the Fisher matrix;
    KL is quadratic in the weights here, so the mean KL of the step is exactly delta. features
    (..., M) at visited states. The inverse is of F with `DAMPING`. Source: Schulman et al. (2015),
    appendix C.
    """
    visited = features.reshape(-1, features.shape[-1])
    fisher = visited.T @ visited / (len(visited) * sigma**2)
    damped = fisher + DAMPING * fisher.diagonal().mean() * torch.eye(
        len(fisher), dtype=fisher.dtype
    )
    natural = torch.linalg.solve(damped, gradient)
    square = (natural * (fisher @ natural)).sum()
    return -natural * (2 * trust_region / square.clamp(min=1e-12)).sqrt()


def into_budget(weights: Tensor, budget: float, sigma: float) -> Tensor:
    """The nearest weights (M, 2) whose rows are no longer than sigma sqrt(2 eps). Equation: [LS-7].

    The mean step differs from the baseline's by a weighted mean of the rows, so it keeps the budget
    at every point of the map, visited or not.
    """
    limit = step_radius(budget, sigma)
    lengths = weights.norm(dim=-1, keepdim=True)
    return weights * (limit / lengths.clamp(min=1e-300)).clamp(max=1.0)
