"""Lab: spend a budget on two kinds of labeller, and see what reward it buys."""

from __future__ import annotations

from dataclasses import dataclass

from ...plots import COLOURS
from ..kit.lab import Lab, choice, plot, send, slider
from .budget import AI_COST, HUMAN_COST, ceiling, gold_weights, order_of_gold, weights_bought
from .looks import LOOKS

AMOUNTS = (0, 20, 50, 100, 200, 400, 800, 1600, 3200)
"""Dollars for people."""

AI_LABELS = (0, 25, 100, 400, 1600)
SHOWN = ("ten words", "praise", "list", "doubt", "true fact", "false fact", "off topic")
DRAWS = 3
"""Draws of the labels, over which the order is averaged."""


@dataclass(frozen=True)
class Bought:
    """What a budget buys: order of gold along the dollars for people, with and without the AI's labels; weights."""

    alone: list[float]
    both: list[float]
    now: float
    weights: list[float]
    dollars: float


def buy(people: int, ai: int, ai_bias: float, noise: float, seed: int = 0) -> Bought:
    """Spend `people` dollars on people and `ai` labels of the judge; orders are means over draws.

    Raises:
        ValueError: nothing is bought.
    """
    count = round(people / HUMAN_COST)
    settings = {"ai_bias": ai_bias, "noise": noise}
    if count + ai == 0:
        raise ValueError("people and ai must not both be 0: nothing is bought")

    def order(n: int, judged: int) -> float:
        if n + judged == 0:
            return 0.5
        bought = [weights_bought(seed, n, judged, draw=draw, **settings) for draw in range(DRAWS)]
        return sum(order_of_gold(seed, one) for one in bought) / DRAWS

    counts = [round(amount / HUMAN_COST) for amount in AMOUNTS]
    weights = weights_bought(seed, count, ai, **settings)
    return Bought(
        [order(n, 0) for n in counts],
        [order(n, ai) for n in counts],
        order(count, ai),
        relative(weights),
        people + ai * AI_COST,
    )


def relative(weights) -> list[float]:
    """The shown weights, as shares of the length of the whole vector."""
    shown = [float(weights[LOOKS.index(name)]) for name in SHOWN]
    size = float(weights.norm())
    return [value / size for value in shown]


def describe(found: Bought, people: int, ai: int, seed: int = 0) -> str:
    """What was bought, in words."""
    alone = found.alone[AMOUNTS.index(people)]
    help_ = "" if not (people and ai) else (
        f" People alone, for ${people:,}: {alone:.1%}."
    )  # fmt: skip
    return (
        f"${found.dollars:,.2f} buy {round(people / HUMAN_COST)} labels of people and {ai} of the AI judge. The reward "
        f"orders {found.now:.1%} of unseen pairs as gold does.{help_} Labels by gold itself would give {ceiling(seed):.1%}."
    )


def budget_lab() -> Lab:
    """The live lab."""
    figure = plot(2, ("order of gold found", "what the reward pays"), height=360, width=680)
    lines = (
        ("people alone", COLOURS["gold"], "solid"),
        ("AI's labels first", COLOURS["proxy"], "dash"),
    )
    for name, colour, dash in lines:
        figure.add_scatter(
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.5},
            row=1,
            col=1,
        )
    figure.add_scatter(
        name="your budget",
        mode="markers",
        marker={"size": 13, "color": COLOURS["kl"]},
        row=1,
        col=1,
    )
    for name, colour in (("by gold's labels", "#9A9A9A"), ("bought", COLOURS["proxy"])):
        figure.add_bar(name=name, orientation="h", marker={"color": colour}, row=1, col=2)
    figure.update_layout(barmode="group", legend={"y": -0.32}, margin={"b": 80})
    ticks = {"tickvals": list(range(len(AMOUNTS))), "ticktext": [str(a) for a in AMOUNTS]}
    figure.update_xaxes(title="dollars for people", row=1, col=1, **ticks)
    figure.update_yaxes(title="share of unseen pairs", range=[0.45, 1.0], row=1, col=1)
    figure.update_xaxes(title="weight (share of the whole)", row=1, col=2)
    figure.update_yaxes(categoryarray=list(SHOWN), row=1, col=2)
    controls = {
        "people": choice("people, $", AMOUNTS, 100, "dollars for labels of people, two dollars each"),
        "ai": choice("AI labels", AI_LABELS[1:], 1600, "labels of the AI judge, half a cent each"),
        "ai_bias": slider("AI bias", 1.0, 0.0, 2.0, 0.25, "factor on the judge's liking for length, lists, confidence"),
        "noise": slider("noise", 0.3, 0.1, 1.5, 0.1, "temperature of people's choices: high is careless"),
    }  # fmt: skip

    def update(people, ai, ai_bias, noise) -> str:
        found, places = buy(people, ai, ai_bias, noise), list(range(len(AMOUNTS)))
        with figure.batch_update():
            send(figure.data[0], places[1:], found.alone[1:])
            send(figure.data[1], places, found.both)
            send(figure.data[2], [AMOUNTS.index(people)], [found.now])
            for bars, values in (
                (figure.data[3], relative(gold_weights(0))),
                (figure.data[4], found.weights),
            ):
                bars.y, bars.x = list(SHOWN), values
        return describe(found, people, ai)

    tasks = (
        "$0 for people: how good does the AI judge get, however many labels it gives? Which bar is to blame?",
        "AI bias 0: do people still pay? Now 2.",
        "noise 1.5: how many dollars more do people need for the same order?",
    )
    return Lab("Spend the budget", controls, figure, update, tasks)
