"""Decide exercise of chapter 09: what to spend a budget for demonstrations on."""

from __future__ import annotations

from ..kit.decide import Decide

demonstrations = Decide(
    name="my_demonstrations",
    title="Decide what to buy",
    difficulty=2,
    minutes=20,
    question="A checked demonstration costs as much as three unchecked ones. 63 updates on 1,000 checked ones, "
    "or 188 on 3,000 unchecked ones: which model has the higher gold?",
    options={"checked": "1,000 checked", "unchecked": "3,000 unchecked"},
    better="higher",
    repeats=4,
    what="gold on held-out requests (points)",
    hints=(
        "Four seeds of each: other demonstrations, other batches, the same held-out requests.",
        "`measure(tuned_on('1,000 checked', seed), seed)['gold']` trains and measures one.",
        "The stored runs have the same numbers: "
        "`[run['1,000 checked']['gold'] for run in results_of('09_instruction_finetuning', 'sets').values()]`.",
    ),
    usual="checked",
    lesson="Faults are learned as faithfully as answers. More of the same teaches the form better, and still "
    "not what a good answer is.",
)

DECIDES = (demonstrations,)
