"""Lab: sixteen years of one loop. Which part did each work change?"""

from __future__ import annotations

from ...plots import CYCLE
from ..kit.lab import Lab, choice, player, plot, send
from .history import PARTS, WORKS, named

ROWS = tuple(PARTS)[::-1]
"""From below to above."""

SHORT = {
    "start": "starts as", "shown": "is shown", "judge": "judge", "said": "is said", "learned": "learns by",
    "held": "held by",
}  # fmt: skip
"""Parts of the loop on the axis; the sentence has them in full."""


def changes() -> list[tuple[int, int]]:
    """(number of the work, row of the part) of every change."""
    return [(place, ROWS.index(part)) for place, work in enumerate(WORKS) for part in work.changed]


def describe(name: str) -> str:
    """The loop as it stood in this work, what it changed in bold."""
    work = named(name)
    parts = [
        f"<b>{words}: {work.part(part)}</b>"
        if part in work.changed
        else f"{words}: {work.part(part)}"
        for part, words in PARTS.items()
    ]
    return f"<b>{work.name}</b>, {work.year}. {'; '.join(parts)}. <i>{work.source}</i>"


def timeline_lab() -> Lab:
    """The live lab."""
    figure = plot(height=330, width=640)
    figure.update_layout(margin={"l": 90, "b": 70}, showlegend=False, hovermode=False)
    figure.add_scatter(mode="markers", marker={"size": 11, "color": "#9A9A9A"})
    figure.add_scatter(mode="markers", marker={"size": 19, "color": CYCLE[1]})
    figure.add_vline(0, line={"color": "#808080", "dash": "dot"})
    figure.update_xaxes(
        range=[-0.5, len(WORKS) - 0.5], tickvals=list(range(len(WORKS))), tickangle=0,
        ticktext=[f"{work.name}<br>{work.year}".replace(" ", "<br>", 1) for work in WORKS],
    )  # fmt: skip
    figure.update_yaxes(
        range=[-0.5, len(ROWS) - 0.5], tickvals=list(range(len(ROWS))),
        ticktext=[SHORT[part] for part in ROWS],
    )  # fmt: skip
    names = tuple(work.name for work in WORKS)
    controls = {"work": choice("work", names, "Christiano et al.", "step through the years")}
    found = changes()

    def update(work) -> str:
        place = names.index(work)
        mine = [(x, y) for x, y in found if x == place]
        with figure.batch_update():
            send(figure.data[0], *zip(*found, strict=True))
            send(figure.data[1], *zip(*mine, strict=True))
            figure.layout.shapes[0].x0 = figure.layout.shapes[0].x1 = place
        return describe(work)

    tasks = (
        "TAMER and Christiano et al.: in both a person looks on. What does each person say, and about what?",
        "which works changed where the policy <i>starts</i>? What must a policy that starts there not lose?",
        "which work took out the reward model and kept the people, and which kept the RL and took out the people?",
    )
    return Lab("Which part of the loop changed?", controls, figure, update, tasks,
               extra=player(controls["work"], 1500))  # fmt: skip
