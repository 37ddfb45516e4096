"""Exercises of chapter 05."""

from __future__ import annotations

import torch

from ..kit.cases import generator, normal
from ..kit.exercise import Exercise


def _integers(low: int, high: int, count: int, seed: int):
    return torch.randint(low, high + 1, (count,), generator=generator(seed))


def _likert(scale):
    signed = (scale - 4).double()
    return torch.sign(signed), signed.abs()


likert_to_pair = Exercise(
    name="likert_to_pair",
    title="From seven keys to a winner and a margin",
    difficulty=1,
    minutes=10,
    reference=_likert,
    cases=lambda: [
        (torch.tensor([1, 4, 7]),),
        (torch.tensor([3, 5, 2, 6, 4, 4]),),
        (_integers(1, 7, 9, seed=1),),
    ],
    mistakes=(
        (
            lambda s: (torch.sign((4 - s).double()), (s - 4).double().abs()),
            "left and right are swapped: 7 means that the right answer is much better",
        ),
        (
            lambda s: (torch.where(s > 4, 1.0, -1.0).double(), (s - 4).double().abs()),
            "a tie counts as a win of the left answer: its winner is 0",
        ),
        (
            lambda s: (_likert(s[s != 4])[0], _likert(s[s != 4])[1]),
            "the ties are gone without a word: keep a row for each label, with winner 0 and margin 0",
        ),
        (
            lambda s: (_likert(s)[0], _likert(s)[0] * _likert(s)[1]),
            "your margin has a sign: how much better is a size, and who is better stands in the winner",
        ),
        (
            lambda s: (_likert(s)[0], s.double()),
            "your margin is the key itself: count the steps from 4, the middle",
        ),
    ),
    hints=(
        "The middle of the scale is 4. What does `scale - 4` say about who is better, and by how much?",
        "`torch.sign` gives the winner, also for a tie; `.abs()` the margin.",
        "`signed = (scale - 4).double()`, then `torch.sign(signed), signed.abs()`.",
    ),
)


def _agreement(first, second):
    same = (first == second).double().mean()
    chance = sum(((first == k).double().mean() * (second == k).double().mean()) for k in (-1, 0, 1))
    return ((same - chance) / (1 - chance)).item()


def _without_ties(first, second):
    kept = (first != 0) & (second != 0)
    return _agreement(first[kept], second[kept])


agreement = Exercise(
    name="my_agreement",
    title="Agreement beyond chance, with ties",
    difficulty=2,
    minutes=15,
    reference=_agreement,
    cases=lambda: [
        (torch.tensor([1, 1, -1, 0, -1, 1]), torch.tensor([1, -1, -1, 0, 1, 0])),
        (_integers(-1, 1, 12, seed=2), _integers(-1, 1, 12, seed=3)),
        (torch.tensor([1, 1, 1, 1, -1, 0, 0, 1]), torch.tensor([1, 1, 1, -1, -1, 0, 1, 1])),
    ],
    mistakes=(
        (
            lambda a, b: (a == b).double().mean().item(),
            "this is the plain share of equal labels: two people who press blindly have one, too. Take chance out",
        ),
        (
            lambda a, b: (((a == b).double().mean() - 1 / 3) / (1 - 1 / 3)).item(),
            "your chance is one in three: people do not press all three keys equally often. Use how often each did",
        ),
        (
            _without_ties,
            "you leave the ties out: a tie against a win is a disagreement like any other",
        ),
        (
            lambda a, b: (
                (((a == b) | (a == 0) | (b == 0)).double().mean() - _chance(a, b))
                / (1 - _chance(a, b))
            ).item(),
            "you count a tie as agreement with everything: equal means equal",
        ),
    ),
    hints=(
        "How often would the two agree if each pressed at random, as often left, tie and right as they did?",
        "Chance is the sum over the three labels of (share in `first`) × (share in `second`).",
        "`(same - chance) / (1 - chance)`, as a number.",
    ),
)


