"""Decide exercise of chapter 07: how long to train a reward model."""

from __future__ import annotations

from ..kit.decide import Decide

epochs = Decide(
    name="my_epochs",
    title="Decide how many epochs",
    difficulty=2,
    minutes=20,
    question="A reward model is trained on a few hundred noisy comparisons. Which number of epochs gives "
    "the lowest held-out loss?",
    options={"1": "one epoch", "3": "three epochs", "8": "eight epochs"},
    better="lower",
    repeats=3,
    what="held-out loss (nats per pair)",
    hints=(
        "Change one thing alone: the same pairs, the same held-out pairs, the same start; other epochs.",
        "`RewardModelSettings(epochs=..., seed=...)`; `held_out=` makes the history carry `held_out_loss`.",
        "A loop over the options around a loop over three seeds: `history.last('held_out_loss')` goes into "
        "the list of its option.",
    ),
    usual="1",
    lesson="More epochs fit the labels' noise: the training loss falls on, the held-out loss does not. "
    "Accuracy hides it, because it does not ask how sure the model is.",
)

DECIDES = (epochs,)
