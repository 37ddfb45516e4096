"""Lab: two clips, one click. The reader teaches a cart what no reward says; a simulated judge can fill in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ...exact.cart import EDGE, HALF_LENGTH, SECONDS, Rides
from ...exact.clips import (
    Lessons,
    LessonSettings,
    mean_place,
    no_wish,
    stand_at,
    wishing_judge,
)
from ...plots import COLOURS, CYCLE
from ..kit.lab import Lab, menu, player, plot, send, side_plot, slider
from ..kit.words import counted, plain, signed
from ..kit.work import Slowly

YOU = "only you"
WISHES = {
    "stand at x = +1": stand_at(1.0),
    "stand at x = −1": stand_at(-1.0),
    "stay in the middle": stand_at(0.0),
    "a coin": no_wish,
}
"""Simulated judges and what they want to see."""
AT_ONCE, UPDATES, BATCH = 20, 8, 5
"""Pairs that the simulated judge fills in; updates of one press of Practise; your clicks before a new fit."""
PLACES = np.linspace(-EDGE, EDGE, 49)


TASKS = (
    "choose a wish of your own and keep it to yourself. After ten clicks: does the reward curve know it?",
    "judge 'stand at x = +1': Fill in and Practise by turns, eight times. Which comes first, balance or place?",
    "now change the judge to x = −1 and go on. Why does the cart hesitate?",
    "Reset, judge 'a coin': what do a hundred comparisons teach?",
)
"""To predict, and then to try."""


class Classroom:
    """A pupil, the pair of clips that is shown, and the pupil's latest rides."""

    def __init__(self, settings: LessonSettings | None = None) -> None:
        self.lessons = Lessons(settings or LessonSettings(rides=16))
        self.rides, self.judges, self.pairs = self.lessons.drive(), {}, 0
        self.next_pair()

    @property
    def labels(self) -> int:
        """Comparisons heard so far."""
        return len(self.lessons.better)

    def next_pair(self) -> None:
        """Show two other clips."""
        self.pairs += 1
        self.pair = tuple(clips[0] for clips in self.lessons.show(1))

    def choose(self, left_is_better: bool) -> None:
        """Hear one comparison; every fifth time the reward model is fitted anew."""
        first, second = (clip[None] for clip in self.pair)
        self.lessons.hear(first, second, torch.tensor([float(left_is_better)]))
        if self.labels % BATCH == 0:
            self.lessons.fit()
        self.next_pair()

    def fill_in(self, judge: str) -> None:
        """Let a judge of `WISHES` compare some pairs."""
        known = self.judges.setdefault(judge, wishing_judge(WISHES[judge]))
        first, second = self.lessons.show(AT_ONCE)
        self.lessons.hear(first, second, known(first, second))
        self.lessons.fit()
        self.next_pair()

    def practise(self) -> Iterator[tuple[float, Rides]]:
        """Updates of the policy, one by one: (share done, new rides)."""
        for done in range(1, UPDATES + 1):
            self.lessons.practise(1)
            yield done / UPDATES, self.lessons.drive()

    @torch.no_grad()
    def curve(self) -> np.ndarray:
        """What the reward model says of each of `PLACES`, at rest with the pole upright; the mean is 0."""
        values = self.lessons.rewards(at_rest()).numpy()
        return values - values.mean()


def at_rest() -> torch.Tensor:
    """States (P, 4) of a cart at rest at each of `PLACES`, the pole upright."""
    states = torch.zeros(len(PLACES), 4)
    states[:, 0] = torch.tensor(PLACES, dtype=torch.float32)
    return states


def wishes(judge: str, height: float) -> np.ndarray:
    """What a judge wants at each of `PLACES`, the mean 0, as high from top to bottom as asked; of `YOU` nothing
    is known."""
    if judge == YOU:
        return np.full(len(PLACES), np.nan)
    values = WISHES[judge](at_rest()).numpy()
    return (values - values.mean()) * height / max(np.ptp(values), 1e-6)


def describe(room: Classroom, frame: int, judge: str) -> str:
    """How far the lessons are, in words."""
    clips = f"Pair {room.pairs}, at {frame * SECONDS:.2f} s. Fill in: {judge}."
    if room.labels == 0:
        return (
            f"{clips} No comparison yet: the reward model knows nothing, and the pole soon falls."
        )
    best, place = PLACES[room.curve().argmax()], mean_place(room.rides)
    carts = "no ride lasts" if np.isnan(place) else f"those that last end near x = {signed(place)}"
    seconds = room.rides.steps.mean().item() * SECONDS
    return (
        f"{clips} After {counted(room.labels, 'comparison')} the reward model likes x = {signed(best)} best. "
        f"Rides last {plain(seconds, 1)} of {room.lessons.settings.steps * SECONDS:.0f} seconds; {carts}."
    )


