"""Decide exercise of chapter 01: when to spend a budget of comparisons."""

from __future__ import annotations

from ..kit.decide import Decide

label_plan = Decide(
    name="my_label_plan",
    title="Decide when to ask",
    difficulty=2,
    minutes=15,
    question="You can pay for 300 comparisons of clips. When do you ask for them?",
    options={
        "spread": "25 in each of twelve rounds, on clips of the policy as it then is",
        "once": "all 300 in the first round, on clips of the untaught policy",
    },
    better="higher",
    repeats=5,
    what="share of the last second at the mark",
    hints=(
        "Change one thing alone: when the comparisons are made. Same judge, same updates, same seeds.",
        "`taught('wish', seed)` spreads them, `taught('once', seed)` asks at the start; both give (pupil, curves).",
        "The number is `end_of(curves, 'mark')`; the five stored runs hold it too: "
        "`end_of(results_of('01_overview', 'lessons')[seed]['once'], 'mark')`.",
    ),
    usual="undecided",
    lesson="Spread out is better on most seeds, but runs of either kind fail now and then, and five seeds do not settle "
    "it. What they do show is *how* the early plan fails: its carts run past the mark, since no early clip showed one "
    "that was too far right. Christiano et al., with more runs, found early comparisons alone much worse.",
)

DECIDES = (label_plan,)
