"""Rejection sampling: draw many answers, keep the best by a reward, fine-tune on them, again.

Book: `c/09-rejection-sampling`. One round from the SFT model is the classic recipe (Llama 2); several
rounds, each from the policy as it stands, are RAFT (Dong et al., 2023).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..lm import Policy, Rollout
from ..rewards import Reward, last_request, score, score_by_length
from .checkpoint import Checkpoint, digest
from .checks import check_settings
from .guards import NonFiniteError
from .history import History
from .loop import run_training
from .progress import silent
from .sft import SFTSettings, train_sft

SELECTIONS = ("best_per_prompt", "top_overall", "random_per_prompt", "random_overall")


@dataclass
class RejectionSettings:
    """Settings of `train_rejection`.

    Raises:
        ValueError: a number out of range, or an unknown selection.
    """

    rounds: int = 1
    """Times of: sample, score, select, fine-tune."""
    prompts_per_round: int = 128
    """Prompts in a round, M."""
    samples_per_prompt: int = 8
    """Answers to each prompt, N."""
    selection: str = "best_per_prompt"
    """best_per_prompt: the best answer to each prompt. top_overall: the `keep` best of all M x N answers.
    random_per_prompt, random_overall: their controls, as many answers without looking at the reward."""
    keep: int | None = None
    """Only with an 'overall' selection: answers kept of all M x N; M by default, as many as prompts."""
    temperature: float = 1.0
    max_new_tokens: int = 40

    epochs: float = 2.0
    """Passes of fine-tuning over the answers of a round."""
    batch_size: int = 32
    learning_rate: float = 3e-4
    """Peak of the fine-tuning in each round."""
    micro_batch: int | None = None
    """Answers in one forward pass of fine-tuning; None: the batch. It changes memory, not the gradient."""
    warmup_steps: int = 2
    """Updates of each fine-tuning over which the rate rises linearly."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(
            self,
            positive=(
                "rounds", "prompts_per_round", "samples_per_prompt", "keep", "temperature",
                "max_new_tokens", "epochs", "batch_size", "micro_batch", "learning_rate",
            ),
            non_negative=("warmup_steps",),
            choices={"selection": SELECTIONS},
        )  # fmt: skip


def select_answers(
    rewards: Tensor, selection: str = "best_per_prompt", keep: int | None = None, seed: int = 0
) -> list[tuple[int, int]]:
    """(prompt, answer) indices of what is kept of rewards (M, N), best first for 'top_overall'.

    selection, keep: as in `RejectionSettings`. Of equal rewards the earlier answer is kept, so that the
    result does not depend on the machine. seed: of the random controls. Equations: [RS-1] best per
    prompt, [RS-2] top overall.

    Raises:
        ValueError: rewards not (M, N), unknown selection, keep outside 1 to M * N.
    """
    if rewards.ndim != 2 or rewards.numel() == 0:
        raise ValueError(f"rewards must have shape (M, N), not empty; got {tuple(rewards.shape)}")
    if selection not in SELECTIONS:
        raise ValueError(f"selection must be one of {', '.join(SELECTIONS)}; got {selection!r}")
    prompts, answers = rewards.shape
    keep = prompts if keep is None else keep
    if not 1 <= keep <= rewards.numel():
        raise ValueError(f"keep must lie between 1 and {rewards.numel()} (M * N); got {keep}")
    rng = random.Random(seed)
    if selection == "random_per_prompt":
        return [(row, rng.randrange(answers)) for row in range(prompts)]
    if selection == "random_overall":
        return [divmod(place, answers) for place in rng.sample(range(rewards.numel()), keep)]
    if selection == "best_per_prompt":
        best = rewards.sort(dim=1, descending=True, stable=True).indices[:, 0]
        return list(enumerate(best.tolist()))
    order = rewards.flatten().sort(descending=True, stable=True).indices[:keep]
    return [divmod(place, answers) for place in order.tolist()]


def padding_share(rollout: Rollout, batch_size: int = 64, sort: bool = True) -> float:
    """Share of the positions of all batches of `score_by_length` that are padding."""
    total = rollout.attention_mask.sum(1)
    order = total.argsort() if sort else torch.arange(rollout.batch_size)
    batches = [rollout.select(rows) for rows in order.split(batch_size)]
    return 1 - float(total.sum()) / sum(batch.token_ids.numel() for batch in batches)


