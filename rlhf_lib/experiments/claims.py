"""What the claims of the chapters share: seeds, and a line for each claim."""

from __future__ import annotations

from ..rewards import GoldReward
from ..world import PocketWorld

SEEDS = range(5)


failures: list[str] = []


def claim(holds: int, needed: int, sentence: str) -> None:
    """Print and count one claim: `holds` of the seeds, of which `needed` are asked for."""
    good = holds >= needed
    print(f"  {'ok  ' if good else 'FAIL'} {holds} of {len(SEEDS)} seeds: {sentence}", flush=True)
    if not good:
        failures.append(sentence)


def start_of(world: PocketWorld, policy) -> tuple[float, float]:
    """Mean and standard deviation of the gold utility of SFT answers to training requests."""
    rollout = policy.sample(world.prompts(1024, seed=7), max_new_tokens=40, seed=12345)
    gold = GoldReward(world)(rollout)
    return gold.mean().item(), gold.std().item()
