"""Settings of the one online loop, and the named algorithms as rows of settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..objectives.policy import AGGREGATES, ALGORITHMS
from .checks import check_settings

ADVANTAGES = ("none", "batch", "rloo", "group", "group_mean", "gae")
KL_KINDS = ("k1", "k2", "k3", "k3_weighted")
BY_GROUP = ("rloo", "group", "group_mean")


@dataclass
class OnlineSettings:
    """Settings of `train_online`. `preset("grpo")` and the like fill in the named algorithms.

    A setting whose text begins with 'Only with' does nothing otherwise. Answers are drawn at
    `temperature` from the whole vocabulary, so that log-probabilities, ratios and KLs can be those of the
    distribution that was sampled.

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
    """Of sampling, of the loss, and of the KL to the reference: the policy that is trained is the one that
    is sampled."""
    learning_rate: float = 1.5e-4
    """A pocket model's; see `usual_learning_rate` for larger ones."""
    warmup_steps: int = 0
    """Rounds over which the learning rate rises linearly to its value; then it stays."""
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    micro_batch: int | None = None
    """Completions in one forward pass, for less memory; the gradient is the whole batch's. None: all."""
    seed: int = 0

    # --- the policy gradient
    advantage: str = "rloo"
    """none: the reward itself. batch: minus the batch's mean. rloo: minus the mean of the others in
    the group. group: minus the group's mean, over its standard deviation (GRPO). group_mean: without
    the standard deviation (Dr. GRPO). gae: from a value model (PPO)."""
    algorithm: str = "ppo"
    """reinforce, ppo, gspo or cispo: see `objectives.policy_loss`."""
    clip_low: float = 0.2
    """Only with ppo, gspo or cispo, and from a round's second update on: at the first the ratio is 1."""
    clip_high: float = 0.2
    """Only with ppo, gspo or cispo, as clip_low."""
    aggregate: str = "sequence"
    """sequence, token or fixed: see `objectives.masked_aggregate`."""
    epochs: int = 1
    """Passes over the completions of a round."""
    minibatches: int = 1
    """Updates in a pass."""
    whiten_advantages: bool = False
    """Bring a round's advantages to mean 0 and variance 1: over tokens with gae, else over completions."""
    entropy_bonus: float = 0.0
    """Adds this times the mean entropy of the tokens' distributions (nats) to what is maximised."""

    # --- staying near the reference
    kl_coefficient: float = 0.0
    """beta, 0 or more."""
    kl_in: str = "reward"
    """Only with kl_coefficient > 0. reward: r - beta * KL (PPO, RLOO). loss: loss + beta * KL (GRPO)."""
    kl_kind: str = "k3"
    """Only with kl_in='loss': k1, k2, k3 or k3_weighted; in the reward it is always k1. k3 is that of the
    GRPO paper; its gradient is that of KL(reference || policy). k3_weighted multiplies it by the ratio of
    new to old policy, so that its gradient is that of KL(policy || reference), which the number
    estimates (DeepSeek-V3.2; TRL's default since 1.16)."""
    kl_target: float | None = None
    """Sequence KL in nats to steer to by a coefficient that starts at kl_coefficient; None: it is fixed."""
    kl_horizon: float = 1000.0
    """Only with kl_target: completions over which the coefficient adapts."""
    pretraining_coefficient: float = 0.0
    """PPO-ptx: adds this times the next-token loss on a batch of `pretraining` to the loss of each update."""

    # --- the value model
    gamma: float = 1.0
    """Only with advantage='gae': discount of a token."""
    lam: float = 0.95
    """Only with advantage='gae': lambda, from one step ahead (0) to the whole answer (1)."""
    value_learning_rate: float = 5e-4
    """Only with advantage='gae'."""
    value_clip: float | None = 0.2
    """Only with advantage='gae', from a round's second update on: see `objectives.value_loss`."""
    value_warmup: int = 2
    """Only with advantage='gae': first rounds in which the value model alone learns."""

    # --- DAPO's tricks, and ends
    drop_zero_variance_groups: bool = False
    """Leave prompts out of the loss whose answers all got the same reward (penalties not counted). A round
    in which nothing is left has no update. (DAPO also draws new prompts in their place.)"""
    overlong_penalty: float = 0.0
    """Taken off the reward, linearly over the last quarter of max_new_tokens."""
    missing_end_penalty: float = 0.0
    """Taken off the reward of an answer that did not end by itself."""
    drop_truncated: bool = False
    """Leave answers that did not end by themselves out of the loss."""

    # --- off-policy data
    staleness: int = 0
    """The sampler's weights are this many rounds old."""
    tis_cap: float | None = None
    """Cap of truncated importance sampling (new policy over sampler), or None for none. Only with a
    sampler that differs: older weights, or 16-bit arithmetic."""

    def __post_init__(self) -> None:
        check_settings(
            self,
            positive=(
                "steps", "prompts_per_step", "samples_per_prompt", "max_new_tokens", "temperature",
                "learning_rate", "max_grad_norm", "micro_batch", "epochs", "minibatches", "kl_target",
                "kl_horizon", "value_learning_rate", "value_clip", "tis_cap",
            ),
            non_negative=(
                "warmup_steps", "weight_decay", "clip_high", "entropy_bonus", "kl_coefficient",
                "pretraining_coefficient", "value_warmup", "overlong_penalty", "missing_end_penalty",
                "staleness",
            ),
            within={"clip_low": (0, 1), "gamma": (0, 1), "lam": (0, 1)},
            choices={
                "advantage": ADVANTAGES, "algorithm": ALGORITHMS, "aggregate": AGGREGATES,
                "kl_in": ("reward", "loss"), "kl_kind": KL_KINDS,
            },
            notes={"kl_coefficient": "a negative beta would reward drift"},
        )  # fmt: skip
        self._check_together()

    def _check_together(self) -> None:
        """Settings that contradict each other."""
        group, batch = self.samples_per_prompt, self.prompts_per_step * self.samples_per_prompt
        if self.advantage in BY_GROUP and group < 2:
            raise ValueError(f"advantage {self.advantage!r} compares completions of one prompt: "
                             "samples_per_prompt must be 2 or more")  # fmt: skip
        if self.drop_zero_variance_groups and group < 2:
            raise ValueError("drop_zero_variance_groups compares completions of one prompt: "
                             "samples_per_prompt must be 2 or more")  # fmt: skip
        if batch < 2 and (self.advantage == "batch" or self.whiten_advantages):
            raise ValueError("a batch of one completion is its own mean, and its advantage always 0: "
                             "prompts_per_step or samples_per_prompt must be 2 or more")  # fmt: skip
        if self.minibatches > batch:
            raise ValueError(f"minibatches must be at most the {batch} completions of a round; "
                             f"got {self.minibatches}")  # fmt: skip
        if self.kl_target is not None and not self.kl_coefficient:
            raise ValueError("kl_target multiplies kl_coefficient up or down: it needs a start above "
                             "0, such as 0.05")  # fmt: skip
        if self.kl_target is not None and batch >= 5 * self.kl_horizon:
            raise ValueError(f"kl_horizon must be above {batch / 5:g}, a fifth of the completions of a "
                             f"round, or kl_target could turn beta negative; got {self.kl_horizon}")  # fmt: skip

    def as_trl(self) -> dict[str, Any]:
        """The arguments of TRL's `GRPOConfig` (1.16) for the same run; its names beside ours.

        Penalties on length and missing ends are reward functions there, and TRL keeps groups without
        variance.

        Raises:
            ValueError: what GRPOTrainer does not have: another baseline than the group's, REINFORCE,
                KL in the reward or steered, PPO-ptx, a sampler with old weights.
        """
        self._check_trl()
        losses = {"sequence": "grpo", "token": "dapo", "fixed": "dr_grpo"}
        rows = self.prompts_per_step * self.samples_per_prompt // self.minibatches
        micro = min(self.micro_batch or rows, rows)
        updates, cispo = self.epochs * self.minibatches, self.algorithm == "cispo"
        return {
            "max_steps": self.steps * updates,
            "num_generations": self.samples_per_prompt,
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": rows // micro,
            "steps_per_generation": self.minibatches * (rows // micro),
            "num_iterations": self.epochs,
            "max_completion_length": self.max_new_tokens,
            "temperature": self.temperature,
            "learning_rate": self.learning_rate,
            "lr_scheduler_type": "constant_with_warmup",
            "warmup_steps": self.warmup_steps * updates,
            "weight_decay": self.weight_decay,
            "max_grad_norm": self.max_grad_norm,
            "seed": self.seed,
            "scale_rewards": "group" if self.advantage == "group" else "none",
            "loss_type": "cispo" if cispo else losses[self.aggregate],
            "importance_sampling_level": "sequence" if self.algorithm == "gspo" else "token",
            "epsilon": self.clip_low,
            "epsilon_high": self.clip_high + cispo,
            "entropy_coef": self.entropy_bonus,
            "beta": self.kl_coefficient,
            "use_bias_correction_kl": self.kl_kind == "k3_weighted",
            "mask_truncated_completions": self.drop_truncated,
        }

    def _check_trl(self) -> None:
        refused = {
            f"advantage={self.advantage!r}": self.advantage not in ("group", "group_mean"),
            f"algorithm={self.algorithm!r}": self.algorithm == "reinforce",
            "kl_in='reward'": self.kl_coefficient > 0 and self.kl_in == "reward",
            f"kl_kind={self.kl_kind!r}": self.kl_coefficient > 0 and self.kl_kind in ("k1", "k2"),
            "kl_target": self.kl_target is not None,
            "whiten_advantages": self.whiten_advantages,
            "pretraining_coefficient": self.pretraining_coefficient > 0,
            "staleness": self.staleness > 0,
            "aggregate with cispo": self.algorithm == "cispo" and self.aggregate != "token",
            "aggregate with gspo": self.algorithm == "gspo" and self.aggregate != "sequence",
        }
        names = [name for name, has in refused.items() if has]
        if names:
            raise ValueError(f"TRL's GRPOConfig has nothing like {', '.join(names)}")


PRESETS: dict[str, dict[str, Any]] = {
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
    # The paper has 3e-4 and 4e-4, for answers of thousands of tokens, whose mean log ratio is narrow. That
    # of a dozen tokens varies far more: with the paper's values the second update of a round on pocket-sft
    # loses the gradient of 16 to 76% of its tokens, with these of up to 11%.
    "gspo": dict(
        advantage="group", algorithm="gspo", aggregate="sequence", minibatches=2, clip_low=3e-2,
        clip_high=4e-2,
    ),
    # MiniMax-M1 tunes the upper bound alone; ScaleRL and TRL advise a weight of up to 5 (clip_high = 4),
    # for rollouts that are many updates old. Two updates a round need less.
    "cispo": dict(
        advantage="group", algorithm="cispo", aggregate="token", minibatches=2, clip_low=1.0,
        clip_high=0.28,
    ),
}  # fmt: skip


def preset(name: str, size: str | float | None = None, **overrides: Any) -> OnlineSettings:
    """The settings of a named algorithm, with any of them replaced.

    size: parameters of the model, such as "135M" or 7e9, for a learning rate that is usual for it.

    Raises:
        ValueError: unknown name, or no size.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {name!r}")
    rate = {} if size is None else {"learning_rate": usual_learning_rate(parameters_of(size))}
    return OnlineSettings(**{**PRESETS[name], **rate, **overrides})


def usual_learning_rate(parameters: float) -> float:
    """A learning rate of online training that models of this size bear, with all weights trained.

    Pocket models bear 1.5e-4; at 135M it is 2e-5 (measured on SmolLM2: 1.5e-4 destroys it in six steps),
    and published runs of 1B and of 7B and more have 3e-6 and 1e-6.
    """
    for largest, rate in ((20e6, 1.5e-4), (500e6, 2e-5), (3e9, 3e-6)):
        if parameters <= largest:
            return rate
    return 1e-6


def parameters_of(size: str | float) -> float:
    """The number in '135M', '1.7B' or 135e6.

    Raises:
        ValueError: no such number.
    """
    units = {"K": 1e3, "M": 1e6, "B": 1e9}
    text = str(size).strip().upper()
    try:
        number = float(text[:-1]) * units[text[-1]] if text[-1:] in units else float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise ValueError(f"size must be a number of parameters, such as '135M'; got {size!r}")
    return number
