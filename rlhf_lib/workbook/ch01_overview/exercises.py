"""Exercises of chapter 01."""

from __future__ import annotations

import torch

from ..kit.cases import normal
from ..kit.exercise import Exercise


def _preference(first, second):
    return torch.sigmoid(first.sum() - second.sum())


clip_preference = Exercise(
    name="my_clip_preference",
    title="Which clip will be preferred? [OV-1]",
    difficulty=1,
    minutes=5,
    reference=_preference,
    cases=lambda: [
        (torch.tensor([1.0, 0.0], dtype=torch.float64), torch.tensor([0.0], dtype=torch.float64)),
        (normal(5, seed=1), normal(3, seed=2)),
        (normal(4, seed=3), normal(4, seed=4)),
        (normal(2, seed=5), normal(6, seed=6) + 0.5),
    ],
    mistakes=(
        (
            lambda a, b: torch.sigmoid(a.mean() - b.mean()),
            "you compare means: a clip's strength is the *sum* of its steps, and these clips differ in length",
        ),
        (
            lambda a, b: torch.sigmoid(b.sum() - a.sum()),
            "this is the probability that the second clip is preferred",
        ),
        (
            lambda a, b: a.sum() - b.sum(),
            "this is the difference of the two totals; the sigmoid turns it into a probability",
        ),
        (
            lambda a, b: torch.sigmoid(a[-1] - b[-1]),
            "you look at the last step alone: every step of a clip counts",
        ),
    ),
    learns=("first", "second"),
    hints=(
        "First one number for each clip, then one probability from the two numbers.",
        "A clip's strength is the sum of the rewards of its steps.",
        "`torch.sigmoid` of the difference of the two sums, the first one first.",
    ),
)


def _share(comparisons, clip_steps, ridden_steps):
    return 2 * comparisons * clip_steps / ridden_steps


label_share = Exercise(
    name="my_label_share",
    title="How much of the experience was judged?",
    difficulty=1,
    minutes=5,
    reference=_share,
    cases=lambda: [(300, 20, 320_000), (10, 25, 5_000), (1, 1, 8), (700, 25, 50_000_000)],
    mistakes=(
        (
            lambda n, clip, ridden: n * clip / ridden,
            "a comparison shows two clips, and you count one",
        ),
        (
            lambda n, clip, ridden: n / ridden,
            "you count comparisons against steps: a clip has many steps",
        ),
        (
            lambda n, clip, ridden: 2 * n / ridden,
            "you count clips against steps: multiply by the steps of a clip",
        ),
        (
            lambda n, clip, ridden: 100 * 2 * n * clip / ridden,
            "this is in percent; the task asks for a share",
        ),
    ),
    hints=(
        "Count the steps that somebody looked at; divide by the steps that were ridden.",
        "Each comparison shows two clips, and each clip has `clip_steps` steps.",
        "`2 * comparisons * clip_steps / ridden_steps`.",
    ),
)


def _cloze(logp, mask, right):
    best = (logp * mask).sum(-1).argmax(-1)
    return (best == right).double().mean().item()


cloze = Exercise(
    name="my_cloze_accuracy",
    title="What does the model know?",
    difficulty=2,
    minutes=15,
    reference=_cloze,
    cases=lambda: [_sentences(4, 3, 5, seed=7), _sentences(6, 4, 4, seed=18), _by_hand()],
    mistakes=(
        (
            lambda logp, mask, right: (
                ((logp * mask).sum(-1) / mask.sum(-1)).argmax(-1) == right
            ).double().mean().item(),
            "you compare means over tokens: which sentence is *likeliest* is told by the sum, and the mean "
            "favours sentences of many easy tokens",
        ),
        (
            lambda logp, mask, right: (logp.sum(-1).argmax(-1) == right).double().mean().item(),
            "padding is counted: multiply by the mask first",
        ),
        (
            lambda logp, mask, right: ((logp * mask).sum(-1).argmin(-1) == right).double().mean().item(),
            "you take the unlikeliest sentence: log-probabilities are negative, and the largest is the best",
        ),
        (
            lambda logp, mask, right: (logp * mask).sum(-1).softmax(-1)[
                torch.arange(len(right)), right
            ].mean().item(),
            "this is the mean probability of the right value; the task asks how often it is the likeliest",
        ),
    ),
    hints=(
        "One number for each sentence: its log-probability. Then the best sentence of each fact.",
        "Sum over the last dimension, real tokens alone; `argmax` over the K values.",
        "`best = (logp * mask).sum(-1).argmax(-1)`; then the mean of `best == right`, as a number.",
    ),
)  # fmt: skip


def _sentences(facts: int, values: int, tokens: int, seed: int) -> tuple:
    """Log-probabilities (N, K, T) of sentences of unequal lengths, their mask, and the right values (N,)."""
    generator = torch.Generator().manual_seed(seed)
    logp = -3 * torch.rand(facts, values, tokens, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, tokens + 1, (facts, values, 1), generator=generator)
    mask = (torch.arange(tokens) < lengths).double()
    return logp, mask, torch.randint(0, values, (facts,), generator=generator)


def _by_hand() -> tuple:
    """One fact, two values: -1 - 1 against -1.5 and padding."""
    logp = torch.tensor([[[-1.0, -1.0], [-1.5, -9.0]]], dtype=torch.float64)
    mask = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]], dtype=torch.float64)
    return logp, mask, torch.tensor([1])


def _weights(rewards, mask):
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return (rewards - others)[:, None] * mask


token_weights = Exercise(
    name="my_token_weights",
    title="One score for a whole answer",
    difficulty=2,
    minutes=10,
    reference=_weights,
    cases=lambda: [
        (torch.tensor([1.0, 0.0], dtype=torch.float64), _mask((2, 3))),
        (normal(4, seed=8), _mask((3, 1, 4, 2))),
        (normal(3, seed=9) + 2, _mask((2, 2, 5))),
    ],
    mistakes=(
        (
            lambda r, m: r[:, None] * m,
            "you take the reward itself: subtract the mean of the other answers, so that some are pushed down",
        ),
        (
            lambda r, m: (r - r.mean())[:, None] * m,
            "the mean holds the answer itself: take the mean of the *others*",
        ),
        (
            lambda r, m: _weights(r, m) / m.sum(1, keepdim=True),
            "you share the score out among the tokens; each token gets the whole of it",
        ),
        (
            lambda r, m: _weights(r, torch.ones_like(m)),
            "padding is pushed too: multiply by the mask",
        ),
        (
            lambda r, m: _weights(r, m) * (m.cumsum(1) == m.sum(1, keepdim=True)),
            "only the last token is pushed: the answer's score goes to every token of it",
        ),
    ),
    hints=(
        "First one number for each answer, then the same number on each of its tokens.",
        "An answer's number is its reward minus the mean reward of the other answers.",
        "`others = (rewards.sum() - rewards) / (len(rewards) - 1)`; then `(rewards - others)[:, None] * mask`.",
    ),
)


def _mask(lengths: tuple[int, ...]) -> torch.Tensor:
    """A mask (G, T) of answers of these lengths, padded on the right."""
    return (torch.arange(max(lengths) + 1) < torch.tensor(lengths)[:, None]).double()


EXERCISES = (clip_preference, label_share, cloze, token_weights)
