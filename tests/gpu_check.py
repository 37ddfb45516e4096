"""What a GPU makes of the library, as a table in less than five minutes: `make gpu`.

    python -m tests.gpu_check                # on a CUDA device; elsewhere it says why not, and is content
    python -m tests.gpu_check smollm2        # with a larger model
    python -m tests.gpu_check --here         # on whatever device there is

Each number stands beside the limit that it has to keep, if there is one; the exit status is 1 if one does not.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

import torch

from rlhf_lib.lm import Policy, load_policy
from rlhf_lib.objectives import exact_kl
from rlhf_lib.rewards import GoldReward, OutcomeModel, ProcessModel, RewardModel
from rlhf_lib.runtime import compute_dtype, get_device
from rlhf_lib.training import (
    LOSSES,
    PRESETS,
    DirectSettings,
    OnlineDirectSettings,
    RejectionSettings,
    RewardModelSettings,
    SFTSettings,
    annotator_judge,
    packed_rows,
    preset,
    train_direct,
    train_online,
    train_online_direct,
    train_outcome_model,
    train_process_model,
    train_rejection,
    train_reward_model,
    train_sft,
)
from rlhf_lib.world import PocketWorld, Preference

TEXTS = ("a fox is red.", "what a great question! a fox is blue. it eats mice.")
POSITIONS = ((0, 64), (64, 128), (128, 256), (256, 512))
SMALLEST_SHARE = 0.9
"""Of all weights; a few belong to tokens that no answer holds, and get no gradient."""


@dataclass(frozen=True)
class Size:
    """How much is done."""

    prompts: int = 16
    samples: int = 4
    tokens: int = 48
    rows: int = 4
    """Rows of documents, as long as the model can read (512 tokens at most)."""


@dataclass(frozen=True)
class Row:
    """One line of the table; `limit` is what the number may not be above, or (`least`) below."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None
    least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the number keeps its limit; NaN keeps none."""
        if self.limit is None:
            return not math.isnan(self.value)
        return self.value >= self.limit if self.least else self.value <= self.limit

    def __str__(self) -> str:
        shown = f"{self.value:.4g} {self.unit}".strip()
        limit = "" if self.limit is None else f"{'≥' if self.least else '≤'} {self.limit:g}"
        return f"{self.name:44s} {shown:>18s} {limit:>10s} {'' if self.kept else '  NOT KEPT'}".rstrip()


def check(policy: Policy, world: PocketWorld, size: Size) -> Iterator[Row]:
    """All rows, one after another."""
    yield from sampler_and_scorer(policy, world, size)
    yield from distance_to_float32(policy, world, size)
    yield from first_ratio(policy, world, size)
    yield from small_steps(policy, world)
    for name, step in trainers(policy, world, size).items():
        yield timed(name, step)
    if policy.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
        yield Row("peak memory of all of this", peak, "GiB")


@torch.no_grad()
def sampler_and_scorer(policy: Policy, world: PocketWorld, size: Size) -> Iterator[Row]:
    """Log-probabilities that the sampler kept against those of a forward pass; and how fast it drew."""
    prompts = world.prompts(size.prompts, seed=0)
    policy.sample(prompts[:2], 1, 4, seed=0)  # so that nothing is set up while the clock runs
    started = time.perf_counter()
    drawn = policy.sample(prompts, size.samples, size.tokens, seed=1)
    tokens = float(drawn.completion_mask.sum())
    yield Row("sampling", tokens / (time.perf_counter() - started), "tokens/s")
    gap = (policy.logprobs(drawn) - drawn.logp)[drawn.completion_mask > 0].abs()
    exact = compute_dtype(policy.device) == torch.float32
    yield Row(
        "sampler against scorer, mean |gap|", float(gap.mean()), "nats", 1e-4 if exact else 0.02
    )
    yield Row(
        "sampler against scorer, largest |gap|", float(gap.max()), "nats", 1e-3 if exact else 0.5
    )


@torch.no_grad()
def distance_to_float32(policy: Policy, world: PocketWorld, size: Size) -> Iterator[Row]:
    """KL(float32 || as computed here) of the next token, by the position in a text."""
    length = min(512, policy.model.config.max_position_embeddings) - 40  # the prompt comes before
    texts = policy.decode(next(packed_rows(policy, world.documents(5), size.rows, length)))
    rollout = policy.encode_completions(["hello"] * size.rows, texts)
    here = policy.completion_logits(rollout).float()
    with mock.patch.dict(os.environ, RLHF_DTYPE="float32"):
        exact = policy.completion_logits(rollout).float()
    gaps, mask = exact_kl(exact, here), rollout.completion_mask
    for low, high in POSITIONS:
        inside = mask[:, low:high] > 0
        if inside.any():
            kl = float(gaps[:, low:high][inside].mean())
            yield Row(f"KL to float32, tokens {low} to {high - 1}", kl, "nats", 2e-3)


def first_ratio(policy: Policy, world: PocketWorld, size: Size) -> Iterator[Row]:
    """Ratios of the first update on fresh samples: all 1, whatever the sampler rounds."""
    run = train_online(
        policy.copy(), world.prompts(size.prompts, seed=2), GoldReward(world),
        preset("grpo", minibatches=1, **online(size, steps=1)),
    )  # fmt: skip
    for name in ("ratio_min", "ratio_max"):
        yield Row(f"{name} - 1 at the first update", abs(run.last(name) - 1), "", 1e-6)


def small_steps(policy: Policy, world: PocketWorld) -> Iterator[Row]:
    """The share of weights that some steps at a learning rate of 1e-6 change at all."""
    moved = policy.copy()
    settings = DirectSettings(learning_rate=1e-6, batch_size=2, warmup_steps=0)
    train_direct(moved, pairs_of(world, 16), settings)
    before, after = (list(p.model.parameters()) for p in (policy, moved))
    changed = sum(int((a != b).sum()) for a, b in zip(before, after, strict=True))
    share = changed / sum(p.numel() for p in before)
    yield Row("weights that move at learning rate 1e-6", share, "", SMALLEST_SHARE, least=True)


def online(size: Size, **more) -> dict:
    """Settings of `train_online` for this size."""
    return dict(
        prompts_per_step=size.prompts, samples_per_prompt=size.samples, max_new_tokens=size.tokens,
        **more,
    )  # fmt: skip


def pairs_of(world: PocketWorld, count: int) -> list[Preference]:
    """Comparisons of two answers to each of `count` requests."""
    judge, prompts = annotator_judge(world.annotator()), world.prompts(count, seed=3)
    judged = judge(prompts, [TEXTS[0]] * count, [TEXTS[1]] * count)
    return [pair for pair in judged if not pair.tie]


def trainers(policy: Policy, world: PocketWorld, size: Size) -> dict[str, Callable[[], object]]:
    """One step of each trainer, by name; each works on a copy."""
    prompts, gold = world.prompts(size.prompts, seed=4), GoldReward(world)
    pairs = pairs_of(world, 4 * size.prompts)
    rows = [(prompt, TEXTS[0]) for prompt in prompts]
    graded = RewardModelSettings(batch_size=size.prompts, learning_rate=1e-4)
    drawn = dict(
        prompts_per_round=size.prompts, max_new_tokens=size.tokens, batch_size=size.prompts
    )
    sums = world.prompts(size.prompts, kinds=("sum",), seed=4)
    whole = [(prompt, TEXTS[0], i % 2) for i, prompt in enumerate(sums)]
    steps = [(prompt, list(TEXTS), [2, i % 3]) for i, prompt in enumerate(sums)]
    found: dict[str, Callable[[], object]] = {
        "SFT": lambda: train_sft(policy.copy(), rows, SFTSettings(batch_size=size.prompts)),
        "reward model": lambda: train_reward_model(RewardModel.from_policy(policy), pairs[: size.prompts], graded),
        "outcome model": lambda: train_outcome_model(OutcomeModel.from_policy(policy), whole, graded),
        "process model": lambda: train_process_model(ProcessModel.from_policy(policy), steps, graded),
        "rejection sampling": lambda: train_rejection(
            policy.copy(), prompts, gold, RejectionSettings(rounds=1, samples_per_prompt=size.samples, **drawn)
        ),
        "online DPO": lambda: train_online_direct(
            policy.copy(), prompts, annotator_judge(world.annotator()), OnlineDirectSettings(rounds=1, **drawn)
        ),
    }  # fmt: skip
    for loss in LOSSES:
        settings = DirectSettings(loss, batch_size=size.prompts)
        found[loss] = lambda settings=settings: train_direct(
            policy.copy(), pairs[: size.prompts], settings
        )
    for name in PRESETS:
        settings = preset(name, **online(size, steps=1))
        found[name] = lambda settings=settings: train_online(policy.copy(), prompts, gold, settings)
    return found


def timed(name: str, step: Callable[[], object]) -> Row:
    """Seconds of one step, its set-up included; NaN if the run stopped early."""
    started = time.perf_counter()
    history = step()
    stopped = getattr(history, "stopped", None)
    seconds = float("nan") if stopped else time.perf_counter() - started
    return Row(
        f"one step: {name}" + (f" ({stopped})" if stopped else ""), seconds, "s", float("inf")
    )


def why_not() -> str | None:
    """Why there is nothing to check here, or None."""
    if not torch.cuda.is_available():
        return f"skipped: torch {torch.__version__} sees no CUDA device (--here runs on {get_device()})"
    return None


def main(arguments: list[str]) -> int:
    """Print the table; 1 if a number does not keep its limit."""
    reason = None if "--here" in arguments else why_not()
    if reason:
        print(reason)
        return 0
    names = [text for text in arguments if not text.startswith("-")]
    policy = load_policy(*names[:1])
    device = policy.device
    model = torch.cuda.get_device_name(device) if device.type == "cuda" else "pretended or CPU"
    weights = next(policy.model.parameters()).dtype
    print(f"{policy.name} on {device} ({model}), torch {torch.__version__}")
    print(f"weights {weights}, computing in {compute_dtype(device)}\n")
    kept = True
    for row in check(policy, PocketWorld(), Size()):
        print(row, flush=True)
        kept &= row.kept
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
