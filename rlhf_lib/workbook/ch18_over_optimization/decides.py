"""Decide exercise of chapter 18: which copy of a run to keep, when nobody sees gold."""

from __future__ import annotations

from ...experiments.build_rise import rise_runs
from ..kit.decide import Decide

BUDGET, PRICE = 10.0, 0.2
"""Nats that a run may go; points of proxy that a nat must bring."""


def copy_kept(run: dict, rule: str, price: float = PRICE) -> int:
    """The place, among the looks of a stored run, of the copy that a rule keeps. It sees no gold."""
    places = range(len(run["step"]))
    if rule == "budget":
        return max(place for place in places if run["kl"][place] <= BUDGET)
    paid = price if rule == "priced" else 0.0
    return max(places, key=lambda place: run["proxy"][place] - paid * run["kl"][place])


def gold_kept(rule: str, seed: int) -> float:
    """Gold of the copy that a rule keeps of the stored run of this seed."""
    run = rise_runs()[seed]
    return run["gold"][copy_kept(run, rule)]


checkpoint = Decide(
    name="my_checkpoint",
    title="Decide which copy to keep",
    difficulty=2,
    minutes=15,
    question="A copy of the policy was kept every ten steps. You see its proxy and its KL, and no gold. Which "
    "rule keeps the copies of the highest gold?",
    options={
        "proxy": "the copy with the highest proxy",
        "budget": "the last copy within 10 nats",
        "priced": "the copy with the highest proxy − 0.2 · KL",
    },
    better="higher",
    repeats=10,
    what="gold of the copies kept (points)",
    measure=gold_kept,
    hints=(
        "A rule may look at `run['proxy']` and `run['kl']` alone. Its copy's gold is what you note down.",
        "For each of the ten runs find the place of the copy, a number from 0 to 16; then `run['gold'][place]`.",
        "`place = max(range(17), key=lambda i: run['proxy'][i] - 0.2 * run['kl'][i])`; without the second term "
        "it is the first rule. For the budget: `max(i for i in range(17) if run['kl'][i] <= 10)`.",
    ),
    usual="priced",
    lesson="The proxy alone keeps copies from long after the fall. A price on each nat is the objective of "
    "chapter 08, and it needs no gold. But somebody has to set the price: at 0.05 the rule is nearly as bad "
    "as having none.",
)

DECIDES = (checkpoint,)
