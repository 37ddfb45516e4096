"""What all labs share: controls with tooltips, a line that says in words what is seen, no queue of events.

A lab is a plain function (settings -> numbers and words) and a `Lab` that wires it to controls and a
figure. Testing the function tests the lab's content; setting a control tests its wiring.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable, Sequence

import numpy as np

FIRST, WAIT, LONGEST = 0.01, 0.05, 0.2
"""Seconds: before a single move is drawn; without a new one in a burst; at most between two pictures in a burst."""

STYLE_SHEET = """<style>
.rlhf-lab .k3d-target { background: transparent !important; }
.rlhf-lab .main-svg text { fill: var(--jp-ui-font-color1, #666) !important; }
.rlhf-lab .noUi-handle:focus-visible, .rlhf-lab select:focus-visible, .rlhf-lab button:focus-visible,
.rlhf-lab input:focus-visible { outline: 3px solid #E69F00; outline-offset: 2px; }
.rlhf-lab .rlhf-lab-sentence { border-left: 4px solid #56B4E9; padding-left: 10px; margin: 4px 0; }
.rlhf-lab .rlhf-lab-sentence .widget-html-content { line-height: 1.45; }
.rlhf-lab .widget-html-content ol { margin: 0; padding-left: 1.6em; line-height: 1.4; }
.rlhf-lab .rlhf-word { color: var(--jp-ui-font-color1, #555); font-family: var(--jp-ui-font-family, sans-serif);
  background: color-mix(in srgb, var(--jp-layout-color0, #fff) 72%, transparent); padding: 0 5px; border-radius: 4px; }
.rlhf-lab .rlhf-lab-key div { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; line-height: 1.4; }
.rlhf-lab .rlhf-lab-key i { display: inline-block; width: 20px; height: 4px; margin-right: 2px;
  vertical-align: middle; border: 1px solid rgba(128, 128, 128, 0.6); }
.rlhf-lab .k3d-target:focus { outline: 3px solid #E69F00; }
</style>"""
"""The page's own text colour in figures, a clear mark of where the keyboard is, one look for all labs."""


KEYBOARD = """
function prepare(lab) {
  const own = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  lab.addEventListener("focusin", own);
  for (const box of lab.querySelectorAll(".widget-inline-hbox")) {
    const label = box.querySelector(".widget-label");
    const field = box.querySelector(".noUi-handle, select, input");
    if (label && field) field.setAttribute("aria-label", `${label.innerText}: ${label.title}`);
  }
  for (const play of lab.querySelectorAll(".widget-play")) {
    PLAY.forEach((title, i) => { if (play.children[i]) play.children[i].title = title; });
  }
}
const PLAY = ["play or pause", "stop: back to the start"];
const TURNS = {
  ArrowLeft: [-10, 0, 1], ArrowRight: [10, 0, 1], ArrowUp: [0, 6, 1], ArrowDown: [0, -6, 1],
  "+": [0, 0, 0.9], "-": [0, 0, 1.1],
};
function scene(lab, model) {
  const target = lab.querySelector(".k3d-target");
  if (!target) return lab.isConnected && setTimeout(() => scene(lab, model), 300);
  target.tabIndex = 0;
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", "3-D picture; arrow keys turn it, plus and minus zoom");
  target.addEventListener("keydown", (event) => {
    if (!TURNS[event.key]) return;
    model.send({ turn: TURNS[event.key] });
    event.preventDefault();
  });
}
function render({ model, el }) {
  const lab = el.closest(".rlhf-lab");
  if (!lab) return requestAnimationFrame(() => render({ model, el }));
  requestAnimationFrame(() => prepare(lab));
  if (model.get("scene")) scene(lab, model);
}
export default { render: (context) => void render(context) };
"""
"""In the page: arrow keys and letters belong to the lab's controls, not to the notebook's shortcuts (where the
down key leaves a menu for the next cell); each control tells a screen reader its label; and a 3-D picture that
has the keyboard's focus is turned by arrow keys."""


class Latest:
    """Calls `action` for the latest of many requests: at once for a single one, and in a burst seldom enough
    that nothing queues up, with the last request always served.

    Where no event loop runs (tests, scripts), it calls at once.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self.action, self.pending = action, None
        self.heard = self.drawn = float("-inf")

    def __call__(self, *_event) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.action()
            return
        now = loop.time()
        burst, self.heard = now - self.heard < WAIT, now
        if self.pending is not None:
            self.pending.cancel()
        due = min(now + WAIT, max(self.drawn + LONGEST, now)) if burst else now + FIRST
        self.pending = loop.call_at(due, self.act, loop)

    def act(self, loop) -> None:
        """Draw, and note when that was done."""
        self.pending = None
        try:
            self.action()
        finally:
            self.drawn = self.heard = loop.time()


class Lab:
    """Controls on the left (below them a small figure, if any), a figure on the right, a sentence below.

    controls: name -> ipywidgets control. update: called with the controls' values by name; it changes
        `figure` and returns the sentence. try_this: prompts of the form 'predict, then move'. figure: a
        plotly FigureWidget or a `Stage`. extra: widgets beside the reset button. side: a small plotly
        figure below the controls.
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
    ) -> None:
        import ipywidgets as widgets

        self.controls, self.figure, self.side, self.update = controls, figure, side, update
        self.stage = figure if hasattr(figure, "turn") else None
        self.start = {name: control.value for name, control in controls.items()}
        self.sentence = widgets.HTML()
        self.sentence.add_class("rlhf-lab-sentence")
        self.prompts = widgets.HTML(prompts(try_this))
        self.request = Latest(self.redraw)
        for control in controls.values():
            control.observe(self.request, names="value")
        self.buttons = [*extra, self.reset_button()]
        row = widgets.HBox(self.buttons, layout=BUTTONS)
        panel = [*controls.values(), row, *([] if side is None else [side])]
        body = [widgets.VBox(panel, layout=PANEL), self.stage.view if self.stage else figure]
        self.view = widgets.VBox(
            [
                widgets.HTML(f"{STYLE_SHEET}<b>{title}</b>"),
                widgets.HBox(body, layout={"flex_flow": "row wrap", "align_items": "flex-start"}),
                self.sentence,
                self.prompts,
                keyboard(self.stage),
            ]
        )
        self.view.add_class("rlhf-lab")
        self.redraw()

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

    def redraw(self) -> None:
        """Run the update with the present values."""
        self.say(self.update(**self.values()))
        if self.stage:
            self.stage.draw()

    def say(self, sentence: str) -> None:
        """Put a sentence below the figure; screen readers read it out."""
        self.sentence.value = f"<div aria-live='polite'>{sentence}</div>"

    def reset(self) -> None:
        """All controls back to their start, and the view of a 3-D picture too."""
        for name, value in self.start.items():
            self.controls[name].value = value
        if self.stage:
            self.stage.home()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.view)


def keyboard(stage=None):
    """An invisible widget that gives the keyboard to the lab's controls and to its 3-D picture, if any."""
    import anywidget
    import traitlets

    class Keyboard(anywidget.AnyWidget):
        _esm = KEYBOARD
        scene = traitlets.Bool(stage is not None).tag(sync=True)

    widget = Keyboard()
    if stage is not None:
        widget.on_msg(lambda _, message, __: stage.turn(*message["turn"]))
    return widget


class Slowly:
    """Work of about a second: in a thread, one piece at a time, and only the latest request is shown.

    work: settings -> result. show: called with the result when nothing newer was asked for. Where no
    event loop runs (tests, scripts), both are done at once; `live` says whether one does.
    """

    def __init__(self, work: Callable, show: Callable) -> None:
        self.work, self.show = work, show
        self.wanted, self.running, self.live = None, False, False

    def __call__(self, settings) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.show(self.work(settings))
            return
        self.wanted, self.live = settings, True
        if not self.running:
            self.running = True
            self.task = loop.create_task(self.serve())

    async def serve(self) -> None:
        """Work until the latest request is done and shown."""
        try:
            while self.wanted is not None:
                settings, self.wanted = self.wanted, None
                result = await asyncio.to_thread(self.work, settings)
                if self.wanted is None:
                    self.show(result)
        finally:
            self.running = False


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
    """(play and stop, a button for one step): both move a whole-number slider, and start again at its end."""
    import ipywidgets as widgets

    play = widgets.Play(
        value=control.value, min=control.min, max=control.max, interval=interval, show_repeat=False,
        repeat=True, layout={"width": "76px"},
    )  # fmt: skip
    widgets.jslink((play, "value"), (control, "value"))
    widgets.jslink((play, "max"), (control, "max"))
    step = widgets.Button(
        description="Step", tooltip="one step on; at the end, back to the start", icon="step-forward",
        layout=BUTTON,
    )  # fmt: skip

    def on(_) -> None:
        control.value = control.value + 1 if control.value < control.max else control.min

    step.on_click(on)
    return play, step


def side_plot(x: str, y: str, height: int = 190):
    """A small figure below the controls, with names of its axes."""
    figure = plot(height=height, width=296)
    figure.update_layout(
        margin={"l": 42, "r": 6, "t": 8, "b": 34}, font_size=10.5, hovermode=False,
        legend={"y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 10.5}},
    )  # fmt: skip
    figure.update_xaxes(title={"text": x, "standoff": 4})
    figure.update_yaxes(title={"text": y, "standoff": 2})
    return figure


def plot(columns: int = 1, titles: Sequence[str] = (), height: int = 340, width: int = 620):
    """An empty plotly FigureWidget that suits light and dark themes."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(1, columns, subplot_titles=list(titles), horizontal_spacing=0.14)
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
    shown = go.FigureWidget(figure)
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
