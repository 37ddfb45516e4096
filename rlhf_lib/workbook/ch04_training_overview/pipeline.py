"""Post-training as a pipeline: stages in an order, each of which may use so many answers.

An answer is the unit of the bill, whoever wrote it: a demonstration is one, a comparison is two, a sampled and
scored answer is one. So recipes of different stages can be held to one budget.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...lm import Policy
from ...rewards import Reward, RewardModel, VerifiedAnswer, score
from ...training import (
    DirectSettings,
    RewardModelSettings,
    SFTSettings,
    preset,
    train_direct,
    train_online,
    train_reward_model,
    train_sft,
)
from ...training.progress import silent
from ...world import Demonstration, PocketWorld, Preference, label_pairs

LENGTH = 40
"""Most tokens of an answer."""
BATCH = 64
"""Answers in a step of reinforcement learning."""
NEAR = {"learning_rate": 1.5e-4, "kl_coefficient": 0.05}
"""Of RL on a reward model, which is right only near the answers that it has seen: small steps, and a price for nats."""
LEVELS = ((9, 2),)
"""Word problems: the largest number that comes or goes, and how many steps there are."""
STYLES = {
    "short": 0.30, "long": 0.12, "polite": 0.10, "hedged": 0.08, "flattering": 0.06, "listed": 0.04,
    "wrong": 0.08, "repetitive": 0.10, "off_topic": 0.08, "unfinished": 0.04,
}  # fmt: skip
"""Of the demonstrations: two in three are sound."""


@dataclass(frozen=True)
class Stage:
    """One stage: its name, a key of `STAGES`, and how many answers it may use."""

    name: str
    answers: int = 1024


@dataclass(frozen=True)
class Product:
    """What stands after a stage: the policy, and the reward model if there is one."""

    policy: Policy
    reward: RewardModel | None = None


def run_stage(product: Product, stage: Stage, seed: int) -> Product:
    """The product after one more stage; the one before is left as it is.

    Raises:
        ValueError: unknown name.
    """
    if stage.name not in STAGES:
        raise ValueError(f"stage must be one of {', '.join(STAGES)}; got {stage.name!r}")
    with silent():
        return STAGES[stage.name](
            replace(product, policy=product.policy.copy()), stage.answers, seed
        )


def bill(stages: Sequence[Stage]) -> dict[str, int]:
    """What the stages ask for: demonstrations, comparisons by people, and answers that the policy samples."""
    found = {"demonstrations": 0, "comparisons": 0, "sampled answers": 0}
    for stage in stages:
        shown = {"SFT": 1.0, "cold start": 1.0, "rejection": 0.25}.get(stage.name, 0.0)
        judged = {"RLHF": 0.25, "mixed RL": 0.25, "DPO": 0.5}.get(stage.name, 0.0)
        found["demonstrations"] += round(shown * stage.answers)
        found["comparisons"] += round(judged * stage.answers)
        found["sampled answers"] += round((1 - shown) * stage.answers)
    return found


def instruct(product: Product, answers: int, seed: int) -> Product:
    """Supervised fine-tuning on demonstrations for requests of all kinds."""
    return imitate(product, demonstrations(answers, seed), seed)


def demonstrations(count: int, seed: int) -> list[Demonstration]:
    """Requests with written answers, of which two in three are sound."""
    return PocketWorld().demonstrations(count, seed=seed, styles=STYLES, conversations=0.0)


def cold_start(product: Product, answers: int, seed: int) -> Product:
    """Supervised fine-tuning on worked sums: a chain of thought before each result."""
    return imitate(product, worked(answers, seed), seed)


def worked(answers: int, seed: int) -> list[tuple]:
    """Word problems and sums with right answers, worked out step by step."""
    world, rng = PocketWorld(), random.Random(f"cold start {seed}")
    asked = world.prompts(answers, ("sum", "steps", "steps"), seed=seed, levels=LEVELS)
    return [(prompt, world.answer(prompt, "long", rng)) for prompt in asked]


def imitate(product: Product, shown: Sequence, seed: int, learning_rate: float = 1e-3) -> Product:
    """Fine-tune on (request, answer) pairs."""
    settings = SFTSettings(batch_size=16, learning_rate=learning_rate, warmup_steps=10, seed=seed)
    train_sft(product.policy, shown, settings)
    return product


def rlhf(product: Product, answers: int, seed: int) -> Product:
    """A reward model from comparisons of the policy's answers, then RL on it with a KL penalty. Each takes half."""
    known = fit_reward(product, answers // 2, seed)
    climb(known.policy, requests(seed), known.reward, answers - answers // 2, seed, **NEAR)
    return known


def fit_reward(product: Product, answers: int, seed: int) -> Product:
    """A reward model that starts as the policy, from comparisons of its answers."""
    model = RewardModel.from_policy(product.policy, seed=seed)
    settings = RewardModelSettings(seed=seed, batch_size=16)
    train_reward_model(model, compared(product.policy, answers // 2, seed), settings)
    return replace(product, reward=model)


def direct(product: Product, answers: int, seed: int) -> Product:
    """DPO on comparisons of the policy's answers."""
    pairs = compared(product.policy, answers // 2, seed)
    train_direct(product.policy, pairs, DirectSettings(beta=0.1, batch_size=16, seed=seed))
    return product


def compared(policy: Policy, pairs: int, seed: int) -> list[Preference]:
    """Comparisons by PocketWorld's annotators of two answers that the policy gives to a request."""
    world, asked = PocketWorld(), requests(seed)[:pairs]
    texts = sampled(policy, asked, 2, seed)
    found = label_pairs(asked, texts[0::2], texts[1::2], world.annotator(), seed=seed)
    return [pair for pair in found if pair.chosen.strip() and pair.rejected.strip()]


def requests(seed: int, kinds: tuple[str, ...] | None = None, count: int = 1000) -> list:
    """Training requests; of all kinds by default."""
    return PocketWorld().prompts(count, kinds, seed=100 + seed, levels=LEVELS)


def sampled(policy: Policy, asked: Sequence, each: int, seed: int) -> list[str]:
    """`each` answers to each request, those to one request in neighbouring places."""
    parts = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
    return [
        t
        for i, some in enumerate(parts)
        for t in policy.sample(some, each, LENGTH, seed=1000 * seed + i).texts
    ]


def verified(product: Product, answers: int, seed: int) -> Product:
    """RL on a verifiable reward: 1 for a sum or word problem that ends in the right number, else 0."""
    checked = VerifiedAnswer(PocketWorld())
    climb(product.policy, requests(seed, SUMS), checked, answers, seed, learning_rate=3e-4)
    return product


SUMS = ("sum", "steps")
"""Kinds of request that a program can check."""


def climb(
    policy: Policy, asked: Sequence, reward: Reward, answers: int, seed: int, **changes: float
) -> None:
    """Reinforcement learning: RLOO, `BATCH` answers a step. changes: of the settings."""
    settings = preset(
        "rloo", steps=max(1, answers // BATCH), prompts_per_step=BATCH // 4, samples_per_prompt=4,
        max_new_tokens=LENGTH, seed=seed, **changes,
    )  # fmt: skip
    train_online(policy, asked, reward, settings)


def rejection(product: Product, answers: int, seed: int) -> Product:
    """Fine-tune on the policy's own right answers to sums, and on demonstrations: one answer of the bill in four."""
    shown = demonstrations(answers // 4, seed + 50)
    asked = requests(seed + 50, SUMS)[: (answers - len(shown)) // 4]
    return imitate(product, [*right_answers(product.policy, asked, seed + 50), *shown], seed)


def right_answers(policy: Policy, asked: Sequence, seed: int) -> list[Demonstration]:
    """A right answer of the policy's to each request that it answers rightly at least once in four times."""
    world, texts = PocketWorld(), sampled(policy, asked, 4, seed)
    found = []
    for place, prompt in enumerate(asked):
        four = texts[4 * place : 4 * place + 4]
        right = [t for t in four if world.gold_score(prompt, t).terms["task"] > 0.99]
        found += [Demonstration(prompt, text) for text in right[:1]]
    return found


def mixed(product: Product, answers: int, seed: int) -> Product:
    """RL on both rewards: sums are verified, all else is scored by a reward model. The reward model takes half."""
    known = fit_reward(product, answers // 2, seed)
    reward = by_kind(VerifiedAnswer(PocketWorld()), known.reward)
    climb(known.policy, requests(seed), reward, answers - answers // 2, seed, **NEAR)
    return known


def by_kind(verifier: Reward, model: Reward) -> Reward:
    """The verifier's reward for sums, the model's for all other requests."""

    def reward(rollout):
        checked, scored = score(verifier, rollout), score(model, rollout)
        sums = checked.new_tensor([prompt.kind in SUMS for prompt in rollout.prompts]) > 0
        return scored.where(~sums, 2 * checked - 1)

    return reward


STAGES: dict[str, Callable[[Product, int, int], Product]] = {
    "SFT": instruct,
    "cold start": cold_start,
    "RLHF": rlhf,
    "DPO": direct,
    "RLVR": verified,
    "rejection": rejection,
    "mixed RL": mixed,
}
"""Name -> (product, answers, seed) -> product."""
