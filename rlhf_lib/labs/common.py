"""What all labs share: controls with tooltips, a line that says in words what is seen, no queue of events.

A lab is a plain function (settings -> numbers and words) and a `Lab` that wires it to controls and a
figure. Testing the function tests the lab's content; setting a control tests its wiring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

WAIT = 0.05
"""Seconds without a new event after which the figure is redrawn."""


class Latest:
    """Calls `action` once for a burst of requests, `WAIT` seconds after the last of them.

    Where no event loop runs (tests, scripts), it calls at once.
    """

    def __init__(self, action: Callable[[], None], wait: float = WAIT) -> None:
        self.action, self.wait, self.pending = action, wait, None

    def __call__(self, *_event) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.action()
            return
        if self.pending is not None:
            self.pending.cancel()
        self.pending = loop.call_later(self.wait, self.action)


class Lab:
    """Controls on the left, a figure on the right, a sentence below.

    controls: name -> ipywidgets control. update: called with the controls' values by name; it changes
        `figure` and returns the sentence. try_this: prompts of the form 'predict, then move'.
    """

    def __init__(
        self,
        title: str,
        controls: dict,
        figure,
        update: Callable[..., str],
        try_this: Sequence[str] = (),
        extra: Sequence = (),
    ) -> None:
        import ipywidgets as widgets

        self.controls, self.figure, self.update = controls, figure, update
        self.start = {name: control.value for name, control in controls.items()}
        self.sentence = widgets.HTML()
        self.sentence.add_class("rlhf-lab-sentence")
        reset = widgets.Button(
            description="Reset", tooltip="back to where the lab began", icon="undo"
        )
        reset.on_click(lambda _: self.reset())
        self.request = Latest(self.redraw)
        for control in controls.values():
            control.observe(self.request, names="value")
        tasks = "".join(f"<li>{task}</li>" for task in try_this)
        panel = widgets.VBox([*controls.values(), reset, *extra], layout={"width": "330px"})
        self.view = widgets.VBox(
            [
                widgets.HTML(f"<b>{title}</b>"),
                widgets.HBox([panel, figure], layout={"flex_flow": "row wrap"}),
                self.sentence,
                widgets.HTML(
                    f"<b>Predict, then try:</b><ol style='margin:.2em'>{tasks}</ol>"
                    if tasks
                    else ""
                ),
            ]
        )
        self.view.add_class("rlhf-lab")
        self.redraw()

    def values(self) -> dict:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def redraw(self) -> None:
        """Run the update with the present values."""
        self.sentence.value = f"<div aria-live='polite'>{self.update(**self.values())}</div>"

    def reset(self) -> None:
        """All controls back to their start."""
        for name, value in self.start.items():
            self.controls[name].value = value

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.view)


STYLE = {"description_width": "120px"}


def slider(label: str, value: float, low: float, high: float, step: float, tooltip: str):
    """A slider for a number; whole numbers if `step` is one."""
    import ipywidgets as widgets

    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, description=label, tooltip=tooltip, style=STYLE
    )


def choice(label: str, options: Sequence, value, tooltip: str):
    """A row of options, of which one is chosen (also by arrow keys)."""
    import ipywidgets as widgets

    return widgets.SelectionSlider(
        options=list(options), value=value, description=label, tooltip=tooltip, style=STYLE
    )


def menu(label: str, options: Sequence, value, tooltip: str):
    """A drop-down menu."""
    import ipywidgets as widgets

    return widgets.Dropdown(
        options=list(options), value=value, description=label, tooltip=tooltip, style=STYLE
    )


def plot(columns: int = 1, titles: Sequence[str] = (), height: int = 340, width: int = 620):
    """An empty plotly FigureWidget that suits light and dark themes."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(1, columns, subplot_titles=list(titles), horizontal_spacing=0.14)
    figure.update_layout(
        height=height,
        width=width,
        margin={"l": 55, "r": 15, "t": 35, "b": 45},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(128,128,128,0.08)",
        font={"color": "#808080", "size": 12},
        legend={"orientation": "h", "y": -0.2},
    )
    figure.update_xaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    figure.update_yaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    return go.FigureWidget(figure)
