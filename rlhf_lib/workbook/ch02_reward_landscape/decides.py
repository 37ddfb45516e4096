"""Decide exercise of chapter 02: how wide a tube, when the reward model has seen little."""

from __future__ import annotations

from ..kit.decide import Decide

budget = Decide(
    name="my_budget",
    title="Decide how wide a tube",
    difficulty=2,
    minutes=20,
    question="The reward model has seen 100 comparisons, not 400. Which tube gives the walker that climbs "
    "it the highest gold at the end?",
    options={"0.1": "0.1 nats a step", "1": "1 nat a step", "10": "10 nats a step"},
    better="higher",
    repeats=3,
    what="gold (mean altitude of a step)",
    hints=(
        "A seed stands for labels, a reward model and dice of its own: fit one proxy a seed, and let all "
        "three walkers climb that one.",
        "`learned_proxy(settings, land)` gives the comparisons and the proxy; `budget_curve(settings, land, "
        "proxy.altitude, budgets)` gives a run for each budget.",
        "A loop over three seeds, with `MirageSettings(comparisons=100, seed=seed)`; "
        "`run.history.last('gold')` goes into the list of the run's budget.",
    ),
    usual="1",
    lesson="Far from the path the proxy is worse than before, near it still good. So the same middle tube "
    "is best. A walker with 10 nats lands in the swamp.",
)

DECIDES = (budget,)
