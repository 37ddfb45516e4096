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
  const raw = await model.widget_manager.get_model(model.get("_own_id"));
  const kind = Object.getPrototypeOf(raw), parent = Object.getPrototypeOf(kind);
  if (!raw.comm || !Object.hasOwn(kind, "_handle_comm_msg")) return;
  if (!kind.rlhfPatient) {
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
  raw.comm.on_msg(raw._handle_comm_msg.bind(raw));
}
"""
"""In the page: a message to a model whose module was late is delivered late, and not dropped."""

LOADER = (
    PATIENT
    + """
const libraries = (globalThis.__rlhfLibraries = globalThis.__rlhfLibraries || {});
function libraryOf(model) {
  const name = model.get("_library");
  libraries[name] = libraries[name] || { module: null, waiting: new Set() };
  return libraries[name];
}
function ask({ model }, library) {
  const heard = async (message, buffers) => {
    if (!message || message.type !== "rlhf-module") return;
    model.off("msg:custom", heard);
    const url = URL.createObjectURL(new Blob([buffers[0]], { type: "text/javascript" }));
    const module = await import(url);
    URL.revokeObjectURL(url);
    library.module = module.default;
    const served = [...library.waiting];
    library.waiting.clear();
    served.forEach(({ use }) => use());
  };
  model.on("msg:custom", heard);
  model.send({ type: "rlhf-module" });
}
function whenLoaded(model, use) {
  const library = libraryOf(model), kernel = model.get("_kernel_id");
  if (library.module) {
    use();
    return () => {};
  }
  const first = () => [...library.waiting].find((entry) => entry.kernel === kernel);
  const entry = { model, use, kernel };
  library.waiting.add(entry);
  if (first() === entry) ask(entry, library);
  return () => {
    const asker = first() === entry;
    if (library.waiting.delete(entry) && asker && first()) ask(first(), library);
  };
}
export default () => {
  let inner = null;
  const waiting = [];
  return {
    initialize(context) {
      const { model } = context;
      let forget = () => {}, cleanup = null, gone = false;
      const heard = (message) => {
        if (!message || message.type !== "rlhf-state") return;
        model.off("msg:custom", heard);
        const { module } = libraryOf(model);
        inner = typeof module === "function" ? module() : module;
        cleanup = inner.initialize(context);
        waiting.forEach((draw) => draw());
      };
      const hello = () => {
        model.on("msg:custom", heard);
        model.send({ type: "rlhf-state" });
      };
      patient(model).catch(console.warn).then(() => {
        if (!gone) forget = whenLoaded(model, hello);
      });
      return () => {
        gone = true;
        model.off("msg:custom", heard);
        forget();
        if (typeof cleanup === "function") cleanup();
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
        if (typeof cleanup === "function") cleanup();
      };
    },
  };
};
"""
)
"""In the page: a library's module is fetched by the first widget that a kernel shows, and used by all; then each
says hello, and is given its state as it is now."""

KERNEL = uuid4().hex
"""Names this process: a page may show widgets of a kernel that has been restarted, which answers no more."""


def loaded(kind, library: str, module: Path, freshen=lambda widget: None, after=lambda *_: None):
    """A widget class like `kind`, whose module in the page is `LOADER` and then the library's own.

    freshen: called with the widget before a page is told its state. after: called with the widget and a message of
    the library's own, when that is answered.
    """
    from traitlets import Unicode

    class Loaded(kind):
        _esm = LOADER
        _own_id = Unicode().tag(sync=True)
        _kernel_id = Unicode(KERNEL).tag(sync=True)
        _library = Unicode().tag(sync=True)

        def open(self) -> None:
            """Announce the widget under a name that it knows itself."""
            self._library = library
            announce(self, super().open)

        def _handle_custom_msg(self, content, buffers) -> None:
            asked = content.get("type")
            if asked == "rlhf-module":
                self.send({"type": asked}, buffers=[module.read_bytes()])
            elif asked == "rlhf-state":
                freshen(self)
                self.send({"type": asked})
            else:
                super()._handle_custom_msg(content, buffers)
                after(self, content)

    return Loaded


@cache
def figure_class():
    """plotly's FigureWidget, loaded once a page: `figure_class()(figure)`."""
    import plotly
    import plotly.graph_objects as go

    bundle = Path(plotly.__file__).parent / "package_data" / "widgetbundle.js"
    return loaded(go.FigureWidget, "plotly", bundle, freshen_figure)


def freshen_figure(figure) -> None:
    """plotly keeps what a page is told as it was when the figure was made: tell it what is now."""
    with figure.hold_trait_notifications():
        figure._widget_layout = deepcopy(figure._layout_obj._props)
        figure._widget_data = deepcopy(figure._data)


@cache
def scene_class():
    """k3d's Plot, loaded once a page."""
    import k3d
    from k3d.plot import Plot

    module = Path(k3d.__file__).parent / "static" / "widget.mjs"
    return loaded(Plot, "k3d", module, after=render_what_was_fetched)


def render_what_was_fetched(plot, content: dict) -> None:
    """A page that has been sent the objects is told to draw them: ours are not drawn at each change."""
    if content.get("msg_type") == "fetch_objects":
        plot.render()


def announce(widget, opened) -> None:
    """Open a widget's comm under an id that stands in its state as `_own_id` too."""
    if widget.comm is None:
        widget._own_id = widget._model_id = uuid4().hex
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