def cart_lines(state: torch.Tensor) -> tuple[list, list, list, list]:
    """(x, y) of the cart's box and (x, y) of the pole, in metres."""
    x, _, angle, _ = state.tolist()
    box = [x - 0.25, x + 0.25, x + 0.25, x - 0.25, x - 0.25], [0, 0, -0.2, -0.2, 0]
    tip = x + 2 * HALF_LENGTH * np.sin(angle), 2 * HALF_LENGTH * np.cos(angle)
    return *box, [x, tip[0]], [0, tip[1]]


def ride_lines(rides: Rides, most: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Time (s) and place (m) of some rides as one line with gaps; what comes after a fall is left out."""
    places = np.where(rides.mask[:most] > 0, rides.states[:most, :, 0], np.nan)
    seconds = np.broadcast_to(np.arange(places.shape[1]) * SECONDS, places.shape)
    gap = np.full((len(places), 1), np.nan)
    return (
        np.concatenate((seconds, gap), 1).ravel(),
        np.concatenate((places, gap), 1).ravel(),
    )


def lesson_figure():
    """Two clips and the rides, empty."""
    figure = plot(3, ("left clip", "right clip", "its rides"), height=300, width=760)
    figure.update_layout(showlegend=False, hovermode=False)
    for column in (1, 2):
        figure.add_scatter(mode="lines", line={"color": CYCLE[0], "width": 3}, row=1, col=column)
        figure.add_scatter(mode="lines", line={"color": CYCLE[1], "width": 5}, row=1, col=column)
        figure.update_xaxes(range=[-EDGE - 0.3, EDGE + 0.3], title="x (m)", row=1, col=column)
        figure.update_yaxes(range=[-0.6, 1.6], tickvals=[], row=1, col=column)
    figure.add_scatter(mode="lines", line={"color": CYCLE[0], "width": 1}, row=1, col=3)
    figure.update_xaxes(title="seconds", row=1, col=3)
    figure.update_yaxes(range=[-EDGE, EDGE], title="x (m)", row=1, col=3)
    return figure


def press(label: str, tooltip: str, act):
    """A button."""
    import ipywidgets as widgets

    button = widgets.Button(description=label, tooltip=tooltip, layout={"width": "auto"})
    button.on_click(lambda _: act())
    return button


def clips_lab() -> Lab:
    """The live lab."""
    figure, side = lesson_figure(), side_plot("place x (m)", "")
    side.add_scatter(
        mode="lines", line={"color": COLOURS["proxy"], "width": 2.5}, name="learned reward"
    )
    side.add_scatter(
        mode="lines", line={"color": "#808080", "dash": "dot"}, name="the judge's wish"
    )
    room = Classroom()
    frames = room.lessons.settings.clip
    controls = {
        "frame": slider("frame", 0, 0, frames - 1, 1, "which fiftieth of a second of the two clips"),
        "judge": menu("judge", [YOU, *WISHES], "stand at x = +1", "who compares when you press Fill in"),
    }  # fmt: skip

    def keep(rides: Rides) -> None:
        room.rides = rides

    work = Slowly(lambda: room.practise(), keep)

    def update(frame, judge) -> str:
        with figure.batch_update():
            for place, clip in zip((0, 2), room.pair, strict=True):
                box_x, box_y, pole_x, pole_y = cart_lines(clip[frame])
                send(figure.data[place], box_x, box_y)
                send(figure.data[place + 1], pole_x, pole_y)
            figure.data[4].x, figure.data[4].y = ride_lines(room.rides)
        curve = room.curve()
        with side.batch_update():
            send(side.data[0], PLACES, curve)
            send(side.data[1], PLACES, wishes(judge, np.ptp(curve)))
        fill.disabled = judge == YOU
        return describe(room, frame, judge)

    def choose(left: bool) -> None:
        room.choose(left)
        lab.request()

    def fill_in() -> None:
        if lab.values()["judge"] != YOU:
            room.fill_in(lab.values()["judge"])
            lab.request()

    def skip() -> None:
        room.next_pair()
        lab.request()

    fill = press("Fill in 20", "the judge of the menu compares 20 pairs", fill_in)
    buttons = (
        press("Left", "the left clip is better", lambda: choose(True)),
        press("Right", "the right clip is better", lambda: choose(False)),
        press("Neither", "two other clips, please", skip),
        fill,
        press("Practise", "eight updates of the policy on the reward model", lambda: work()),
    )
    lab = Lab("Two clips, one click", controls, figure, update, TASKS, work=work, side=side,
              extra=(*player(controls["frame"], 120), *buttons), forget=room.__init__)  # fmt: skip
    return lab
