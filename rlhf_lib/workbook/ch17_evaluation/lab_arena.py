"""Lab: the arena. The crowd votes, two leaderboards are fitted, and gold looks on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...evaluation import kendall_tau
from ...plots import COLOURS, CYCLE
from ...world import HUMAN_BIAS
from ..kit.lab import Lab, choice, menu, plot, send, side_plot, slider
from ..kit.words import signed
from .arena import ASSISTANTS, Pool, vote

COUNTS = (100, 200, 500, 1000, 2000, 4000)
FITS = ("plain", "style held constant")
RIDGE = 0.1


@dataclass(frozen=True)
class Board:
    """Ratings (K,) by Bradley-Terry, with their errors, and by Elo; agreement of each with gold; and for all of
    `COUNTS` the agreement of the plain and of the controlled fit."""

    fitted: np.ndarray
    errors: np.ndarray
    elo: np.ndarray
    taus: tuple[float, float]
    curves: tuple[list[float], list[float]]


def boards(pool: Pool, count: int, bias: float, fit: str, k: int, order: int) -> Board:
    """Both leaderboards after `count` votes. bias: times the usual bias. order: number of a shuffle of the votes."""
    gold, crowd = pool.gold.mean(0), HUMAN_BIAS.scaled(bias)
    by_count = {n: vote(pool, n, crowd) for n in COUNTS}
    votes = by_count[count]
    fitted = votes.fitted(fit == FITS[1], RIDGE)
    elo = votes.elo(k, np.random.default_rng(order).permutation(count))
    curves = tuple(
        [kendall_tau(some.fitted(control, RIDGE).ratings, gold) for some in by_count.values()]
        for control in (False, True)
    )
    taus = kendall_tau(fitted.ratings, gold), kendall_tau(elo, gold)
    return Board(fitted.ratings, fitted.errors, elo, taus, (curves[0], curves[1]))


def describe(found: Board, count: int, fit: str, k: int) -> str:
    """Who wins, and how far each leaderboard agrees with gold, in words."""
    names = list(ASSISTANTS)
    best, winner = names[int(found.fitted.argmax())], names[int(found.elo.argmax())]
    controlled = " with style held constant" if fit == FITS[1] else ""
    return (
        f"After {count:,} votes Bradley-Terry{controlled} puts {best} first and agrees with gold by tau "
        f"{signed(found.taus[0])}. Elo with K = {k} puts {winner} first ({found.elo.max():.0f} points), tau {signed(found.taus[1])}."
    )


def arena_lab(pool: Pool) -> Lab:
    """The lab over one pool of answers."""
    gold = pool.gold.mean(0)
    rows = np.argsort(np.argsort(gold))
    names = [f"{name} {value:.2f}" for name, value in zip(ASSISTANTS, gold, strict=True)]
    figure = plot(2, ("Bradley-Terry", "Elo, vote by vote"), height=360)
    for column, colour in ((1, COLOURS["gold"]), (2, CYCLE[1])):
        figure.add_scatter(
            mode="markers", marker={"size": 11, "color": colour}, showlegend=False, row=1, col=column,
            error_x={"type": "data", "array": [], "color": colour, "thickness": 1.5},
        )  # fmt: skip
        figure.update_xaxes(title="rating (points)", range=[680, 1260], row=1, col=column)
    ticks = [names[place] for place in np.argsort(gold)]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=ticks, range=[-0.7, 7.7])
    figure.update_yaxes(showticklabels=False, col=2)
    figure.update_layout(hovermode=False, margin={"l": 100})
    side = side_plot("votes", "tau with gold")
    for name, colour in (("plain", "#9A9A9A"), ("style held", COLOURS["gold"])):
        side.add_scatter(name=name, line={"color": colour, "width": 2.5})
    side.add_scatter(
        name="now", mode="markers", marker={"size": 10, "color": CYCLE[1]}, showlegend=False
    )
    side.update_xaxes(type="log", tickvals=[100, 1000, 4000], ticktext=["100", "1,000", "4,000"])
    side.update_yaxes(range=[-0.3, 1.08])
    controls = {
        "votes": choice("votes", COUNTS, 1000, "comparisons of two answers that the crowd has made"),
        "bias": slider("bias", 1.0, 0.0, 2.0, 0.25, "the crowd's liking for length, bullets, flattery and confidence; 1 is usual"),
        "fit": menu("fit", FITS, FITS[0], "Bradley-Terry alone, or with the difference of style beside it"),
        "k": choice("K", (4, 8, 16, 32, 64), 32, "the most points that one vote can move an Elo rating"),
        "order": slider("order", 0, 0, 20, 1, "another order of the same votes"),
    }  # fmt: skip

    def update(votes, bias, fit, k, order) -> str:
        found = boards(pool, votes, bias, fit, k, order)
        with figure.batch_update():
            send(figure.data[0], found.fitted, rows)
            figure.data[0].error_x.array = 1.96 * found.errors
            send(figure.data[1], found.elo, rows)
        with side.batch_update():
            for trace, curve in zip(side.data[:2], found.curves, strict=True):
                send(trace, COUNTS, curve)
            send(side.data[2], [votes], [found.taus[0]])
        return describe(found, votes, fit, k)

    tasks = (
        "votes from 100 to 4,000: do the bars shrink? Does the order come nearer to gold's, best on top?",
        "fit 'style held constant': who falls, who rises? Is everybody now in the right place?",
        "bias 0: which of the two fits is better now, and why does style control do harm?",
        "order: move it at K = 32, then at K = 4. Which leaderboard never changes, and what does a small K cost?",
    )
    return Lab("The arena", controls, figure, update, tasks, side=side)
