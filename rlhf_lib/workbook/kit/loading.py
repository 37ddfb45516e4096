"""Widgets that no message is lost on, whether the page is slow, reloaded, or was never drawn before.

anywidget gives a widget's module two seconds from the making of the model; a model that misses them gets no
message any more, for good. So modules here are small and never wait; plotly's five megabytes are fetched once
a page; the page then asks for the figure as it is at that moment; and `patient` delivers what comes late.
"""

from __future__ import annotations

import contextlib
from copy import deepcopy
from functools import cache
from pathlib import Path
from uuid import uuid4

PATIENT = """
async function patient(model) {
  const raw = await model.widget_manager.get_model(model.get("own_id"));
  const kind = Object.getPrototypeOf(raw), parent = Object.getPrototypeOf(kind);
  if (kind.rlhfPatient || !Object.hasOwn(kind, "_handle_comm_msg")) return;
  const strict = kind._handle_comm_msg;
  kind.rlhfPatient = true;
  kind._handle_comm_msg = async function (...message) {
    try {
      return await strict.apply(this, message);
    } catch (error) {
      if (!String(error).includes("Failed to initialize model")) throw error;
      return parent._handle_comm_msg.apply(this, message);
    }
  };
}
"""
"""In the page: a message to a model whose module was late is delivered late, and not dropped."""

FIGURE = (
    PATIENT
    + """
const page = (globalThis.__rlhfPlotly = globalThis.__rlhfPlotly || { make: null, waiting: new Set() });
function ask({ model }) {
  const heard = async (message, buffers) => {
    if (!message || message.type !== "rlhf-module") return;
    model.off("msg:custom", heard);
    const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
    const module = await import(url);
    URL.revokeObjectURL(url);
    page.make = module.default;
    const served = [...page.waiting];
    page.waiting.clear();
    served.forEach(({ use }) => use());
  };
  model.on("msg:custom", heard);
  model.send({ type: "rlhf-module" });
}
function firstOf(kernel) {
  return [...page.waiting].find((entry) => entry.kernel === kernel);
}
function whenLoaded(model, use) {
  if (page.make) {
    use();
    return () => {};
  }
  const entry = { model, use, kernel: model.get("kernel_id") };
  page.waiting.add(entry);
  if (firstOf(entry.kernel) === entry) ask(entry);
  return () => {
    const asker = firstOf(entry.kernel) === entry;
    if (page.waiting.delete(entry) && asker && firstOf(entry.kernel)) ask(firstOf(entry.kernel));
  };
}
export default () => {
  let inner = null;
  const waiting = [];
  return {
    initialize({ model }) {
      const heard = (message) => {
        if (!message || message.type !== "rlhf-state") return;
        model.off("msg:custom", heard);
        inner = page.make();
        inner.initialize({ model });
        waiting.forEach((draw) => draw());
      };
      const hello = () => {
        model.on("msg:custom", heard);
        model.send({ type: "rlhf-state" });
      };
      let forget = () => {}, gone = false;
      patient(model).catch(console.warn).then(() => {
        if (!gone) forget = whenLoaded(model, hello);
      });
      return () => {
        gone = true;
        model.off("msg:custom", heard);
        forget();
      };
    },
    render(context) {
      let cleanup = null, gone = false;
      const draw = () => {
        if (!gone) cleanup = inner.render(context);
      };
      if (inner) draw();
      else waiting.push(draw);
      return () => {
        gone = true;
        if (cleanup) cleanup();
      };
    },
  };
};
"""
)
"""In the page: plotly's module is fetched by the first figure that a kernel shows, used by all; then each says
hello, and is given its figure as it is now."""

KERNEL = uuid4().hex
"""Names this process: a page may show figures of a kernel that has been restarted, which answers no more."""


@cache
def figure_class():
    """plotly's FigureWidget with the module above: `figure_class()(figure)`."""
    import plotly
    import plotly.graph_objects as go
    from traitlets import Unicode

    bundle = Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"

    class Figure(go.FigureWidget):
        _esm = FIGURE
        own_id = Unicode().tag(sync=True)
        kernel_id = Unicode(KERNEL).tag(sync=True)

        def open(self) -> None:
            """Announce the figure under a name that it knows itself."""
            announce(self, super().open)

        def freshen(self) -> None:
            """plotly keeps what a page is told as it was when the figure was made: tell it what is now."""
            with self.hold_trait_notifications():
                self._widget_layout = deepcopy(self._layout_obj._props)
                self._widget_data = deepcopy(self._data)

        def _handle_custom_msg(self, content, buffers) -> None:
            kind = content.get("type")
            if kind == "rlhf-module":
                self.send({"type": kind}, buffers=[bundle.read_bytes()])
            elif kind == "rlhf-state":
                self.freshen()
                self.send({"type": kind})
            else:
                super()._handle_custom_msg(content, buffers)

    return Figure


def announce(widget, opened) -> None:
    """Open a widget's comm under an id that stands in its state as `own_id` too."""
    if widget.comm is None:
        widget.own_id = widget._model_id = uuid4().hex
    opened()


@contextlib.contextmanager
def unannounced():
    """k3d objects made here have no comm of their own.

    k3d would announce each of them before its type is known, as an anywidget that may miss its two seconds.
    Without a comm, their plot sends them whole when the page asks for them, and sends their changes.
    """
    from k3d.objects import Drawable

    Drawable.open = lambda self: None
    try:
        yield
    finally:
        del Drawable.open
