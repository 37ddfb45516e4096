"""Exercises of chapter 17."""

from __future__ import annotations

import re

import torch

from ...evaluation import exact_match
from ..kit.cases import generator, normal
from ..kit.exercise import Exercise

ANSWERS = [
    "YELLOW",
    "A fox is red.",
    "the den",
    " Mice! ",
    "a fox lives in a den, not a tree",
    "seven",
    "red",
]
KEYS = ["yellow", "fox is red", "den", "mice", "den", "7", "blue"]
MORE = ["an owl says hoot.", "brown", "it is BIG", "big", "a tree.", "fish"]
MORE_KEYS = ["owl says hoot", "brown", "big", "big.", "the tree", "a fish"]


def _share(answers, keys):
    return sum(exact_match(answers, keys)) / len(keys)


def _share_of(equal):
    return lambda answers, keys: sum(map(equal, answers, keys)) / len(keys)


def _bare(text):
    return re.sub(r"[^\w\s]", " ", text.lower()).split()


match = Exercise(
    name="my_exact_match",
    title="Exact match after cleaning",
    difficulty=1,
    minutes=10,
    reference=_share,
    cases=lambda: [(list(ANSWERS), list(KEYS)), (list(MORE), list(MORE_KEYS))],
    mistakes=(
        (_share_of(lambda a, k: a == k), "you compare raw texts: clean both first"),
        (
            _share_of(lambda a, k: k.lower().strip(".") in a.lower()),
            "an answer that merely contains the key counts as right: that is another score, and it forgives "
            "'a den, not a tree'",
        ),
        (
            _share_of(lambda a, k: _bare(a) == _bare(k)),
            "articles are left in: 'the den' and 'den' have to be equal",
        ),
        (
            _share_of(lambda a, k: a.lower().split() == k.lower().split()),
            "punctuation is left in: 'Mice!' and 'mice' have to be equal",
        ),
    ),
    hints=(
        "Write a helper that cleans one text, and use it on answer and key alike.",
        "Lower case; replace what is neither letter, digit nor blank; split; leave out a, an, the.",
        "`words = [w for w in re.sub(r'[^\\w\\s]', ' ', text.lower()).split() if w not in ('a', 'an', 'the')]`; "
        "compare the lists, then take the mean.",
    ),
)


def _expected(ratings, a, b, base=10.0, scale=400.0):
    return 1 / (1 + base ** ((ratings[b] - ratings[a]) / scale))


def _elo(first, second, score, models, k, expected=_expected, both=True, after=False):
    ratings = torch.full((models,), 1000.0, dtype=torch.float64)
    for a, b, won in zip(first.tolist(), second.tolist(), score.tolist(), strict=True):
        gain = k * (won - expected(ratings, a, b))
        ratings[a] += gain
        if after:
            gain = k * (won - expected(ratings, a, b))
        if both:
            ratings[b] -= gain
    return ratings


def _votes(seed, count=12, models=4, ties=False):
    dice = generator(seed)
    first = torch.randint(models, (count,), generator=dice)
    second = (first + torch.randint(1, models, (count,), generator=dice)) % models
    score = torch.randint(3 if ties else 2, (count,), generator=dice) / (2 if ties else 1)
    return first, second, score


elo = Exercise(
    name="my_elo",
    title="Elo, vote by vote [EV-1]",
    difficulty=2,
    minutes=15,
    reference=lambda first, second, score, models, k: _elo(first, second, score, models, k),
    cases=lambda: [
        (torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([1.0, 0.0]), 3, 32.0),
        (*_votes(1), 4, 32.0),
        (*_votes(2, ties=True), 4, 16.0),
    ],
    mistakes=(
        (
            lambda f, s, y, m, k: _elo(f, s, y, m, k, lambda r, a, b: _expected(r, b, a)),
            "the chance is the loser's: the higher the first's rating, the higher its expected score",
        ),
        (
            lambda f, s, y, m, k: _elo(
                f, s, y, m, k, lambda r, a, b: _expected(r, a, b, 2.718281828459045)
            ),
            "Elo counts in powers of ten: 400 points are odds of ten to one",
        ),
        (
            lambda f, s, y, m, k: _elo(f, s, y, m, k, both=False),
            "only the first one's rating moves: what one gains the other loses",
        ),
        (
            lambda f, s, y, m, k: _elo(f, s, y, m, k, after=True),
            "the second one's change is worked out from ratings of after the vote: take one expected score for both",
        ),
        (
            lambda f, s, y, m, k: _elo(f, s, (y > 0.5).double(), m, k),
            "ties count as losses of the first: a score of 1/2 is half a win",
        ),
    ),
    hints=(
        "Keep a tensor of ratings and walk through the votes in their order.",
        "Expected score of the first: `1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400))`.",
        "`gain = k * (won - expected)`; then `ratings[a] += gain` and `ratings[b] -= gain`.",
    ),
)


