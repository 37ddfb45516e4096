"""Lab: a thermostat, a cart and a language model with the same four controls. Which terms are left?"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from ...exact.cart import cart_policy, train_cart
from ...exact.episodes import Episodes, Thermostat, play, switch
from ...lm import Policy, load_policy
from ...plots import COLOURS, CYCLE
from ...world import PocketWorld
from ..kit.lab import Lab, menu, plot, send, slider, usable
from ..kit.words import plain, signed
from .worlds import CartWorld, TextWorld, cart_rule, whole_answers

WORLDS = ("thermostat", "cart", "text, token by token", "text, whole answers")
WHOLE = WORLDS[3]
EPISODES = {"thermostat": 200, "cart": 200, "text, token by token": 12, WHOLE: 48}
LONGEST = 40
PAYMENTS = ("at each step", "all at the end")
TERMS = ("start ρ₀", "policy π", "world p")


@dataclass(frozen=True)
class Seen:
    """What some episodes show. terms: mean nats of the three kinds of factors, -log. points (T,): what each step
    adds to the objective, gamma^t r_t, mean over episodes. length: mean steps. spread: of log p(tau) over episodes."""

    terms: tuple[float, float, float]
    points: np.ndarray
    length: float

    @property
    def objective(self) -> float:
        """J, estimated by the mean return."""
        return float(self.points.sum())


def look(episodes: Episodes, gamma: float, paid: str) -> Seen:
    """The terms of [TO-1] and [TO-2] in these episodes."""
    if paid == PAYMENTS[1]:
        episodes = episodes.paid_at_the_end()
    weights = gamma ** torch.arange(episodes.rewards.shape[1])
    parts = (episodes.log_start, episodes.log_policy.sum(1), episodes.log_world.sum(1))
    return Seen(
        tuple(-part.mean().item() + 0.0 for part in parts),
        (episodes.rewards * weights).mean(0).numpy(),
        episodes.mask.sum(1).mean().item(),
    )


class Players:
    """The four worlds with a policy each; what was played once is kept."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or load_policy("pocket-sft")
        self.requests = PocketWorld().prompts(16, ("fact", "open"), seed=4, split="test")
        self.cart = cart_policy()
        train_cart(self.cart, updates=10)
        self.play = functools.lru_cache(64)(self.played)

    def played(self, world: str, horizon: int, chance: float) -> Episodes:
        """Episodes of a world of `WORLDS`; chance: that something else happens than the action says."""
        count = EPISODES[world]
        if world == WHOLE:
            return whole_answers(self.policy, self.requests, count)
        if world == "cart":
            return play(CartWorld(chance), cart_rule(self.cart), count, horizon)
        if world == "thermostat":
            return play(Thermostat(chance), switch, count, horizon)
        text = TextWorld(self.policy, self.requests, chance)
        return play(text, text.rule, count, horizon)


def describe(seen: Seen, world: str, gamma: float, horizon: int, paid: str) -> str:
    """The two formulas with what has vanished struck out, and in words."""
    gone = [seen.terms[place] < 1e-6 for place in range(3)]
    steps = "" if world == WHOLE or horizon == 1 else "∏<sub>t</sub> "
    law = f"p(τ) = ρ₀(s₀) · {steps}{struck('π(a|s)', gone[1])} · {struck('p(s′|s,a)', gone[2])}"
    discount = struck("γ<sup>t</sup>", gamma == 1 or not steps)
    total = "Σ<sub>t</sub> " if steps and paid == PAYMENTS[0] else ""
    words = {
        (True, True): "Policy and world are certain: where an episode starts decides all of it.",
        (False, True): "The world is certain: all chance is in the start and in the policy.",
        (True, False): "The policy is certain: all chance is in the start and in the world.",
        (False, False): "Chance is everywhere: in the start, in the policy and in the world.",
    }[gone[1], gone[2]]
    return (
        f"{law} &nbsp; J = E[ {total}{discount} r ] ≈ {signed(seen.objective)} points. {words} An episode has "
        f"{plain(seen.length, 1)} steps."
    )


def struck(term: str, gone: bool) -> str:
    """A term of a formula; struck out if it is 1 throughout."""
    return f"<s>{term}</s>" if gone else term


def terms_lab(policy: Policy | None = None) -> Lab:
    """The live lab. policy: the language model; pocket-sft by default."""
    players = Players(policy)
    figure = plot(
        2, ("−log of the factors (nats)", "what each step adds to J (points)"), height=330
    )
    figure.update_layout(hovermode=False, showlegend=False)
    figure.add_bar(marker={"color": [CYCLE[5], CYCLE[0], CYCLE[2]]}, row=1, col=1)
    figure.add_bar(marker={"color": COLOURS["gold"]}, row=1, col=2)
    figure.update_xaxes(tickvals=[0, 1, 2], ticktext=list(TERMS), range=(-0.6, 2.6), col=1)
    figure.update_xaxes(title="step t", col=2)
    controls = {
        "world": menu("world", WORLDS, WORLDS[0], "who acts, and in what"),
        "gamma": slider("γ", 0.9, 0.5, 1.0, 0.01, "discount: what a point a step later is worth"),
        "horizon": slider("horizon", 20, 1, LONGEST, 1, "most steps of an episode"),
        "chance": slider("chance", 0.0, 0.0, 0.5, 0.05, "that the world does something else than the action says"),
        "paid": menu("paid", PAYMENTS, PAYMENTS[0], "when the points of an episode are paid"),
    }  # fmt: skip

    def update(world, gamma, horizon, chance, paid) -> str:
        whole = world == WHOLE
        for name in ("gamma", "horizon", "chance", "paid"):
            usable(controls[name], not whole)
        seen = look(
            players.play(world, 1 if whole else horizon, 0.0 if whole else chance), gamma, paid
        )
        with figure.batch_update():
            send(figure.data[0], [0, 1, 2], seen.terms)
            send(figure.data[1], list(range(len(seen.points))), seen.points)
        return describe(seen, world, gamma, 1 if whole else horizon, paid)

    tasks = (
        "thermostat, chance 0: which of the three bars are 0? Raise the chance: which one appears?",
        "γ 0.9, then 1, with a horizon of 40: what does the right-hand picture lose? Which of the two sums would still be finite with no end?",
        "cart, paid at the end, γ 0.9: what is left of the points? And with γ = 1?",
        "from the thermostat to text, token by token, chance 0: which bar is 0 for every language model, and why?",
        "text, whole answers: which controls are grey? What remains of the two formulas is called a bandit.",
    )
    return Lab("Which terms are left?", controls, figure, update, tasks)
