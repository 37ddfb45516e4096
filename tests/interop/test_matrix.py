"""The interop matrix: every tool gives the shipped SFT model's answers, and gives as good ones when it draws.

Columns that need TRL or lm-evaluation-harness are skipped where these are missing; `make interop` has them.
"""

import functools
import importlib.util
from statistics import fmean, stdev

import pytest
import torch

from rlhf_lib.lm import load_policy
from rlhf_lib.runtime import data_path
from rlhf_lib.world import PocketWorld
from tests.interop import ways

FOLDER = data_path("models", "pocket-sft")
WORLD = PocketWorld()
REQUESTS = WORLD.prompts(200, seed=14, split="test")
CLEAR = 1e-3
"""A greedy token whose logit leads by less than this may fall either way by rounding."""

needed = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            bool(package) and importlib.util.find_spec(package) is None,
            reason=f"{package} is not installed here: `make interop`",
        ),
    )
    for name, (_, package) in ways.WAYS.items()
]


@functools.cache
def texts_of(name: str, sampled: bool = False, seed: int = 0) -> list[str]:
    """What one way answers, asked once."""
    way, _ = ways.WAYS[name]
    return way(FOLDER, REQUESTS, sampled, seed)


@functools.cache
def golds_of(name: str, sampled: bool = False, seed: int = 0) -> list[float]:
    """The gold utility of each answer."""
    texts = texts_of(name, sampled, seed)
    return [WORLD.gold(prompt, text) for prompt, text in zip(REQUESTS, texts, strict=True)]


@functools.cache
@torch.no_grad()
def clear_rows() -> list[int]:
    """Requests whose greedy answer hangs on no rounding: the first logit leads the second clearly."""
    policy = load_policy(str(FOLDER), device="cpu")
    rollout = policy.sample(REQUESTS, max_new_tokens=ways.TOKENS, temperature=0.0)
    first, second = policy.completion_logits(rollout).topk(2).values.unbind(-1)
    lead = (first - second).masked_fill(rollout.completion_mask == 0, float("inf"))
    return (lead.min(1).values > CLEAR).nonzero().flatten().tolist()


def standard_errors(name: str, seed: int) -> float:
    """How far a way's mean gold is from our sampler's, in standard errors of the difference."""
    ours, theirs = golds_of("own decoder", True, 100 + seed), golds_of(name, True, seed)
    variance = sum(stdev(golds) ** 2 / len(golds) for golds in (ours, theirs))
    return abs(fmean(ours) - fmean(theirs)) / variance**0.5


@pytest.mark.parametrize("name", needed)
def test_greedy_answers_are_the_same(name, capsys):
    rows, ours, theirs = clear_rows(), texts_of("own decoder"), texts_of(name)
    same = [row for row in rows if ours[row] == theirs[row]]
    with capsys.disabled():
        print(f"\n{name:22s} greedy: {len(same)} of {len(rows)} answers are the same, "
              f"mean gold {fmean(golds_of(name)):.3f}", end=" ")  # fmt: skip
    assert len(rows) >= 180
    assert same == rows, [(ours[r], theirs[r]) for r in rows if r not in same][:3]


@pytest.mark.parametrize("name", needed)
def test_drawn_answers_are_as_good(name, capsys):
    """Within two standard errors in one of three draws: by chance it fails once in eight thousand runs."""
    found = next((s for s in range(3) if standard_errors(name, s) < 2), None)
    with capsys.disabled():
        mean, gap = fmean(golds_of(name, True, found or 0)), standard_errors(name, found or 0)
        print(f"\n{name:22s} drawn: mean gold {mean:.3f}, {gap:.2f} standard errors off", end=" ")
    assert found is not None, [standard_errors(name, seed) for seed in range(3)]
