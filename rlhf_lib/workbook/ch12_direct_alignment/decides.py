"""Decide exercise of chapter 12: what to do about a fixed file of comparisons."""

from __future__ import annotations

from ..kit.decide import Decide

brake = Decide(
    name="my_brake",
    title="Decide what holds DPO back on a small file",
    difficulty=2,
    minutes=20,
    question="DPO has 64 comparisons a request and no more. The price that you mean is β = 0.3. Which run "
    "loses least against the best policy for that price?",
    options={
        "as meant": "β = 0.3, 200 updates",
        "short": "β = 0.3, stopped after 40 updates",
        "strict": "β = 1, 200 updates",
    },
    better="lower",
    repeats=5,
    what="objective lost against π* (reward points)",
    hints=(
        "Change one thing alone, and keep the seeds: the same five files for each of the three runs.",
        "`missed_by(seed, beta=0.3, steps=200)` is one number of the first option.",
        "`my_brake = {'as meant': [missed_by(s, 0.3, 200) for s in range(5)], ...}`; likewise with "
        "(0.3, 40) and (1.0, 200).",
    ),
    usual="short",
    lesson="On a fixed file the brake is when you stop. beta says what satisfies a pair, not how far the policy "
    "may go: three times the price bought little, a fifth of the updates bought most of it.",
)

DECIDES = (brake,)
