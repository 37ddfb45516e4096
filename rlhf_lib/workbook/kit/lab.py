"""What all labs share: controls with tooltips, a line that says in words what is seen, no queue of events.

A lab is a plain function (settings -> numbers and words) and a `Lab` that wires it to controls and a
figure. Testing the function tests the lab's content; setting a control tests its wiring.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import threading
import traceback
from collections.abc import Callable, Sequence

import numpy as np

from .lifetime import close, replace, widgets_of
from .loading import figure_class
from .page import STYLE_SHEET, page_side
from .still import class_name, still
from .work import Latest, Slowly

SETTLED = 0.2
"""Seconds within which moves that were on their way from the page when Reset was pressed have come in."""


class Lab:
    """Controls on the left (below them a small figure, if any), a figure on the right, a sentence below.

    controls: name -> ipywidgets control. update: called with the controls' values by name; it changes
        `figure` and returns the sentence. try_this: prompts of the form 'predict, then move'. figure: a
        plotly FigureWidget or a `Stage`. extra: widgets beside the reset button. side: a small plotly
        figure below the controls. work: what the lab computes slowly. below: a widget under the sentence.
        forget: called at a reset, for what the lab remembers beside its controls.
    """

    def __init__(
        self,
        title: str,
        controls: dict,
        figure,
        update: Callable[..., str],
        try_this: Sequence[str] = (),
        extra: Sequence = (),
        side=None,
        work: Slowly | None = None,
        below=None,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        import ipywidgets as widgets

        self.title, self.controls, self.figure = title, controls, figure
        self.side, self.update, self.work, self.below, self.forget = (
            side,
            update,
            work,
            below,
            forget,
        )
        self.lock, self.loop = threading.RLock(), running_loop()
        self.stage = figure if hasattr(figure, "turn") else None
        self.start = {name: control.value for name, control in controls.items()}
        self.sentence = widgets.HTML()
        self.sentence.add_class("rlhf-lab-sentence")
        self.prompts = widgets.HTML(prompts(try_this))
        self.page = page_side(self.stage is not None, 1 + (side is not None), self.hear)
        self.questions, self.held, self.moves = [], False, 0
        self.request = Latest(self.redraw)
        for control in controls.values():
            control.observe(self.moved, names="value")
        self.buttons = [*extra, self.reset_button(), *(work.controls if work else ())]
        self.view = self.laid_out()
        self.redraw()
        if work:
            work.after, work.fail, work.done = self.redraw, self.fail, self.tell

    def laid_out(self):
        """All parts in their places."""
        import ipywidgets as widgets

        row = widgets.HBox(self.buttons, layout=BUTTONS)
        panel = [*self.controls.values(), row, *([] if self.side is None else [self.side])]
        body = [widgets.VBox(panel, layout=PANEL), self.stage.view if self.stage else self.figure]
        view = widgets.VBox(
            [
                widgets.HTML(f"{STYLE_SHEET}<b>{self.title}</b>"),
                widgets.HBox(body, layout={"flex_flow": "row wrap", "align_items": "flex-start"}),
                self.sentence,
                *([] if self.below is None else [self.below]),
                self.prompts,
                self.page,
            ]
        )
        view.add_class("rlhf-lab")
        view.add_class(class_name(self.title))
        return view

    def reset_button(self):
        """The button that goes back to the start."""
        import ipywidgets as widgets

        button = widgets.Button(
            description="Reset", tooltip="back to where the lab began", icon="undo", layout=BUTTON
        )
        button.on_click(lambda _: self.reset())
        return button

    def values(self) -> dict:
        """The controls' values by name; the page may give back 0.4 as 0.39999999999999997."""
        values = {name: control.value for name, control in self.controls.items()}
        return {n: round(v, 9) if isinstance(v, float) else v for n, v in values.items()}

    def moved(self, _event) -> None:
        """A control was moved: draw soon; in the middle of a reset, when it is over."""
        self.moves += 1
        if not self.held:
            self.request()

    def redraw(self) -> None:
        """Run the update with the present values. What goes wrong is raised, and said in the lab too.

        A cell and a page's messages may run in two threads: one draws at a time.
        """
        with self.lock:
            try:
                self.say(self.update(**self.values()))
                if self.stage:
                    self.stage.draw()
            except Exception as error:
                self.fail(error)
                raise
            finally:
                self.tell()

    def say(self, sentence: str) -> None:
        """Put a sentence below the figure; screen readers read it out."""
        self.sentence.value = sentence

    def fail(self, error: Exception) -> None:
        """Say what went wrong, and where, in place of the sentence."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind, words = type(error).__name__, html.escape(str(error))
        self.say(
            f"<b>This could not be computed.</b> {kind}: {words} ({where.name}, line {where.lineno})"
        )

    def reset(self) -> None:
        """All controls back to their start, and the view of a 3-D picture too; what plays is paused."""
        self.put_back()
        if self.stage:
            self.stage.home()
        if (loop := running_loop()) is not None:  # without one, nothing is on its way
            loop.call_later(SETTLED, self.put_back_late, self.moves)

    def put_back(self) -> None:
        """Give all controls their first values at one time, and draw."""
        self.held = True
        for button in self.buttons:
            if hasattr(button, "playing"):
                button.playing = False
        for name, value in self.start.items():
            put_back(self.controls[name], value)
        self.held = False
        self.forget()
        self.request()

    def put_back_late(self, moves: int) -> None:
        """Once more, if a move came in after the reset that was made before it."""
        if self.moves != moves:
            self.put_back()

    def hear(self, message: dict) -> None:
        """A message from the page: turn the picture, or say when all is drawn."""
        if "turn" in message:
            self.stage.turn(*message["turn"])
        if "settled" in message and self.loop is not None:
            self.loop.call_soon_threadsafe(self.ask, message)
        elif "settled" in message:
            self.ask(message)

    def ask(self, question: dict) -> None:
        """Answer the page's question whether all is drawn, once it is.

        JupyterLab sends a control's first move to the main thread and all that follows to another: so this runs in
        the main thread, after the moves that are waiting there.
        """
        self.questions.append(question)
        self.tell()

    def tell(self) -> None:
        """Answer what the page has asked, unless something is still to be drawn."""
        with self.lock:
            if self.request.pending is not None or (self.work and self.work.running):
                return
            questions, self.questions = self.questions, []
        for question in questions:
            self.page.send(question)

    def close(self) -> None:
        """Forget all widgets of this lab, in the kernel and in the page."""
        for widget in widgets_of(self.view):
            close(widget)

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        replace(self)
        display(self.view)
        display(HTML(still(self)))


def running_loop():
    """The event loop of a kernel or a test, or None."""
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def put_back(control, value) -> None:
    """Give a control a value that its present limits may not allow."""
    if hasattr(control, "max") and value > control.max:
        control.max = value
    control.value = value


def usable(control, yes: bool) -> None:
    """Grey out a control that has no effect at the present values of the others."""
    if control.disabled == yes:
        control.disabled = not yes


def prompts(tasks: Sequence[str]) -> str:
    """A numbered list of things to predict and then try."""
    items = "".join(f"<li>{task}</li>" for task in tasks)
    return f"<b>Predict, then try:</b><ol>{items}</ol>" if tasks else ""


PANEL = {"width": "300px", "flex": "0 0 auto"}
BUTTON = {"width": "88px"}
BUTTONS = {"margin": "0 0 4px 0", "flex_flow": "row wrap"}
STYLE = {"description_width": "105px"}
WIDE = {"width": "296px"}


def slider(label: str, value: float, low: float, high: float, step: float, tooltip: str):
    """A slider for a number; whole numbers if `step` is one."""
    import ipywidgets as widgets

    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    return kind(
        value=value,
        min=low,
        max=high,
        step=step,
        description=label,
        tooltip=tooltip,
        style=STYLE,
        layout=WIDE,
    )


def choice(label: str, options: Sequence, value, tooltip: str):
    """A row of options, of which one is chosen (also by arrow keys)."""
    import ipywidgets as widgets

    return widgets.SelectionSlider(
        options=list(options),
        value=value,
        description=label,
        tooltip=tooltip,
        style=STYLE,
        layout=WIDE,
    )


def menu(label: str, options: Sequence, value, tooltip: str):
    """A drop-down menu."""
    import ipywidgets as widgets

    titled = f"<span title='{html.escape(tooltip, quote=True)}'>{label}</span>"
    return widgets.Dropdown(
        options=list(options), value=value, description=titled, description_allow_html=True,
        tooltip=tooltip, style=STYLE, layout=WIDE,
    )  # fmt: skip


def player(control, interval: int = 250) -> tuple:
    """(play and stop, a button for one step): both move a slider or choice, and start again at its end."""
    import ipywidgets as widgets

    options = getattr(control, "options", None)
    place, low, high = (
        ("index", 0, len(options) - 1) if options else ("value", control.min, control.max)
    )
    play = widgets.Play(
        value=getattr(control, place), min=low, max=high, interval=interval, show_repeat=False,
        repeat=True, layout={"width": "76px"},
    )  # fmt: skip
    pairs = [("value", place), *([] if options else [("max", "max")])]
    play.links = [widgets.jslink((play, own), (control, its)) for own, its in pairs]
    step = widgets.Button(
        description="Step", tooltip="one step on; at the end, back to the start", icon="step-forward",
        layout=BUTTON,
    )  # fmt: skip

    def on(_) -> None:
        most = high if options else control.max
        now = getattr(control, place)
        setattr(control, place, now + 1 if now < most else low)

    step.on_click(on)
    return play, step


def side_plot(x: str, y: str, height: int = 190, rows: int = 1):
    """A small figure below the controls, with names of its axes."""
    figure = plot(height=height, width=296, rows=rows)
    figure.update_layout(
        margin={"l": 42, "r": 6, "t": 8, "b": 34}, font_size=10.5, hovermode=False,
        legend={"y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 10.5}},
    )  # fmt: skip
    figure.update_xaxes(title={"text": x, "standoff": 4})
    figure.update_yaxes(title={"text": y, "standoff": 2})
    return figure


def plot(columns: int = 1, titles: Sequence[str] = (), height: int = 340, width: int = 620, rows: int = 1
):  # fmt: skip
    """An empty plotly FigureWidget that suits light and dark themes."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows, columns, subplot_titles=list(titles), horizontal_spacing=0.14, vertical_spacing=0.16
    )
    figure.update_layout(
        height=height,
        width=width,
        margin={"l": 50, "r": 10, "t": 30, "b": 45},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(128,128,128,0.08)",
        font={"color": "#808080", "size": 12},
        legend={"orientation": "h", "y": -0.18},
    )
    figure.update_xaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    figure.update_yaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    shown = figure_class()(figure)
    # plotly's own buttons would cover a title; a FigureWidget has no public way to leave them out
    shown._config = {**shown._config, "displayModeBar": False}
    return shown


def send(trace, x, y) -> None:
    """Give a trace its points; what has not changed is not sent again.

    Traces start empty: of one that starts with x and is then given y alone, the page loses x.
    """
    for name, new in (("x", x), ("y", y)):
        old = getattr(trace, name)
        if old is None or len(old) != len(new) or not np.allclose(old, new):
            setattr(trace, name, new)
