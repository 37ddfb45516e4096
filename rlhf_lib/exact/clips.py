"""A cart that is taught by comparisons of clips: nobody ever tells it a reward.

Christiano et al. (2017) on the smallest scale: the policy drives, somebody compares two short clips of its
rides, a reward model is fitted to the comparisons, the policy practises on that reward model, and again. Shapes:
B pairs of clips, L steps of a clip, states (B, L, 4) as in `cart`. Left out: an ensemble of reward models, the
choice of the pairs on which it disagrees, and training that goes on while people compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..objectives import bradley_terry_loss, bradley_terry_probability
from .cart import Rides, cart_policy, cart_update, ride

Wish = Callable[[Tensor], Tensor]
"""What somebody wants to see: states (..., 4) -> points (...,)."""

Judge = Callable[[Tensor, Tensor], Tensor]
"""Two batches of clips (B, L, 4) -> (B,): 1.0 where the first is better, 0.0 where the second is."""


def stand_at(place: float) -> Wish:
    """The wish to see the cart stand at `place` (m) with the pole upright."""
    return lambda states: -3 * (states[..., 0] - place).abs() - 5 * states[..., 2].abs()


def clip_preference(first: Tensor, second: Tensor) -> Tensor:
    """P(the first clip is preferred) (B,), from the rewards (B, L) of the steps of both.

    The sigmoid of the difference of the *sums*: Bradley-Terry, with a clip's total as its strength.
    Source: Christiano et al. (2017), section 2.2.3. Equation: [OV-1].

    Raises:
        ValueError: clips of different lengths.
    """
    return bradley_terry_probability(first.sum(-1), second.sum(-1))


def wishing_judge(wish: Wish, seed: int = 0, sharpness: float = 3.0) -> Judge:
    """A judge who prefers clips of higher mean wish, by Bradley-Terry with this sharpness: a noisy person."""
    dice = torch.Generator().manual_seed(seed)

    def judge(first: Tensor, second: Tensor) -> Tensor:
        strengths = (sharpness * wish(clips).mean(-1) for clips in (first, second))
        chance = bradley_terry_probability(*strengths)
        return (torch.rand(len(first), generator=dice) < chance).float()

    return judge


def no_wish(states: Tensor) -> Tensor:
    """The wish of somebody to whom all states are the same."""
    return torch.zeros(states.shape[:-1])


def coin_judge(seed: int = 0) -> Judge:
    """A judge who tosses a coin: the control."""
    return wishing_judge(no_wish, seed)


def clips_of(rides: Rides, length: int = 20) -> Tensor:
    """All clips (C, L, 4) of rides, one behind the other; what comes after the end of a ride is in none.

    Raises:
        ValueError: clips longer than the rides.
    """
    count = rides.mask.shape[1] // length
    if count < 1:
        raise ValueError(f"length must be at most {rides.mask.shape[1]}, the steps of a ride")
    cut = rides.states[:, : count * length].reshape(-1, length, 4)
    ridden = rides.mask[:, length - 1 : count * length : length].reshape(-1) > 0
    return cut[ridden]


@dataclass
class LessonSettings:
    """How `Lessons` go."""

    rides: int = 16
    """Rides side by side, from which clips are cut and on which one update is made."""
    steps: int = 200
    """Of a ride, at most."""
    clip: int = 20
    """Steps of a clip, L: 0.4 seconds."""
    fits: int = 60
    """Steps of Adam on the reward model after each round of comparisons."""
    learning_rate: float = 1e-2
    """Of policy and reward model."""
    shrink: float = 1e-3
    """Price of a large reward: this times its mean square is added to the loss."""
    bonus: float = 2.0
    """Mean reward of a step, in standard deviations: a ride that ends earns no more, so that steps must be worth
    something, or falling would be a way out."""
    seed: int = 0


class Lessons:
    """A pupil: its policy, its reward model, and the comparisons that it has heard so far."""

    def __init__(self, settings: LessonSettings | None = None) -> None:
        self.settings = s = settings or LessonSettings()
        self.policy, self.reward = cart_policy(seed=2 * s.seed), cart_policy(seed=2 * s.seed + 1)
        self.policy_optimizer = torch.optim.Adam(self.policy.parameters(), s.learning_rate)
        self.reward_optimizer = torch.optim.Adam(self.reward.parameters(), s.learning_rate)
        self.better, self.worse = torch.zeros(2, 0, s.clip, 4)
        self.dice, self.driven = torch.Generator().manual_seed(s.seed), 0

    def drive(self) -> Rides:
        """Rides of the policy as it now stands."""
        self.driven += 1
        s = self.settings
        return ride(self.policy, s.rides, s.steps, seed=100_000 * s.seed + self.driven)

    def show(self, pairs: int) -> tuple[Tensor, Tensor]:
        """Two batches (pairs, L, 4) of clips of new rides, drawn at random."""
        clips = clips_of(self.drive(), self.settings.clip)
        chosen = torch.randint(len(clips), (2, pairs), generator=self.dice)
        return clips[chosen[0]], clips[chosen[1]]

    def hear(self, first: Tensor, second: Tensor, first_is_better: Tensor) -> None:
        """Remember comparisons of clips (B, L, 4); first_is_better (B,) of 1.0 or 0.0."""
        wins = first_is_better.bool()[:, None, None]
        self.better = torch.cat((self.better, torch.where(wins, first, second)))
        self.worse = torch.cat((self.worse, torch.where(wins, second, first)))

    def rewards(self, states: Tensor) -> Tensor:
        """What the reward model says of states, (..., 4) -> (...,)."""
        return self.reward(states).squeeze(-1)

    def fit(self) -> float:
        """Fit the reward model to all comparisons so far; the last loss. Equation: [OV-1]."""
        loss = torch.tensor(0.0)
        for _ in range(self.settings.fits):
            better, worse = self.rewards(self.better), self.rewards(self.worse)
            loss = bradley_terry_loss(better.sum(1), worse.sum(1))
            self.reward_optimizer.zero_grad()
            (loss + self.settings.shrink * better.square().mean()).backward()
            self.reward_optimizer.step()
        return loss.item()

    @torch.no_grad()
    def judged(self, rides: Rides) -> Tensor:
        """What the policy practises on (B, T): rewards of the reward model, brought to mean `bonus` and standard
        deviation 1 over the steps that are ridden."""
        rewards, ridden = self.rewards(rides.states), rides.mask > 0
        spread = rewards[ridden].std().clamp(min=1e-6)
        return ((rewards - rewards[ridden].mean()) / spread + self.settings.bonus) * rides.mask

    def practise(self, updates: int) -> list[float]:
        """REINFORCE on the reward model; the mean length of the rides before each update."""
        lengths = []
        for _ in range(updates):
            rides = self.drive()
            lengths.append(rides.steps.mean().item())
            cart_update(self.policy, self.policy_optimizer, rides, self.judged(rides))
        return lengths


def mean_place(rides: Rides, last: int = 50) -> float:
    """Where the carts are in the last steps (m), over the rides that last so long; nan if none does."""
    mask = rides.mask[:, -last:]
    return (
        (rides.states[:, -last:, 0] * mask).sum().item() / mask.sum().item()
        if mask.any()
        else float("nan")
    )
