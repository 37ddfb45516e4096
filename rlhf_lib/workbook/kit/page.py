"""What a lab does in the page: keyboard, screen readers, the wheel over a 3-D picture, and one look for all."""

from __future__ import annotations

from .loading import PATIENT, announce

INK = "var(--jp-ui-font-color1, var(--vscode-editor-foreground, var(--colab-primary-text-color, #757575)))"
GROUND = "var(--jp-layout-color0, var(--vscode-editor-background, var(--colab-primary-surface-color, #fff)))"
"""The text and ground of the page: JupyterLab's, VS Code's or Colab's."""

STYLE_SHEET = f"""<style>
.rlhf-lab .k3d-target {{ background: transparent !important; }}
.rlhf-lab .main-svg text {{ fill: {INK} !important; }}
.rlhf-lab .noUi-handle:focus-visible, .rlhf-lab select:focus-visible, .rlhf-lab button:focus-visible,
.rlhf-lab input:focus-visible {{ outline: 3px solid #C77700; outline-offset: 2px; }}
.rlhf-lab .rlhf-lab-sentence {{ border-left: 4px solid #56B4E9; padding-left: 10px; margin: 4px 0; }}
.rlhf-lab .rlhf-lab-sentence .widget-html-content, .rlhf-lab .widget-html-content ol {{ line-height: 1.45; max-width: 48em; }}
.rlhf-lab .widget-html-content ol {{ margin: 0; padding-left: 1.6em; }}
.rlhf-lab .rlhf-word {{ color: {INK}; font-family: var(--jp-ui-font-family, sans-serif);
  background: color-mix(in srgb, {GROUND} 72%, transparent); padding: 0 5px; border-radius: 4px; }}
.rlhf-lab .rlhf-lab-key div {{ display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; line-height: 1.4; }}
.rlhf-lab .rlhf-lab-key i {{ display: inline-block; width: 20px; height: 4px; margin-right: 2px;
  vertical-align: middle; border: 1px solid rgba(128, 128, 128, 0.6); }}
.rlhf-lab-answers {{ border-collapse: collapse; line-height: 1.35; font-size: 13px; max-width: 940px; }}
.rlhf-lab-answers td, .rlhf-lab-answers th {{ border-bottom: 1px solid rgba(128, 128, 128, 0.35); padding: 2px 10px 2px 0;
  text-align: left; vertical-align: top; }}
.rlhf-lab .k3d-target:focus {{ outline: 3px solid #C77700; }}
</style>"""
"""The page's own text colour in figures, a clear mark of where the keyboard is, one look for all labs."""

PAGE = (
    PATIENT
    + """
const PLAY = ["play or pause", "stop: back to the start"];
const TURNS = {
  ArrowLeft: [-10, 0, 1], ArrowRight: [10, 0, 1], ArrowUp: [0, 6, 1], ArrowDown: [0, -6, 1],
  "+": [0, 0, 0.9], "-": [0, 0, 1.1],
};
function name(element, words) {
  if (element && element.getAttribute("aria-label") !== words) element.setAttribute("aria-label", words);
}
function watch(element, look) {
  look();
  new MutationObserver(look).observe(element, { subtree: true, childList: true, characterData: true, attributes: true });
}
function sayValue(handle, readout) {
  watch(handle.closest(".widget-inline-hbox"), () => {
    const value = readout.innerText.trim();
    if (handle.getAttribute("aria-valuetext") !== value) handle.setAttribute("aria-valuetext", value);
  });
}
function prepare(lab) {
  const own = (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  lab.addEventListener("focusin", own);
  for (const box of lab.querySelectorAll(".widget-inline-hbox")) {
    const label = box.querySelector(".widget-label");
    const field = box.querySelector(".noUi-handle, select, input");
    const readout = box.querySelector(".widget-readout");
    if (label && field) name(field, `${label.innerText}: ${label.title}`);
    if (readout && field.matches(".noUi-handle")) sayValue(field, readout);
  }
  for (const play of lab.querySelectorAll(".widget-play")) {
    PLAY.forEach((title, i) => {
      if (!play.children[i]) return;
      play.children[i].title = title;
      name(play.children[i], title);
    });
  }
}
function describe(lab, count) {
  const pictures = lab.querySelectorAll(".js-plotly-plot, .k3d-target");
  if (pictures.length < count) return lab.isConnected && setTimeout(() => describe(lab, count), 300);
  const sentence = lab.querySelector(".rlhf-lab-sentence");
  sentence.setAttribute("aria-live", "polite");
  watch(sentence, () => {
    for (const picture of pictures) {
      const turn = picture.matches(".k3d-target") ? " Arrow keys turn it, plus and minus zoom." : "";
      picture.setAttribute("role", "img");
      name(picture, sentence.innerText + turn);
    }
  });
}
function scene(lab, model) {
  const target = lab.querySelector(".k3d-target");
  if (!target) return lab.isConnected && setTimeout(() => scene(lab, model), 300);
  target.tabIndex = 0;
  target.addEventListener("pointerdown", () => target.focus({ preventScroll: true }));
  const scroll = (event) => {
    if (!event.ctrlKey && !target.contains(document.activeElement)) event.stopImmediatePropagation();
  };
  target.addEventListener("wheel", scroll, { capture: true, passive: true });
  target.addEventListener("keydown", (event) => {
    if (!TURNS[event.key]) return;
    model.send({ turn: TURNS[event.key] });
    event.preventDefault();
  });
}
function answer(lab, model) {
  let asked = 0;
  lab.settled = () => new Promise((resolve) => {
    const number = ++asked;
    const heard = (message) => {
      if (message.settled !== number) return;
      model.off("msg:custom", heard);
      resolve();
    };
    model.on("msg:custom", heard);
    model.send({ settled: number });
  });
}
function render({ model, el }) {
  const lab = el.closest(".rlhf-lab");
  if (!lab) return requestAnimationFrame(() => render({ model, el }));
  requestAnimationFrame(() => prepare(lab));
  describe(lab, model.get("pictures"));
  if (model.get("scene")) scene(lab, model);
  answer(lab, model);
}
export default {
  initialize({ model }) {
    patient(model).catch(console.warn);
  },
  render: (context) => void render(context),
};
"""
)
"""Arrow keys and letters belong to the lab's controls, not to the notebook's shortcuts (where the down key leaves
a menu for the next cell). A screen reader is told each control's label, its value and not the value's number, and
the sentence in place of each picture. A 3-D picture with the keyboard's focus is turned by arrow keys and zoomed
by the wheel, which otherwise scrolls the page. `lab.settled()` resolves when all that was asked for is drawn."""


def page_side(scene: bool, pictures: int, hear):
    """The invisible widget that does this for a lab of so many pictures. hear: called with each of its messages."""
    import anywidget
    import traitlets

    class Page(anywidget.AnyWidget):
        _esm = PAGE
        _own_id = traitlets.Unicode().tag(sync=True)
        scene = traitlets.Bool().tag(sync=True)
        pictures = traitlets.Int().tag(sync=True)

        def open(self) -> None:
            """Announce the widget under a name that it knows itself."""
            announce(self, super().open)

    widget = Page(scene=scene, pictures=pictures)
    widget.on_msg(lambda _, message, __: hear(message))
    return widget
