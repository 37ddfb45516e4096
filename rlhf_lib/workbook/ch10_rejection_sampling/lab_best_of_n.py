"""Lab: best-of-n in the exact world. What is chosen, what it is worth, and how far it is from the policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...exact import ExactWorld, best_of_n_exact_kl, best_of_n_policy, expected
from ...objectives import best_of_n_kl
from ...plots import COLOURS
from ..kit.lab import Lab, choice, menu, plot, send, side_plot, slider
from ..kit.words import plain, signed

NS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BINS = 24
JUDGES = ("the reward model", "gold itself")
ALL = "all of them"


@dataclass(frozen=True)
class Chosen:
    """Best-of-n for some requests: log-probabilities before and after, rewards and gold, each (N, K); for
    all of `NS` the exact KL."""

    before: Tensor
    after: Tensor
    rewards: Tensor
    gold: Tensor
    kls: list[float]

    def means(self, values: Tensor) -> tuple[float, float]:
        """Expected values before and after choosing."""
        return tuple(expected(logp, values).mean().item() for logp in (self.before, self.after))


def judged(exact: ExactWorld, judge: str, noise: float) -> Tensor:
    """Rewards (N, K) of a judge whose errors have the standard deviation `noise`, the same at each call."""
    dice = torch.randn(exact.rewards.shape, generator=torch.Generator().manual_seed(0))
    return (exact.rewards if judge == JUDGES[0] else exact.gold) + noise * dice.double()


def choose(exact: ExactWorld, request: int | None, n: int, judge: str, noise: float) -> Chosen:
    """Take the best of n by the judge, for one request or for all (None)."""
    rows = slice(None) if request is None else slice(request, request + 1)
    rewards, before = judged(exact, judge, noise)[rows], exact.ref_logp[rows]
    kls = [best_of_n_exact_kl(before, rewards, k).mean().item() for k in NS]
    return Chosen(before, best_of_n_policy(before, rewards, n), rewards, exact.gold[rows], kls)


def histogram(logp: Tensor, values: Tensor, edges: np.ndarray) -> np.ndarray:
    """Probability in each bin; values beyond the edges count in the outer bins."""
    inside = np.clip(values.numpy(), edges[0], edges[-1])
    weights = logp.exp().numpy() / len(logp)
    return np.histogram(inside, edges, weights=weights)[0]


def tallest(exact: ExactWorld, request: int | None, judge: str) -> float:
    """The top of the probability axes: the same for every n, so that heights can be compared."""
    highest = 0.0
    for n in (NS[0], NS[-1]):
        found = choose(exact, request, n, judge, 0.0)
        for values in (found.rewards, found.gold):
            edges = edges_of(values, 0.05)
            highest = max(
                highest, *(histogram(p, values, edges).max() for p in (found.before, found.after))
            )
    return min(1.0, 1.1 * highest)


def describe(found: Chosen, n: int) -> str:
    """What choosing did, in words."""
    (start, end), (gold_start, gold_end) = found.means(found.rewards), found.means(found.gold)
    kl, formula = found.kls[NS.index(n)], best_of_n_kl(n)
    verdict = "and the answers get better" if gold_end > gold_start + 0.02 else (
        "while the answers get worse" if gold_end < gold_start - 0.02 else "and the answers stay as good"
    )  # fmt: skip
    return (
        f"The best of {n}: the judge's mean goes from {signed(start)} to {signed(end)}, {verdict} (gold "
        f"{signed(gold_start)} to {signed(gold_end)}). KL {plain(kl)} nats; the formula says {plain(formula)}."
    )


def edges_of(values: Tensor, margin: float = 0.0) -> np.ndarray:
    """Edges of equal bins over the range of values."""
    return np.linspace(values.min().item() - margin, values.max().item() + margin, BINS + 1)


def best_of_n_lab(exact: ExactWorld) -> Lab:
    """The lab over an exact world whose rewards are a reward model's."""
    figure = plot(2, ("the judge's reward", "gold (points)"), height=330)
    figure.update_layout(hovermode=False)
    for column, name in ((1, "proxy"), (2, "gold")):
        for label, colour in (("any answer", "#9A9A9A"), (f"chosen: {name}", COLOURS[name])):
            figure.add_scatter(
                name=label, mode="lines", line={"color": colour, "width": 2.5, "shape": "hv"}, fill="tozeroy",
                showlegend=column == 1 or label != "any answer", row=1, col=column,
            )  # fmt: skip
    figure.update_yaxes(title="probability", col=1)
    side = side_plot("n", "KL (nats)")
    side.add_scatter(
        x=NS, y=[best_of_n_kl(n) for n in NS], name="formula", line={"color": "#9A9A9A"}
    )
    side.add_scatter(name="exact", line={"color": COLOURS["kl"], "width": 3})
    side.add_scatter(
        name="now", mode="markers", marker={"size": 10, "color": COLOURS["kl"]}, showlegend=False
    )
    side.update_xaxes(type="log", tickvals=[1, 4, 16, 64, 256])
    requests = [(ALL, -1), *((prompt.text, row) for row, prompt in enumerate(exact.prompts))]
    controls = {
        "n": choice("n", NS, 4, "answers drawn, of which the best is kept"),
        "judge": menu("judge", JUDGES, JUDGES[0], "who says which answer is best"),
        "noise": slider("noise", 0.0, 0.0, 3.0, 0.1, "standard deviation of errors added to the judge's rewards"),
        "request": menu("request", requests, -1, "one request, or the mean over all"),
    }  # fmt: skip

    def update(n, judge, noise, request) -> str:
        row = None if request < 0 else request
        found, top = choose(exact, row, n, judge, noise), tallest(exact, row, judge)
        with figure.batch_update():
            for axis in (figure.layout.yaxis, figure.layout.yaxis2):
                axis.range = (0, top)
            for place, values in ((0, found.rewards), (2, found.gold)):
                edges = edges_of(values, 0.05)
                for offset, logp in enumerate((found.before, found.after)):
                    curve, heights = figure.data[place + offset], histogram(logp, values, edges)
                    send(curve, edges, np.append(heights, heights[-1]))
        with side.batch_update():
            send(side.data[1], NS, found.kls)
            send(side.data[2], [n], [found.kls[NS.index(n)]])
        return describe(found, n)

    tasks = (
        "n from 1 to 256: does gold follow the judge's reward all the way? Where does it turn?",
        "judge 'gold itself', n = 16: why is the exact KL well below the formula? Add noise 0.1: and now?",
        "noise 3: what does the best of 64 do to the judge's reward, to gold, and to the KL?",
        "a single request: which values do the chosen answers have, and does the KL flatten out?",
    )
    return Lab("Best of n", controls, figure, update, tasks, side=side)