def _error(a, b, clusters):
    gap = a - b
    gap = gap - gap.mean()
    names = clusters.unique()
    sums = torch.stack([gap[clusters == name].sum() for name in names])
    count = len(names)
    return (sums.square().sum() * count / (count - 1)).sqrt().item() / len(a)


def _plain_error(gap):
    return gap.std().item() / len(gap) ** 0.5


def _unpaired(a, b, clusters):
    return (_error(a, 0 * a, clusters) ** 2 + _error(b, 0 * b, clusters) ** 2) ** 0.5


def _error_cases():
    for seed, sizes in ((3, (2, 2)), (4, (3, 1, 4, 2)), (5, (5, 5, 5))):
        names = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        hard = normal(len(sizes), seed=seed)[names]
        own = normal(2, len(names), seed=seed + 10)
        yield (
            hard + own[0] + 0.5 * normal(len(sizes), seed=seed + 20)[names],
            hard + 0.5 * own[1],
            names,
        )


error = Exercise(
    name="my_error",
    title="The error of a difference, paired and clustered [EV-4, EV-5]",
    difficulty=3,
    minutes=20,
    reference=_error,
    cases=lambda: list(_error_cases()),
    mistakes=(
        (
            lambda a, b, c: _plain_error(a - b),
            "items of one passage count as independent: sum the deviations within a cluster before you square",
        ),
        (
            _unpaired,
            "you add the errors of two separate means: both models answered the same items, so take the "
            "differences first",
        ),
        (
            lambda a, b, c: _error(a, b, c) * len(a) ** 0.5,
            "this is a standard deviation of one item: it does not shrink with their number",
        ),
        (
            lambda a, b, c: ((count := len(c.unique())) - 1) ** 0.5 / count**0.5 * _error(a, b, c),
            "the factor C / (C - 1) for few clusters is missing under the root",
        ),
    ),
    hints=(
        "First the differences of the two models, item by item. Then forget that there were two.",
        "Subtract the mean, add up within each cluster, square these sums.",
        "`sqrt(C / (C - 1) * sums.square().sum()) / N`, with C clusters and N items.",
    ),
)

LEAKS = [
    (
        "Where does a fox live? A fox lives in a den.",
        ["well, where does a fox live? a fox lives in a den!"],
        8,
    ),
    (
        "where does a fox live? a fox lives in a den.",
        ["tell me the home of a fox. a fox lives in a den."],
        4,
    ),
    ("an owl eats mice", ["see an owl", "eats mice at night"], 3),
    ("one two three four five six", ["zero one two three, nine four five six", "six five"], 3),
    ("one two one two three", ["one two one two"], 2),
]


def _words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def _grams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _covered(item, texts, n, words_of=_words, least=None):
    known = {gram for text in texts for gram in _grams(words_of(text), least or n)}
    words = words_of(item)
    marks = [False] * len(words)
    for place, gram in enumerate(_grams(words, least or n)):
        if gram in known:
            marks[place : place + (least or n)] = [True] * (least or n)
    return sum(marks) / len(words)


def _share_of_grams(item, texts, n):
    known = {gram for text in texts for gram in _grams(_words(text), n)}
    mine = _grams(_words(item), n)
    return sum(gram in known for gram in mine) / len(mine)


contamination = Exercise(
    name="my_contamination",
    title="How much of a test item was seen",
    difficulty=2,
    minutes=20,
    reference=lambda item, texts, n: _covered(item, texts, n),
    cases=lambda: [(item, list(texts), n) for item, texts, n in LEAKS],
    mistakes=(
        (
            lambda i, t, n: _covered(i, t, n, least=1),
            "you look for single words: of these nearly all are seen somewhere. Look for runs of n",
        ),
        (
            lambda i, t, n: _covered(i, t, n, words_of=str.split),
            "capitals and punctuation hide copies: bring both texts into bare words first",
        ),
        (
            _share_of_grams,
            "this is the share of runs that are known. Asked is the share of words that lie in a known run",
        ),
        (
            lambda i, t, n: _covered(i, [" ".join(t)], n),
            "you join the training texts: a run must not cross from one into the next",
        ),
    ),
    hints=(
        "Two lists of words, and a set of tuples of n neighbours from the training texts.",
        "Mark the words of the item: each known run marks all its n words. Then count marks.",
        "`marks[i : i + n] = [True] * n` where `tuple(words[i : i + n])` is in the set; `sum(marks) / len(words)`.",
    ),
)

EXERCISES = (match, elo, error, contamination)
