"""Decide exercise of chapter 07: how to spend a budget of labels."""

from __future__ import annotations

from ..kit.decide import Decide

labels = Decide(
    name="my_labels",
    title="Decide how to spend 240 labels",
    difficulty=2,
    minutes=20,
    question="You can pay for 240 labels by noisy annotators. Which way of spending them gives the reward "
    "model that orders unseen pairs best?",
    options={
        "once": "240 pairs, one label each",
        "thrice": "80 pairs, three labels each, the majority decides",
    },
    better="higher",
    repeats=8,
    what="share of unseen pairs in the right order",
    hints=(
        "Change one thing alone: the same data, the same noise, the same seeds; other pairs and labels.",
        "`order_learned(data, seed, pairs=240, labels_each=1)` is one number of one option.",
        "`my_labels = {'once': [order_learned(data, s, 240, 1) for s in range(8)], ...}`, likewise with "
        "80 and 3; then compare the means with the spread over seeds.",
    ),
    usual="once",
    lesson="A second opinion on the same pair removes noise that averages out over pairs anyway; a new pair "
    "shows the model something new. Ask again only where labels are cheap and answers rare.",
)

DECIDES = (labels,)
