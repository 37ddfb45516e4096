"""Lab: over-optimization. Stored runs side by side, what the policy answers on the way, and a run trained now."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...experiments.build_grid import LOOKS, follow
from ...experiments.over_optimization import Setting
from ...plots import COLOURS
from ..kit.lab import Lab, choice, player, plot, send
from ..kit.words import counted, plain, signed
from ..kit.work import Slowly
from .grid import Cell, RunGrid, load_grid

FRESH_SEED = 100
"""Of the run that is trained now: none of the stored ones."""

LOWEST = -3.0
"""Gold below this is cut off, so that a collapse does not flatten all else."""

PANELS = ("proxy", "gold")
PINS = ("A", "B", "C")
BEFORE = ("two before", "one before")
ROLES = (
    *BEFORE,
    *(f"pin {name}" for name in PINS),
    "range",
    "best-of-n",
    "run",
    "live",
    "peak",
    "here",
)
"""The traces of each panel, from the back to the front."""

LABELS = {
    "pairs": ("comparisons", "how many comparisons the reward model has learned from"),
    "bias": (
        "bias",
        "0: fair annotators; 1: they like length, flattery and confidence a little too much",
    ),
    "members": ("reward models", "1, or a cautious ensemble: mean minus standard deviation"),
    "beta": ("β", "weight of the KL penalty in the reward"),
    "layers": ("layers", "of the reward model: the SFT model has 4, a smaller one 1"),
}
"""Axis of the grid -> (label, tooltip) of its control."""

GREY = "#858585"


def train_now(setting: dict) -> Iterator[tuple[float, list[dict]]]:
    """Train a cell's setting with a seed that is not stored; yields (share done, looks so far)."""
    for share, looks in follow(Setting(**setting, seed=FRESH_SEED)):
        yield share, [{**row, "distance": max(row["kl"], 0.0) ** 0.5} for row in looks]


def over_optimization_lab(train: Callable | None = None) -> Lab:
    """The lab over the stored grid; with `train`, such as `train_now`, a button that trains the chosen setting."""
    import ipywidgets as widgets

    grid = load_grid()
    figure, board, answers = runs_plot(grid), Board(grid), widgets.HTML()
    controls = grid_controls(grid)
    work = Slowly(train, board.keep) if train else None

    def update(step, **wanted) -> str:
        cell = board.choose(wanted)
        for name, value in cell.setting.items():
            if name in controls:
                controls[name].value = value
        look = int(np.searchsorted(cell.step, step).clip(0, len(cell.step) - 1))
        draw(figure, board, look)
        answers.value = answers_table(cell, look)
        return f"{board.note}{describe(cell)} {describe_look(cell, look)} {board.described()}"

    lab = Lab(
        "Over-optimization", controls, figure, update, TASKS, below=answers, work=work,
        extra=(*player(controls["step"], 500), *buttons(board, work)), forget=board.forget,
    )  # fmt: skip
    board.redraw = lab.redraw
    for panel in PANELS:
        trace(figure, panel, "run").on_hover(lambda _, at, __: follow_pointer(lab, board, at))
    return lab


TASKS = (
    "β up: guess where gold will end. The dotted line is the run before. What did it cost the proxy?",
    "the fewest comparisons against the most: does the peak (★) move, does it get higher, or both? Pin one of them.",
    "best-of-n (dots) and RL at the same distance: which has more gold there? Which one goes further?",
    "play the steps and read the answers: at which step would you have stopped, without seeing gold?",
)


def grid_controls(grid: RunGrid) -> dict:
    """A control for each axis of the grid that has a choice, and one for the step."""
    start = grid.start
    controls = {
        name: choice(LABELS[name][0], values, start.setting[name], LABELS[name][1])
        for name, values in grid.axes.items()
        if len(values) > 1
    }
    steps = [int(step) for step in start.step]
    tooltip = "the step whose answers stand below; or point at a curve"
    return {**controls, "step": choice("step", steps, steps[-1], tooltip)}


def buttons(board: Board, work: Slowly | None) -> tuple:
    """Pin, and train now."""
    import ipywidgets as widgets

    pin = widgets.Button(
        description="Pin", icon="thumb-tack", layout={"width": "88px"},
        tooltip="keep this run in the picture, or take it out again; three at most",
    )  # fmt: skip
    pin.on_click(lambda _: board.pin())
    now = widgets.Button(
        description="Train it now", icon="play", disabled=work is None, layout={"width": "128px"},
        tooltip=f"trains the reward models and the policy ({LOOKS[-1]} steps) with labels of its own: one to three minutes",
    )  # fmt: skip
    now.on_click(lambda _: work(dict(board.now.setting)))
    return pin, now