def _chance(a, b):
    return sum(((a == k).double().mean() * (b == k).double().mean()) for k in (-1, 0, 1))


def _position(first_left, second_left):
    same = (first_left != second_left).double().mean()
    return torch.stack((same, (first_left + second_left).mean() / 2 - 0.5))


position_bias = Exercise(
    name="position_bias",
    title="A liking for the left, from swapped repeats",
    difficulty=2,
    minutes=15,
    reference=_position,
    cases=lambda: [
        (torch.tensor([1.0, 1.0, 0.0, 1.0]).double(), torch.tensor([0.0, 1.0, 1.0, 1.0]).double()),
        (_integers(0, 1, 9, seed=4).double(), _integers(0, 1, 9, seed=5).double()),
        (torch.tensor([1.0, 0.0, 0.0]).double(), torch.tensor([0.0, 1.0, 1.0]).double()),
    ],
    mistakes=(
        (
            lambda a, b: torch.stack(((a == b).double().mean(), (a + b).mean() / 2 - 0.5)),
            "the sides were swapped: whoever presses 'left' both times chose two different answers",
        ),
        (
            lambda a, b: torch.stack(((a != b).double().mean(), a.mean() - 0.5)),
            "you look at the first showing alone: there 'left' may have held the better answers. Over both "
            "showings each answer stood once on either side",
        ),
        (
            lambda a, b: torch.stack(((a != b).double().mean(), (a + b).mean() / 2)),
            "this is the share of 'left': the bias is how far it lies above a half",
        ),
    ),
    hints=(
        "In the second showing the two answers stand on the other sides. Same answer chosen: same side or other side?",
        "Consistent means `first_left != second_left`. Over both showings, a fair reader presses 'left' half of the time.",
        "`torch.stack(((first_left != second_left).double().mean(), (first_left + second_left).mean() / 2 - 0.5))`.",
    ),
)


def _last_turn(turns):
    last = turns.max(1, keepdim=True).values
    return (turns == last).double()


multi_turn_mask = Exercise(
    name="multi_turn_mask",
    title="The tokens that count in a comparison of the third answer",
    difficulty=2,
    minutes=10,
    reference=_last_turn,
    cases=lambda: [
        (torch.tensor([[0, 0, 1, 1, 2, 3, 3, -1], [0, 1, 1, 1, -1, -1, -1, -1]]),),
        (torch.tensor([[0, 1, 2, 2, 3, 4, 5, 5]]),),
        (torch.tensor([[0, 0, 0, 1, 1, 2, 3], [0, 1, 2, 3, 4, 5, 5], [0, 1, 1, -1, -1, -1, -1]]),),
    ],
    mistakes=(
        (
            lambda t: ((t >= 0) & (t % 2 == 1)).double(),
            "you count every answer of the assistant: the earlier ones stand in both conversations and were not compared",
        ),
        (
            lambda t: (t >= 0).double(),
            "you count the whole conversation: users' words are no answers, and earlier turns were not compared",
        ),
        (
            lambda t: (t == t.max()).double(),
            "you take the highest turn of the whole batch: a shorter conversation has its last answer earlier",
        ),
        (
            lambda t: (t == t[:, -1:]).double(),
            "you look at the last column: in a shorter row that is padding",
        ),
    ),
    hints=(
        "Which turn of each row is the answer that was compared?",
        "`turns.max(1, keepdim=True).values` is the last turn of each row; padding is -1 and never the largest.",
        "Compare with it: `(turns == last).double()`.",
    ),
)


def _structured(right_first, right_second, words_first, words_second, slack):
    decided = right_first - right_second
    return torch.where(
        (words_first - words_second).abs() <= slack, decided, torch.zeros_like(decided)
    )