def train_rejection(
    policy: Policy,
    prompts: Sequence,
    reward: Reward,
    settings: RejectionSettings | None = None,
    gold: Reward | None = None,
    *,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
) -> History:
    """Train `policy` in place on its own answers that `reward` likes best.

    gold: another reward that is measured and never selected by. checkpoint: a folder; the same call on
    it goes on where a killed run was, after its last whole round (see `training.checkpoint`). The history has a row a round, from
    before its fine-tuning: proxy and gold (means over all answers), proxy_kept and gold_kept (over those
    that were kept), kept (how many), distinct (share of the kept texts that differ), length, sft_loss
    (of the last batch), seconds. `samples` holds a kept answer of each round.

    Raises:
        ValueError: no prompts.
    """
    settings = settings or RejectionSettings()
    if len(prompts) == 0:
        raise ValueError("prompts must hold at least one prompt")
    rng, history = random.Random(settings.seed), History()
    kept_on_disk = Checkpoint(
        checkpoint, checkpoint_every, settings, history,
        {"policy": policy.model, "generator": rng},
        facts={"prompts": lambda: digest((prompt,) for prompt in prompts)},
    )  # fmt: skip

    def do_round(number: int) -> dict[str, float]:
        rollout, rewards = sample_and_score(policy, prompts, reward, settings, rng)
        kept = keep_best(rollout, rewards, settings, seed=rng.randrange(2**31))
        row = describe_round(rollout, rewards, kept, gold)
        chosen = rollout.select(kept)
        tuned = _fine_tune(policy, chosen, settings, number)
        history.log(number, **row, sft_loss=tuned.last("loss"), seconds=history.seconds())
        request, text = last_request(chosen.prompts[0]), chosen.texts[0]
        history.samples.append({"step": number, "prompt": request, "text": text})
        return row

    shown = ("proxy", "proxy_kept")
    return run_training(
        "rejection sampling", settings.rounds, do_round, history, kept_on_disk, shown
    )


def sample_and_score(
    policy: Policy,
    prompts: Sequence,
    reward: Reward,
    settings: RejectionSettings,
    rng: random.Random,
) -> tuple[Rollout, Tensor]:
    """(rollout of M x N answers, rewards (M, N)) of one round.

    Raises:
        ValueError: not one reward for each answer.
        guards.NonFiniteError: a reward is not a number.
    """
    asked = rng.sample(list(prompts), min(settings.prompts_per_round, len(prompts)))
    rollout = policy.sample(
        asked,
        settings.samples_per_prompt,
        settings.max_new_tokens,
        settings.temperature,
        seed=rng.randrange(2**31),
    )
    rewards = score_by_length(reward, rollout)
    return rollout, rewards.view(len(asked), -1)


def keep_best(rollout: Rollout, rewards: Tensor, settings: RejectionSettings, seed: int) -> Tensor:
    """Row numbers of the rollout's answers that are kept, from rewards (M, N)."""
    keep = None if settings.keep is None else min(settings.keep, rewards.numel())
    places = select_answers(rewards, settings.selection, keep, seed)
    return torch.tensor([row * rewards.shape[1] + column for row, column in places])


def describe_round(
    rollout: Rollout, rewards: Tensor, kept: Tensor, gold: Reward | None = None
) -> dict[str, float]:
    """The metrics of a round before its fine-tuning: see `train_rejection`."""
    texts = [rollout.texts[i] for i in kept.tolist()]
    found = {
        "proxy": rewards.mean().item(),
        "proxy_kept": rewards.flatten()[kept].mean().item(),
        "kept": len(texts),
        "distinct": len(set(texts)) / len(texts),
        "length": rollout.lengths.mean().item(),
    }
    if gold is not None:
        values = score(gold, rollout, "gold")
        found |= {"gold": values.mean().item(), "gold_kept": values[kept].mean().item()}
    return found


def _fine_tune(
    policy: Policy, chosen: Rollout, settings: RejectionSettings, number: int
) -> History:
    sft = SFTSettings(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        micro_batch=settings.micro_batch,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        seed=settings.seed + number,
    )
    with silent():
        tuned = train_sft(policy, list(zip(chosen.prompts, chosen.texts, strict=True)), sft)
    if tuned.stopped:  # by hand, or by trouble: then no further round either
        raise KeyboardInterrupt if "by hand" in tuned.stopped else NonFiniteError(tuned.stopped)
    return tuned