class Board:
    """What is drawn: the chosen cell, the two before it, up to three pinned ones, and looks of a live run."""

    def __init__(self, grid: RunGrid) -> None:
        self.grid, self.redraw = grid, lambda: None
        self.forget()

    def forget(self) -> None:
        """Nothing pinned, nothing before."""
        self.now, self.before, self.pins = None, [], []
        self.live, self.live_setting, self.note = [], {}, ""

    def choose(self, wanted: dict) -> Cell:
        """The cell of a setting, or the nearest that was run."""
        full = {**(self.now or self.grid.start).setting, **wanted}
        if self.now is not None and full == self.now.setting:
            return self.now
        changed = [n for n in wanted if self.now is not None and wanted[n] != self.now.setting[n]]
        cell = self.grid.nearest(full, changed[0] if changed else None)
        self.note = instead(cell, full)
        if self.now is not None and cell is not self.now:
            self.before = [self.now, *self.before][:2]
        self.now = cell
        return cell

    def pin(self) -> None:
        """Pin the chosen cell, or take its pin out; the oldest of four goes."""
        rest = [cell for cell in self.pins if cell is not self.now]
        self.pins = rest if len(rest) < len(self.pins) else [*rest, self.now][-3:]
        self.redraw()

    def keep(self, looks: list[dict]) -> None:
        """Looks of the live run."""
        self.live, self.live_setting = looks, self.live_setting if looks else dict(self.now.setting)

    def described(self) -> str:
        """Pins and live run in words."""
        pins = [
            f"<b>{n}</b>: {named(c.setting, self.grid)}"
            for n, c in zip(PINS, self.pins, strict=False)
        ]
        words = f"Pinned: {'; '.join(pins)}. " if pins else ""
        if not self.live:
            return words
        last = self.live[-1]
        return (
            f"{words}Trained now ({named(self.live_setting, self.grid)}): step {last['step']} of {LOOKS[-1]}, "
            f"gold {signed(last['gold'])}, proxy {signed(last['proxy'])}."
        )


def instead(cell: Cell, wanted: dict) -> str:
    """A sentence if the cell is not the one that was wanted."""
    other = [
        f"{LABELS[n][0]} {v}" for n, v in cell.setting.items() if v != wanted[n] and n in LABELS
    ]
    return f"This combination was not run; the nearest has {' and '.join(other)}. " if other else ""


def named(setting: dict, grid: RunGrid) -> str:
    """A setting in words, by the values that can be chosen."""
    chosen = {n: v for n, v in setting.items() if len(grid.axes.get(n, ())) > 1 and n in LABELS}
    return ", ".join(f"{LABELS[name][0]} {value}" for name, value in chosen.items())


def describe(cell: Cell) -> str:
    """What became of gold and proxy, in words."""
    gold, proxy, top = cell.median("gold"), cell.median("proxy"), cell.peak
    lost, whose = (
        gold[top] - gold[-1],
        "" if cell.seeds == 1 else f" (medians of {cell.seeds} seeds)",
    )
    goes_on = " while the proxy goes on" if proxy[-1] > proxy[top] else ""
    ending = "and stays there" if lost < 0.1 else f"then falls by {plain(lost)}{goes_on}"
    rise = f"rises from {signed(gold[0])} to <b>{signed(gold[top])}</b> at step {cell.step[top]}"
    if gold[top] - gold[0] < 0.05:
        rise = f"does not rise: {signed(gold[0])} at the start"
    return f"Gold {rise}, {ending}; the proxy goes from {signed(proxy[0])} to {signed(proxy[-1])}{whose}."


def describe_look(cell: Cell, look: int) -> str:
    """The chosen step, and what best-of-n has at no greater distance."""
    gold, proxy, distance = (cell.median(name)[look] for name in ("gold", "proxy", "distance"))
    words = f"At step {cell.step[look]}: gold {signed(gold)}, proxy {signed(proxy)}, KL {plain(distance**2, 1)} nats."
    if not cell.best:
        return words
    far = np.median(cell.best["distance"], axis=0)
    place = max(int((far <= distance + 1e-9).sum()) - 1, 0)
    best = float(np.median(cell.best["gold"], axis=0)[place])
    return (
        f"{words} The best of {counted(int(cell.best['n'][place]), 'answer')} (KL {plain(far[place] ** 2, 1)} nats) "
        f"has gold {signed(best)}."
    )


def answers_table(cell: Cell, look: int) -> str:
    """Answers before training and at a step, to the same requests where there are such."""
    if not cell.answers:
        return ""
    first, now = dict(cell.answers[0]), dict(cell.answers[look])
    rows = "".join(
        f"<tr><td>{html.escape(asked)}</td><td>{html.escape(first.get(asked, ''))}</td>"
        f"<td>{html.escape(text)}</td></tr>"
        for asked, text in now.items()
    )
    return (
        "<table class='rlhf-lab-answers'><tr><th>request</th><th>SFT policy answers</th>"
        f"<th>at step {cell.step[look]}</th></tr>{rows}</table>"
    )


def follow_pointer(lab: Lab, board: Board, points) -> None:
    """The step under the pointer becomes the chosen one."""
    if points.point_inds:
        lab.controls["step"].value = int(board.now.step[points.point_inds[0]])


# The figure