structured_pair = Exercise(
    name="structured_pair",
    title="Pairs by rule that differ in one thing",
    difficulty=2,
    minutes=15,
    reference=_structured,
    cases=lambda: [
        (
            torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 1.0, 0.0]),
            torch.tensor([8.0, 12.0, 8.0, 20.0]), torch.tensor([10.0, 11.0, 8.0, 9.0]), 2,
        ),
        (
            _integers(0, 1, 10, seed=6).float(), _integers(0, 1, 10, seed=7).float(),
            _integers(8, 12, 10, seed=8).float(), _integers(8, 12, 10, seed=9).float(), 1,
        ),
    ],
    mistakes=(
        (
            lambda a, b, m, n, s: a - b,
            "you keep pairs whose answers differ in length as well: a model could learn the length from them",
        ),
        (
            lambda a, b, m, n, s: torch.where((m - n).abs() <= s, torch.where(a >= b, 1.0, -1.0), torch.zeros_like(a)),
            "you give a winner to pairs that are both right or both wrong: a rule has nothing to say about them",
        ),
        (
            lambda a, b, m, n, s: torch.where((m - n).abs() < s, a - b, torch.zeros_like(a)),
            "you leave out pairs whose lengths differ by exactly `slack`: those are still allowed",
        ),
        (
            lambda a, b, m, n, s: torch.where(m - n <= s, a - b, torch.zeros_like(a)),
            "you look at the length in one direction alone: a second answer that is much longer passes",
        ),
    ),
    hints=(
        "Two conditions: the rule tells the answers apart, and nothing else does.",
        "`right_first - right_second` is 1, -1 or 0, just as wanted.",
        "`torch.where((words_first - words_second).abs() <= slack, right_first - right_second, 0.0)`.",
    ),
)  # fmt: skip


def _borda(utilities, share):
    above = (utilities[:, :, None] > utilities[:, None, :]).double()
    level = (utilities[:, :, None] == utilities[:, None, :]).double()
    chance = (share[:, None, None] * (above + level / 2)).sum(0)
    return (chance.sum(1) - chance.diagonal()) / (utilities.shape[1] - 1)


def _plurality(utilities, share):
    best = torch.nn.functional.one_hot(utilities.argmax(1), utilities.shape[1]).double()
    return (share[:, None] * best).sum(0)


borda = Exercise(
    name="borda_scores",
    title="What a crowd of two minds votes for",
    difficulty=3,
    minutes=20,
    reference=_borda,
    cases=lambda: [
        (
            torch.tensor([[3.0, 2.0, 0.0], [0.0, 2.0, 3.0]]).double(),
            torch.tensor([0.6, 0.4]).double(),
        ),
        (torch.tensor([[1.0, 1.0, 0.0, 2.0]]).double(), torch.tensor([1.0]).double()),
        (normal(3, 4, seed=10), torch.tensor([0.5, 0.3, 0.2]).double()),
    ],
    mistakes=(
        (
            lambda u, s: (s[:, None] * u).sum(0),
            "this is the mean utility: labels say who wins, not by how much, and the crowd's mean cannot be read off them",
        ),
        (
            _plurality,
            "you count first places alone: a comparison with any other answer counts as much",
        ),
        (
            lambda u, s: _borda(u, torch.full_like(s, 1 / len(s))),
            "every kind of reader counts the same: weight each by its share",
        ),
        (
            lambda u, s: (
                (s[:, None, None] * (u[:, :, None] > u[:, None, :]).double()).sum(0).sum(1)
                / (u.shape[1] - 1)
            ),
            "answers of equal worth win against nobody: a tie is half a win",
        ),
        (
            lambda u, s: (_borda(u, s) * (u.shape[1] - 1) + 0.5) / u.shape[1],
            "you compare each answer with itself, too: divide by the number of others",
        ),
    ),
    hints=(
        "For each pair of answers: which share of the readers prefers the one? Then the mean over the others.",
        "`utilities[:, :, None] > utilities[:, None, :]` is (readers, K, K); weight by share, add up over readers.",
        "Add half where they are equal, leave out the diagonal, divide by K - 1.",
    ),
)

EXERCISES = (likert_to_pair, agreement, position_bias, multi_turn_mask, structured_pair, borda)
