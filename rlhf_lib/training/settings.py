"""Settings of the one online loop, and the named algorithms as rows of settings."""

from __future__ import annotations

from dataclasses import dataclass

ADVANTAGES = ("none", "batch", "rloo", "group", "group_mean", "gae")


@dataclass
class OnlineSettings:
    """Settings of `train_online`. `preset("grpo")` and the like fill in the named algorithms.

    Raises:
        ValueError: a number out of range, an unknown name, or settings that contradict each other.
    """

    # --- how much
    steps: int = 60
    """Rounds of: sample, score, update."""
    prompts_per_step: int = 16
    """Prompts in a round, N."""
    samples_per_prompt: int = 4
    """Completions of each prompt, G."""
    max_new_tokens: int = 40
    temperature: float = 1.0
    learning_rate: float = 1.5e-4
    warmup_steps: int = 0
    """Rounds over which the learning rate rises linearly to its value; then it stays."""
    max_grad_norm: float = 1.0
    seed: int = 0

    # --- the policy gradient
    advantage: str = "rloo"
    """none: the reward itself. batch: minus the batch's mean. rloo: minus the mean of the others in
    the group. group: minus the group's mean, over its standard deviation (GRPO). group_mean: without
    the standard deviation (Dr. GRPO). gae: from a value model (PPO)."""
    algorithm: str = "ppo"
    """reinforce, ppo, gspo or cispo: see `objectives.policy_loss`."""
    clip_low: float = 0.2
    clip_high: float = 0.2
    aggregate: str = "sequence"
    """sequence, token or fixed: see `objectives.masked_aggregate`."""
    epochs: int = 1
    """Passes over the completions of a round."""
    minibatches: int = 1
    """Updates in a pass."""
    whiten_advantages: bool = False
    entropy_bonus: float = 0.0

    # --- staying near the reference
    kl_coefficient: float = 0.0
    """beta, 0 or more."""
    kl_in: str = "reward"
    """reward: r - beta * KL (PPO, RLOO). loss: loss + beta * KL (GRPO)."""
    kl_kind: str = "k3"
    """Estimator for kl_in='loss'; in the reward it is always k1."""
    kl_target: float | None = None
    """Sequence KL in nats to steer to by an adaptive coefficient, or None for a fixed one."""
    kl_horizon: float = 1000.0
    pretraining_coefficient: float = 0.0
    """PPO-ptx: adds this times the next-token loss on a batch of `pretraining` to the loss of each update."""

    # --- the value model (advantage = 'gae')
    gamma: float = 1.0
    lam: float = 0.95
    value_learning_rate: float = 5e-4
    value_clip: float | None = 0.2
    value_warmup: int = 2
    """First rounds in which only the value model learns."""

    # --- DAPO's tricks
    drop_zero_variance_groups: bool = False
    """Leave groups with equal rewards out of the loss. (DAPO also draws new prompts in their place.)"""
    overlong_penalty: float = 0.0
    """Taken off the reward, linearly over the last quarter of max_new_tokens."""

    # --- off-policy data
    staleness: int = 0
    """The sampler's weights are this many rounds old."""
    tis_cap: float | None = None
    """Cap of truncated importance sampling, or None for none."""

    def __post_init__(self) -> None:
        for name in ("steps", "prompts_per_step", "samples_per_prompt", "max_new_tokens", "epochs",
                     "minibatches", "temperature", "learning_rate", "max_grad_norm"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        for name in (
            "kl_coefficient",
            "entropy_bonus",
            "overlong_penalty",
            "pretraining_coefficient",
            "staleness",
            "warmup_steps",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must be 0 or more; got {getattr(self, name)}"
                    + (" (a negative beta would reward drift)" if name == "kl_coefficient" else "")
                )
        if self.advantage not in ADVANTAGES:
            raise ValueError(
                f"advantage must be one of {', '.join(ADVANTAGES)}; got {self.advantage!r}"
            )
        if self.kl_in not in ("reward", "loss"):
            raise ValueError(f"kl_in must be 'reward' or 'loss'; got {self.kl_in!r}")
        if self.advantage in ("rloo", "group", "group_mean") and self.samples_per_prompt < 2:
            raise ValueError(f"advantage {self.advantage!r} compares completions of one prompt: "
                             "samples_per_prompt must be 2 or more")  # fmt: skip


PRESETS: dict[str, dict] = {
    "reinforce": dict(advantage="batch", algorithm="reinforce", aggregate="fixed"),
    "rloo": dict(advantage="rloo", algorithm="reinforce", aggregate="fixed"),
    "ppo": dict(
        advantage="gae", algorithm="ppo", aggregate="token", epochs=2, whiten_advantages=True,
    ),
    "grpo": dict(advantage="group", algorithm="ppo", aggregate="sequence", minibatches=2, kl_in="loss"),
    "dr_grpo": dict(
        advantage="group_mean", algorithm="ppo", aggregate="fixed", minibatches=2, kl_in="loss"
    ),
    "dapo": dict(
        advantage="group", algorithm="ppo", aggregate="token", minibatches=2, clip_high=0.28,
        drop_zero_variance_groups=True, overlong_penalty=1.0,
    ),
    "gspo": dict(
        advantage="group", algorithm="gspo", aggregate="sequence", minibatches=2, clip_low=3e-2,
        clip_high=4e-2,
    ),
    "cispo": dict(
        advantage="group", algorithm="cispo", aggregate="token", minibatches=2, clip_low=1.0,
        clip_high=0.28,
    ),
}  # fmt: skip


def preset(name: str, **overrides) -> OnlineSettings:
    """The settings of a named algorithm, with any of them replaced.

    Raises:
        ValueError: unknown name.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}")
    return OnlineSettings(**{**PRESETS[name], **overrides})
