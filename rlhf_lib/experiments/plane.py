"""The landscape of a real language model: the plane through three checkpoints, and what it holds.

A point of the plane is a whole set of weights. Its altitude is measured: sample answers with those
weights and score them. Here (and here alone in this room) the map's points are policies and not states.
Source for drawing losses over a plane of weights: Li et al. (2018); through three models: Garipov et
al. (2018).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..lm import Policy
from ..rewards import GoldReward
from ..runtime import data_path

FILE = data_path("landscape", "plane.json")
MEASURES = ("gold", "proxy", "kl")


def weights_of(policy: Policy) -> Tensor:
    """All weights of a policy as one vector (W,)."""
    return nn.utils.parameters_to_vector(policy.model.parameters()).detach().clone()


def with_weights(policy: Policy, weights: Tensor) -> Policy:
    """A frozen copy of a policy with these weights (W,)."""
    other = policy.copy(frozen=True)
    nn.utils.vector_to_parameters(weights, other.model.parameters())
    return other


@dataclass(frozen=True)
class Axes:
    """The plane through three sets of weights (W,). Equation: [LS-11].

    theta(a, b) = origin + a u + b v, with u from origin to `first`, and v at right angles to u, as long
    as u, to the side of `second`. So the origin is (0, 0), `first` is (1, 0), and one unit is the
    distance between them in any direction.
    """

    origin: Tensor
    u: Tensor
    v: Tensor

    @classmethod
    def through(cls, origin: Tensor, first: Tensor, second: Tensor) -> Axes:
        """Raises ValueError if the three lie on one line."""
        u, other = first - origin, second - origin
        aside = other - (other @ u) / (u @ u) * u
        if not aside.norm() > 1e-6 * other.norm():
            raise ValueError("second must not lie on the line through origin and first")
        return cls(origin, u, aside * (u.norm() / aside.norm()))

    def weights(self, a: float, b: float) -> Tensor:
        """The weights (W,) at a place of the plane."""
        return self.origin + a * self.u + b * self.v

    def place(self, weights: Tensor) -> tuple[float, float, float]:
        """(a, b, share): where weights (W,) are projected to, and the share of |weights - origin| in the plane."""
        gap = weights - self.origin
        square = self.u @ self.u
        a, b = float(gap @ self.u / square), float(gap @ self.v / square)
        length = float(gap.norm() / self.u.norm())
        return a, b, ((a * a + b * b) ** 0.5 / length if length > 0 else 1.0)


@torch.no_grad()
def measure_policy(
    policy: Policy, reference: Policy, proxy, gold: GoldReward, prompts: Sequence, seed: int = 0
) -> dict[str, float]:
    """Mean gold, proxy and KL (k1, nats an answer) of one sampled answer to each prompt."""
    found: dict[str, list] = {name: [] for name in MEASURES}
    for start in range(0, len(prompts), 64):
        part = prompts[start : start + 64]
        rollout = policy.sample(part, max_new_tokens=40, seed=seed + start)
        found["gold"].append(gold(rollout))
        found["proxy"].append(proxy(rollout))
        found["kl"].append((rollout.logp - reference.logprobs(rollout)).sum(1))
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


@dataclass(frozen=True)
class Plane:
    """A measured plane. a (na,), b (nb,); gold, proxy, kl (nb, na): rows are b.

    checkpoints: name -> {a, b, step, gold, proxy, kl}. path: the same for the real training run, step
    by step, projected (its values are those of the real weights; `share` says how much of the
    distance is in the plane). meta: how it was made.
    """

    a: Tensor
    b: Tensor
    gold: Tensor
    proxy: Tensor
    kl: Tensor
    checkpoints: dict[str, dict[str, float]]
    path: list[dict[str, float]]
    meta: dict = field(default_factory=dict)

    def to_json(self, path: str | Path = FILE) -> None:
        """Write the plane; numbers are rounded to four digits."""
        values = {
            k: _rounded(v.tolist() if isinstance(v, Tensor) else v) for k, v in asdict(self).items()
        }
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(values), encoding="utf-8")


def _rounded(value):
    """Floats anywhere inside to four digits after the point."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return {k: _rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def load_plane(path: str | Path = FILE) -> Plane:
    """The stored plane.

    Raises:
        FileNotFoundError: it is not there; the message says how to make it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is missing: make it with `python -m rlhf_lib.experiments.build_plane`"
        )
    values = json.loads(path.read_text(encoding="utf-8"))
    for name in ("a", "b", *MEASURES):
        values[name] = torch.tensor(values[name], dtype=torch.float64)
    return Plane(**values)
