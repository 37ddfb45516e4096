"""A cart that balances a pole: the classic small task of control, in the equations of `CartPole-v1`.

A push to the left or to the right every 20 ms. The ride is over when the cart leaves the track or the pole
leans too far. Shapes: B rides side by side, T steps of time. A state has four numbers: the cart's place x (m),
its speed (m/s), the pole's angle (rad, 0 is upright, right is positive) and its turning speed (rad/s).
Book: `c/03-training-overview`. Source: Barto, Sutton & Anderson (1983). Left out: friction, as in gymnasium.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..objectives import policy_loss, reward_to_go
from ..objectives.advantage import whiten

GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH = 9.8, 1.0, 0.1, 0.5
"""m/s², kg, kg, m."""
FORCE, SECONDS = 10.0, 0.02
"""Newtons of a push; seconds of a step."""
EDGE, LEAN = 2.4, 12 * math.pi / 180
"""The farthest place (m) and the largest angle (rad) at which a ride goes on."""


def push(states: Tensor, right: Tensor) -> Tensor:
    """The states one step later, (..., 4) and (...,) -> (..., 4). right: 1 pushes right, 0 left.

    Places and angles move with the *old* speeds (Euler's method), as in gymnasium.
    """
    x, speed, angle, turning = states.unbind(-1)
    force = FORCE * (2 * right.to(states.dtype) - 1)
    mass, sine, cosine = CART_MASS + POLE_MASS, angle.sin(), angle.cos()
    drive = (force + POLE_MASS * HALF_LENGTH * turning**2 * sine) / mass
    inertia = HALF_LENGTH * (4 / 3 - POLE_MASS * cosine**2 / mass)
    tilt = (GRAVITY * sine - cosine * drive) / inertia
    thrust = drive - POLE_MASS * HALF_LENGTH * tilt * cosine / mass
    changes = torch.stack([speed, thrust, turning, tilt], -1)
    return states + SECONDS * changes


def riding(states: Tensor) -> Tensor:
    """Whether the ride goes on, (..., 4) -> (...,) of bool: on the track, and the pole still up."""
    return (states[..., 0].abs() <= EDGE) & (states[..., 2].abs() <= LEAN)


@dataclass(frozen=True)
class Rides:
    """B rides. states (B, T, 4) before each push; right (B, T), 1 for a push to the right; mask (B, T), 1.0 on
    steps that were ridden, 0.0 after the end (there the state stands still)."""

    states: Tensor
    right: Tensor
    mask: Tensor

    @property
    def steps(self) -> Tensor:
        """How long each ride was, (B,). With one point a step this is its return."""
        return self.mask.sum(1)


def cart_policy(hidden: int = 32, seed: int = 0) -> nn.Module:
    """A small network, states (..., 4) -> logits (..., 1) of a push to the right; new weights from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 1))


@torch.no_grad()
def ride(policy: nn.Module, rides: int = 16, steps: int = 200, seed: int = 0) -> Rides:
    """Let the policy drive: `rides` of at most `steps` steps, from near rest, pushes drawn from its probabilities.

    Raises:
        ValueError: no ride, or no step.
    """
    if rides < 1 or steps < 1:
        raise ValueError(f"rides and steps must be 1 or more; got {rides} and {steps}")
    dice = torch.Generator().manual_seed(seed)
    state = 0.1 * torch.rand(rides, 4, generator=dice) - 0.05
    luck, alive = torch.rand(steps, rides, generator=dice), torch.ones(rides, dtype=torch.bool)
    states, pushes, masks = [], [], []
    for chance in luck:
        right = (chance < policy(state).squeeze(-1).sigmoid()).float()
        states.append(state), pushes.append(right), masks.append(alive.float())
        state = torch.where(alive[:, None], push(state, right), state)
        alive = alive & riding(state)
        if not alive.any():
            break
    left = steps - len(states)  # all rides are over: nothing moves any more
    states, pushes, masks = (
        parts + [rest] * left
        for parts, rest in ((states, state), (pushes, 0 * right), (masks, 0 * right))
    )
    return Rides(torch.stack(states, 1), torch.stack(pushes, 1), torch.stack(masks, 1))


def push_logp(policy: nn.Module, rides: Rides) -> Tensor:
    """Log-probability of each push that was made, (B, T)."""
    return nn.functional.logsigmoid((2 * rides.right - 1) * policy(rides.states).squeeze(-1))


def cart_advantages(rewards: Tensor, mask: Tensor, gamma: float = 0.98) -> Tensor:
    """What came after each push, beyond what came at that step in the other rides, whitened: (B, T) -> (B, T)."""
    returns = reward_to_go(rewards * mask, mask, gamma)
    baseline = (returns * mask).sum(0) / mask.sum(0).clamp(min=1)
    return whiten((returns - baseline) * mask, mask)


def cart_update(
    policy: nn.Module, optimizer: torch.optim.Optimizer, rides: Rides, rewards: Tensor
) -> float:
    """One step of REINFORCE on the rewards (B, T) of these rides; returns the loss."""
    advantages, logp = cart_advantages(rewards, rides.mask), push_logp(policy, rides)
    loss, _ = policy_loss(
        logp, logp.detach(), advantages, rides.mask, algorithm="reinforce", aggregate="token"
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def one_point_a_step(rides: Rides) -> Tensor:
    """The true reward of the task, (B, T): 1 for every step that is ridden."""
    return rides.mask


def train_cart(
    policy: nn.Module,
    reward: Callable[[Rides], Tensor] = one_point_a_step,
    updates: int = 40,
    rides: int = 16,
    learning_rate: float = 1e-2,
    seed: int = 0,
    steps: int = 200,
) -> list[float]:
    """REINFORCE with Adam, in place: `updates` steps, each on new rides. Returns their mean length before each.

    reward: rides -> points (B, T) of each step.
    """
    optimizer, lengths = torch.optim.Adam(policy.parameters(), lr=learning_rate), []
    for update in range(updates):
        driven = ride(policy, rides, steps, seed=100_000 * seed + update)
        lengths.append(driven.steps.mean().item())
        cart_update(policy, optimizer, driven, reward(driven))
    return lengths
