"""The training behind the curves of chapter 05's clinic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ...lm import load_policy
from ...runtime import data_path
from ...training import History, SFTSettings, read_preferences, train_sft
from ...training.progress import silent
from ...world import Demonstration, PocketWorld

PAIRS, ROUNDS, REQUESTS = 48, 4, 32


def run_answers(implementation: Callable[[str, str], str]) -> History:
    """Fine-tune on chosen answers whose rows hold the whole conversation, as implementation(prompt, chosen) cuts them.

    Logs the training loss of each round, and the gold of held-out answers after it.
    """
    world, policy, history = PocketWorld(), load_policy("pocket-sft").copy(), History()
    pairs = [
        p
        for p in read_preferences(data_path("preferences", "pocket-train.jsonl"))
        if len(p.prompt.messages) == 1
    ]
    asked = world.prompts(REQUESTS, ("fact", "open"), seed=5, split="test")
    for turn in range(ROUNDS):
        some = pairs[PAIRS * turn : PAIRS * (turn + 1)]
        shown = [
            Demonstration(p.prompt, implementation(p.prompt.text, f"{p.prompt.text} {p.chosen}"))
            for p in some
        ]
        settings = SFTSettings(
            epochs=1, batch_size=16, learning_rate=3e-4, warmup_steps=0, seed=turn
        )
        with silent():
            losses = train_sft(policy, shown, settings).series("loss")
        with torch.no_grad():
            texts = policy.sample(asked, 1, max_new_tokens=40, seed=3).texts
        golds = [world.gold(p, t) for p, t in zip(asked, texts, strict=True)]
        history.log(turn, loss=float(np.mean(losses)), gold=float(np.mean(golds)))
    return history
