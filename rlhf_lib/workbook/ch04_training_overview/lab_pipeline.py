"""Lab: build your pipeline. Stages in an order; what each changes, from stored runs, or trained now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...experiments.stored import results_of
from ...lm import load_policy
from ...plots import COLOURS, CYCLE
from ..kit.lab import Lab, menu, plot, send
from ..kit.words import signed
from ..kit.work import Slowly
from .experiments import COLD, DPO, MIXED, REJECTION, RLHF, RLVR, SFT, named
from .pipeline import Product, Stage, bill, run_stage
from .profile import CAPABILITIES, profile

NOTHING = "–"
AVAILABLE = {stage.name: stage for stage in (SFT, COLD, RLHF, DPO, RLVR, REJECTION, MIXED)}
PLACES = ("1st stage", "2nd stage", "3rd stage", "4th stage")
START = ("SFT", "DPO", "RLVR", NOTHING)


@dataclass(frozen=True)
class Shown:
    """What is known of a pipeline: a profile for each seed, at each of its beginnings that was run, base first."""

    stages: tuple[Stage, ...]
    runs: list[list[dict]]

    @property
    def whole(self) -> bool:
        """Whether the pipeline was run to its end."""
        return len(self.runs) == len(self.stages) + 1

    def at(self, place: int, name: str) -> np.ndarray:
        """Lowest, median and highest of a measure over the seeds after a stage; place 0 is the base model."""
        values = [run[name] for run in self.runs[place]]
        return np.array([min(values), np.median(values), max(values)])


class Board:
    """Stored profiles, and those of pipelines that were trained in this lab."""

    def __init__(self, stored: dict[int, dict]) -> None:
        self.stored = list(stored.values())
        self.forget()

    def forget(self) -> None:
        """Nothing trained here."""
        self.live, self.made = {}, {}

    def show(self, stages: tuple[Stage, ...]) -> Shown:
        """What is known of a pipeline, stored or trained here, up to the first stage of which nothing is."""
        runs = []
        for end in range(len(stages) + 1):
            name = named(stages[:end])
            known = (
                [self.live[name]]
                if name in self.live
                else [r[name] for r in self.stored if name in r]
            )
            if not known:
                break
            runs.append(known)
        return Shown(stages, runs)

    def train(
        self, stages: tuple[Stage, ...], each: int | None = None
    ) -> Iterator[tuple[float, tuple]]:
        """Run a pipeline with seed 0, stage by stage; yields (share done, (name, profile)). A beginning that was
        trained here before is not trained again."""
        self.made.setdefault("base", Product(load_policy("pocket-base")))
        for end in range(1, len(stages) + 1):
            before, name = named(stages[: end - 1]), named(stages[:end])
            if name not in self.made:
                self.made[name] = run_stage(self.made[before], stages[end - 1], seed=0)
            policy = self.made[name].policy
            yield (
                end / len(stages),
                (name, profile(policy) if each is None else profile(policy, each)),
            )

    def keep(self, found: tuple[str, dict]) -> None:
        """The profile of a stage that has just been trained."""
        name, measured = found
        self.live[name] = measured


def chosen(names: Sequence[str]) -> tuple[Stage, ...]:
    """The stages of a choice; places left empty are skipped."""
    return tuple(AVAILABLE[name] for name in names if name != NOTHING)


def describe(shown: Shown, live: bool) -> str:
    """What the last stage changed, and what all stages cost."""
    costs = ", ".join(f"{count:,} {what}" for what, count in bill(shown.stages).items() if count)
    bill_said = f"Bill: {costs}." if costs else "No stage, no bill."
    if not shown.whole:
        missing = named(shown.stages[: len(shown.runs)])
        return f"<b>{missing}</b> was not stored: press “Run it now”, it takes a minute or so. {bill_said}"
    whose = "one run, trained now" if live else f"medians of {len(shown.runs[-1])} seeds"
    gold = [shown.at(place, "gold")[1] for place in range(len(shown.runs))]
    words = f"Gold: {', '.join(signed(value) for value in gold)} points ({whose}). "
    if len(gold) > 1:
        change = {name: shown.at(-1, name)[1] - shown.at(-2, name)[1] for name in CAPABILITIES}
        up, down = max(change, key=change.get), min(change, key=change.get)
        words += f"The last stage raised {up} most ({change[up]:+.0%})"
        words += f" and cost {down} ({change[down]:+.0%}). " if change[down] < 0 else ". "
    return words + bill_said


def pipeline_figure():
    """Left the profile before and after the last stage, right the gold utility after each."""
    figure = plot(2, ("share of requests done", "gold (points)"), height=350)
    figure.update_layout(hovermode=False)
    grey, blue = "#909090", CYCLE[0]
    looks = (
        ("base", {"color": grey, "width": 1, "dash": "dot"}),
        ("before the last stage", {"color": CYCLE[1], "width": 2, "dash": "dash"}),
        ("after it", {"color": blue, "width": 3}),
        ("lowest and highest seed", {"color": blue, "width": 1, "dash": "dot"}),
        ("highest seed", {"color": blue, "width": 1, "dash": "dot"}),
    )
    for name, line in looks:
        mode = "lines" if "seed" in name else "lines+markers"
        marker, named_once = {"color": line["color"]}, name != "highest seed"
        figure.add_scatter(
            name=name, mode=mode, line=line, marker=marker, showlegend=named_once, row=1, col=1
        )
    for mode, width in (("lines", 1), ("lines+markers", 3), ("lines", 1)):
        line = {"color": COLOURS["gold"], "width": width, "dash": "dot" if width == 1 else "solid"}
        figure.add_scatter(
            mode=mode, line=line, marker={"color": COLOURS["gold"]}, showlegend=False, row=1, col=2
        )
    figure.update_xaxes(
        tickvals=list(range(5)), ticktext=list(CAPABILITIES), range=(-0.3, 4.3), col=1
    )
    figure.update_yaxes(range=(0, 1.4), tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1.0], col=1)
    figure.update_xaxes(title="stages so far", tickvals=list(range(5)), range=(-0.2, 4.2), col=2)
    figure.update_yaxes(range=(-2.4, 1.2), col=2)
    return figure


def draw(figure, shown: Shown) -> None:
    """All traces from what is known."""
    last = len(shown.runs) - 1
    table = {
        place: np.array([shown.at(place, name) for name in CAPABILITIES])
        for place in range(last + 1)
    }
    x, nothing = list(range(len(CAPABILITIES))), ([], [])
    gold = np.array([shown.at(place, "gold") for place in range(last + 1)])
    with figure.batch_update():
        send(figure.data[0], x, table[0][:, 1])
        send(figure.data[1], *((x, table[last - 1][:, 1]) if shown.whole and last > 1 else nothing))
        for trace, column in zip(figure.data[2:5], (1, 0, 2), strict=True):
            send(trace, *((x, table[last][:, column]) if shown.whole and last else nothing))
        for trace, column in zip(figure.data[5:8], (0, 1, 2), strict=True):
            send(trace, list(range(last + 1)), gold[:, column])


def pipeline_lab(
    stored: dict[int, dict] | None = None, each: int | None = None, live: bool = True
) -> Lab:
    """The live lab. stored: seed -> results of the experiment; each: requests of a kind in a run made now; live:
    whether runs can be made now."""
    import ipywidgets as widgets

    board = Board(results_of("04_training_overview", "recipes") if stored is None else stored)
    figure = pipeline_figure()
    options = (NOTHING, *AVAILABLE)
    controls = {
        place: menu(place, options, value, "what is done here; – leaves the place empty")
        for place, value in zip(PLACES, START, strict=True)
    }
    train = Slowly(lambda stages: board.train(stages, each), board.keep)
    button = widgets.Button(
        description="Run it now", icon="play", layout={"width": "128px"}, disabled=not live,
        tooltip="trains the stages from pocket-base, with seed 0: a minute or two",
    )  # fmt: skip

    def update(**names) -> str:
        stages = chosen(names.values())
        shown = board.show(stages)
        draw(figure, shown)
        return describe(shown, named(stages) in board.live)

    tasks = (
        "SFT, then DPO, then RLVR: which capability will each stage move most? Take away the last stage, then the last two.",
        "cold start alone: which capability, and what becomes of the other four?",
        "cold start, RLVR, rejection: which stage brings facts back? Look up in the bill where they come from.",
        "RLVR or RLHF as the first stage, on the base model: what is there to check or to compare? Guess, then run it.",
        "SFT, RLVR, DPO, the order turned round: does the last stage undo some of the sums? Guess, then run it.",
    )
    lab = Lab(
        "Build your pipeline",
        controls,
        figure,
        update,
        tasks,
        extra=(button,),
        work=train,
        forget=board.forget,
    )
    button.on_click(lambda _: train(chosen(lab.values().values())))
    return lab