def runs_plot(grid: RunGrid):
    """Two panels with fixed axes, so that runs can be compared by eye."""
    figure = plot(2, ("proxy (sd of SFT answers)", "gold (points)"), height=380)
    for column, panel in enumerate(PANELS, start=1):
        for role in ROLES:
            figure.add_scatter(row=1, col=column, **look_of(role, COLOURS[panel], column == 2))
        figure.update_yaxes(range=grid.limits(panel, LOWEST), col=column)
    _, far = grid.limits("distance", 0.0)
    figure.update_xaxes(title="√KL to the SFT policy (√nats)", range=(-0.2, far))
    figure.update_layout(hovermode="closest", legend={"y": -0.22, "font": {"size": 11}})
    return figure


def look_of(role: str, colour: str, in_legend: bool) -> dict:
    """How a trace is drawn: colour is the panel's, grey is what was before or is pinned."""
    looks = {
        "two before": {"mode": "lines", "line": {"color": GREY, "width": 1, "dash": "dot"}, "opacity": 0.5},
        "one before": {"mode": "lines", "line": {"color": GREY, "width": 1.6, "dash": "dot"}, "name": "before"},
        "range": {"mode": "lines", "line": {"width": 0}, "fill": "toself", "fillcolor": faded(colour),
                  "name": "lowest to highest seed"},
        "best-of-n": {"mode": "markers+lines", "name": "best-of-n", "line": {"color": colour, "width": 1},
                      "marker": {"color": colour, "size": 6, "symbol": "circle-open"}},
        "run": {"mode": "lines", "line": {"color": colour, "width": 3}, "name": "RL",
                "hovertemplate": "step %{customdata}: %{y:.2f}<extra></extra>"},
        "live": {"mode": "lines+markers", "name": "trained now", "line": {"color": colour, "width": 2, "dash": "dash"},
                 "marker": {"color": colour, "size": 5}},
        "peak": {"mode": "markers", "name": "peak of gold",
                 "marker": {"symbol": "star", "size": 14, "color": colour, "line": {"color": "#FFFFFF", "width": 1}}},
        "here": {"mode": "markers", "name": "chosen step",
                 "marker": {"symbol": "circle", "size": 11, "color": "#FFFFFF", "line": {"color": colour, "width": 3}}},
    }  # fmt: skip
    pin = {
        "mode": "lines+text",
        "line": {"color": GREY, "width": 2, "dash": "dash"},
        "textposition": "top center",
    }
    look = looks.get(role, pin)
    named = in_legend and "name" in look
    skip = {} if role == "run" else {"hoverinfo": "skip"}
    return {"name": role, **look, **skip, "showlegend": named}


def faded(colour: str) -> str:
    """'#RRGGBB' as a translucent colour."""
    parts = ", ".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return f"rgba({parts}, 0.18)"


def trace(figure, panel: str, role: str):
    """One of the figure's traces."""
    return figure.data[PANELS.index(panel) * len(ROLES) + ROLES.index(role)]


def draw(figure, board: Board, look: int) -> None:
    """All traces from what stands on the board."""
    cell = board.now
    ghosts = dict(zip(reversed(BEFORE), board.before, strict=False))
    pins = dict(zip((f"pin {name}" for name in PINS), board.pins, strict=False))
    with figure.batch_update():
        for panel in PANELS:
            for role in (*BEFORE, *(f"pin {name}" for name in PINS)):
                draw_other(trace(figure, panel, role), {**ghosts, **pins}.get(role), panel)
            draw_run(figure, cell, panel)
            for role, at in (("peak", cell.peak), ("here", look)):
                x, y = (cell.median(name)[[at]] for name in ("distance", panel))
                send(trace(figure, panel, role), x, y)
            xs, ys = ([row[name] for row in board.live] for name in ("distance", panel))
            send(trace(figure, panel, "live"), xs, ys)


def draw_other(line, cell: Cell | None, panel: str) -> None:
    """A cell that is not the chosen one; a pin has its letter at its end."""
    send(line, *([], []) if cell is None else (cell.median("distance"), cell.median(panel)))
    if cell is not None and line.mode == "lines+text":
        line.text = [*[""] * (len(cell.step) - 1), line.name[-1]]


def draw_run(figure, cell: Cell, panel: str) -> None:
    """The chosen cell: median and range over seeds, and best-of-n."""
    x, y = cell.median("distance"), cell.median(panel)
    line, band, best = (trace(figure, panel, role) for role in ("run", "range", "best-of-n"))
    send(line, x, y)
    if line.customdata is None or list(line.customdata) != cell.step.tolist():
        line.customdata = cell.step.tolist()
    low, high = cell.measures[panel].min(0), cell.measures[panel].max(0)
    several = cell.seeds > 1
    send(band, *(outline(x, low, high) if several else ([], [])))
    nothing = ([], [])
    send(
        best,
        *(
            nothing
            if not cell.best
            else (np.median(cell.best[n], axis=0) for n in ("distance", panel))
        ),
    )


def outline(x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> tuple:
    """The edge of a band, there along its top and back along its bottom."""
    return np.concatenate((x, x[::-1])), np.concatenate((high, low[::-1]))
