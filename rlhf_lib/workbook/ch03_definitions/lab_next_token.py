"""Lab: the distribution of one next token, as the model has it and as it is drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...lm import Policy, encode_answers, truncate
from ...objectives import entropy, exact_kl
from ..kit.lab import Lab, choice, menu, plot, slider
from ..kit.words import counted, plain
from .figures import visible

SHOWN = 14
"""Bars."""

ALL = "all"


@torch.no_grad()
def next_token_logits(policy: Policy, prompt, text: str = "") -> Tensor:
    """Logits (V,) of the token after a prompt and the beginning of an answer."""
    ids = encode_answers(policy, [prompt], [text])[0].token_ids[:-1]  # without the end token
    hidden = policy.model.hidden_states(torch.tensor([ids], device=policy.device))
    return policy.model.logits(hidden[0, -1]).float().cpu()


def describe(logits: Tensor, temperature: float, top_k: int | None, top_p: float):
    """(model's probabilities (V,), those drawn from (V,), sentence) for one next token."""
    drawn = truncate(logits[None] / temperature, top_k, top_p)[0]
    kept = drawn > -torch.inf
    before, after = logits.softmax(-1), drawn.exp()
    choices = [math.exp(float(entropy(x))) for x in (logits, drawn)]
    forward = float(exact_kl(drawn, logits))
    reverse = float(exact_kl(logits, drawn))
    backwards = (
        f"{plain(reverse)} nats" if math.isfinite(reverse) else "infinite (tokens are cut off)"
    )
    sentence = (
        f"{counted(int(kept.sum()), 'token')} of {len(logits)} can be drawn; the model gives them {before[kept].sum():.1%}. "
        f"As unsure as {choices[0]:.1f} equally likely tokens before, {choices[1]:.1f} now (exp of the entropy). "
        f"KL(drawn from ‖ model) {plain(forward)} nats, KL(model ‖ drawn from) {backwards}."
    )
    return before, after, sentence


def next_token_lab(policy: Policy, starts: Sequence[tuple]) -> Lab:
    """The live lab. starts: (prompt, beginning of an answer); the model is asked for the token after each."""
    names = [f"{getattr(p, 'text', p)} ▸ {text}…" for p, text in starts]
    logits = {
        name: next_token_logits(policy, *start) for name, start in zip(names, starts, strict=True)
    }
    figure = plot(height=380)
    figure.add_bar(name="the model", marker={"color": "#B0B0B0"})
    figure.add_bar(name="drawn from", marker={"color": "#0072B2"})
    figure.update_layout(barmode="overlay", bargap=0.25)
    figure.data[1].width = 0.45
    figure.update_xaxes(type="category", tickangle=-40)
    figure.update_yaxes(title="probability", range=[0, 1.02])
    controls = {
        "start": menu("after", names, names[0], "the request, and what is written so far"),
        "temperature": slider("temperature", 1.0, 0.1, 3.0, 0.05, "logits are divided by it"),
        "top_k": choice("top-k", [1, 2, 3, 5, 10, 20, 50, ALL], ALL, "only the k likeliest tokens"),
        "top_p": slider("top-p", 1.0, 0.05, 1.0, 0.01, "the smallest set with this probability"),
    }

    def update(start, temperature, top_k, top_p) -> str:
        chosen = logits[start]
        k = None if top_k == ALL else top_k
        before, after, sentence = describe(chosen, temperature, k, top_p)
        order = chosen.argsort(descending=True)[:SHOWN]
        words = [visible(policy.tokenizer.decode([i])) for i in order.tolist()]
        with figure.batch_update():
            for trace, values in zip(figure.data, (before, after), strict=True):
                trace.x, trace.y = words, values[order].tolist()
        return sentence

    tasks = (
        "temperature 0.1, then 3: which of the two is near “always the likeliest”, which near a coin with "
        f"{len(policy.tokenizer)} sides?",
        "top-p 0.9 on each of the starts: how many tokens are left? Why not as many each time, as with top-k?",
        "temperature 2 with top-k 5: what does each of the two undo of the other?",
    )
    return Lab("The next token", controls, figure, update, tasks)
