"""Lab: one comparison, a direct loss, and what it does to the answers that nobody compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...exact import AnswerMap, answer_map, follow_pair
from ...exact.displacement import CHOSEN, REJECTED
from ...plots import CYCLE
from ...training import DirectSettings
from ..kit.lab import Lab, choice, menu, plot, send, slider
from ..kit.words import plain, signed

BETAS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
LOSSES = {"DPO": "dpo", "cDPO, ε = 0.1": "cdpo", "IPO": "ipo", "APO-zero": "apo_zero", "APO-down": "apo_down"}  # fmt: skip
STEPS = 30


@dataclass(frozen=True)
class Followed:
    """A map and the log-probabilities (steps + 1, K) of its answers while one pair is learned."""

    answers: AnswerMap
    path: Tensor
    beta: float

    @property
    def shares(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Probabilities (before, after) of the chosen answer, and of the rejected one."""
        ends = self.path[[0, -1]].exp()
        return tuple(ends[:, CHOSEN].tolist()), tuple(ends[:, REJECTED].tolist())

    @property
    def margin(self) -> float:
        """The margin of implicit rewards at the end."""
        change = self.path[-1] - self.path[0]
        return self.beta * (change[CHOSEN] - change[REJECTED]).item()

    @property
    def kl(self) -> float:
        """KL(policy || reference) at the end, in nats."""
        last = self.path[-1]
        return (last.exp() * (last - self.path[0])).sum().item()


def follow(beta: float, distance: float, nll: float, loss: str) -> Followed:
    """Learn from one comparison by a loss of `LOSSES`."""
    answers = answer_map(distance)
    settings = DirectSettings(loss=LOSSES[loss], beta=beta, nll_weight=nll)
    return Followed(answers, follow_pair(answers, settings, STEPS, 0.11), beta)


def describe(found: Followed) -> str:
    """What became of the two answers, in words."""
    (c0, c1), (r0, r1) = found.shares
    if c1 >= c0:
        verdict = "No displacement: the chosen answer rose."
    elif found.margin > 0:
        verdict = "Displaced: the margin grew, and the chosen answer fell all the same."
    else:
        verdict = "The chosen answer fell further than the rejected one."
    return (
        f"Chosen {c0:.1%} → {c1:.1%}, rejected {r0:.1%} → {r1:.1%}, all others {1 - c0 - r0:.1%} → "
        f"{1 - c1 - r1:.1%}. Margin {signed(found.margin)}, KL {plain(found.kl)} nats. {verdict}"
    )


def disc(name: str, colour: str) -> dict:
    """How answers are drawn: areas in proportion to probability, circles for the reference."""
    mark = {
        "color": colour,
        "sizemode": "area",
        "sizeref": 0.0004,
        "line": {"width": 0},
        "opacity": 0.9,
    }
    if name == "reference":
        mark |= {"color": "rgba(0,0,0,0)", "line": {"color": colour, "width": 1}}
    if name in ("chosen", "rejected"):
        mark["sizemin"] = 4  # however small, it can be found
    return mark


def displacement_lab() -> Lab:
    """The live lab."""
    figure = plot(2, ("answers on a map: alike is near", "log-probability (nats)"), height=350)
    figure.update_layout(hovermode=False, legend={"itemsizing": "constant"})
    colours = {"reference": "#909090", "policy": CYCLE[0], "chosen": CYCLE[2], "rejected": CYCLE[1]}
    for name, colour in colours.items():
        figure.add_scatter(name=name, mode="markers", marker=disc(name, colour), row=1, col=1)
    for name in ("chosen", "rejected"):
        line = {"color": colours[name], "width": 3}
        figure.add_scatter(name=name, mode="lines", line=line, showlegend=False, row=1, col=2)
    figure.update_xaxes(range=[-4.2, 4.2], col=1)
    figure.update_xaxes(title="step", col=2)
    figure.update_yaxes(range=[-3.6, 5.2], col=1)
    controls = {
        "beta": choice("β", BETAS, 0.1, "how strongly the policy is held to the reference"),
        "distance": slider("distance", 0.6, 0.2, 5.0, 0.2, "between the chosen and the rejected answer"),
        "nll": slider("NLL weight", 0.0, 0.0, 1.0, 0.05, "of -log π(chosen), added to the loss"),
        "loss": menu("loss", tuple(LOSSES), "DPO", "which direct loss"),
    }  # fmt: skip

    def update(beta, distance, nll, loss) -> str:
        found = follow(beta, distance, nll, loss)
        x, y = found.answers.places.T.numpy()
        before, after = found.path[[0, -1]].exp().numpy()
        rows = (slice(None), slice(2, None), slice(0, 1), slice(1, 2))
        with figure.batch_update():
            for trace, row, p in zip(figure.data[:4], rows, (before, *[after] * 3), strict=True):
                send(trace, x[row], y[row])
                if trace.marker.size is None or not np.array_equal(trace.marker.size, p[row]):
                    trace.marker.size = p[row]
            for trace, column in zip(figure.data[4:], (CHOSEN, REJECTED), strict=True):
                send(trace, list(range(STEPS + 1)), found.path[:, column].numpy())
        return describe(found)

    tasks = (
        "distance from 0.6 to 3: at which distance does the chosen answer stop falling? Who rises instead of it?",
        "β from 0.02 to 5 at distance 0.6: does a larger β stop the displacement, or only make it smaller?",
        "NLL weight 0.1, 0.3, 1: how much is needed until the chosen answer rises? What becomes of the margin?",
        "which of the other losses is a remedy here, at distance 0.6? Its name may promise more than it keeps.",
    )
    return Lab("Where does the probability go?", controls, figure, update, tasks)
