"""The labelling desk in the page: one pair, one key. The kernel says what is next once a label is on the disk."""

from __future__ import annotations

from collections.abc import Callable

from ..kit.loading import PATIENT, announce

DESK = (
    PATIENT
    + """
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", t: "tie", u: "undo", Backspace: "undo" };
const SCALE = ["left is much better", "left is better", "left is slightly better", "a tie",
  "right is slightly better", "right is better", "right is much better"];
function part(kind, className, text = "") {
  const element = document.createElement(kind);
  element.className = className;
  element.textContent = text;
  return element;
}
function build(press) {
  const desk = part("div", "rlhf-desk");
  desk.tabIndex = 0;
  desk.setAttribute("role", "group");
  const parts = { desk };
  for (const name of ["head", "asked", "cards", "scale", "row", "sentence"]) {
    parts[name] = part("div", `rlhf-desk-${name}`);
    desk.append(parts[name]);
  }
  for (const side of ["left", "right"]) {
    const card = part("button", "rlhf-desk-card");
    card.addEventListener("click", () => press(side));
    parts[side] = card;
    parts.cards.append(card);
  }
  SCALE.forEach((words, i) => {
    const button = part("button", "rlhf-desk-key", String(i + 1));
    button.title = words;
    button.setAttribute("aria-label", `${i + 1}: ${words}`);
    button.addEventListener("click", () => press(String(i + 1)));
    parts.scale.append(button);
  });
  for (const [key, words] of [["left", "← left"], ["tie", "↓ tie"], ["right", "right →"], ["undo", "undo (u)"]]) {
    const button = part("button", "rlhf-desk-key", words);
    button.addEventListener("click", () => press(key));
    parts.row.append(button);
  }
  parts.sentence.setAttribute("aria-live", "polite");
  return parts;
}
function show(parts, state) {
  parts.head.textContent = `${state.title}: ${state.done} of ${state.total} labelled, saved in ${state.place}`;
  parts.asked.textContent = state.over ? "" : state.asked.join("\\n");
  parts.left.textContent = state.left;
  parts.right.textContent = state.right;
  parts.left.setAttribute("aria-label", `left: ${state.left}`);
  parts.right.setAttribute("aria-label", `right: ${state.right}`);
  for (const name of ["cards", "scale"]) parts[name].style.visibility = state.over ? "hidden" : "visible";
  const all = state.over && state.done === state.total;
  parts.sentence.textContent = all ? "All pairs are labelled. Go on to the next cell." : state.sentence;
  parts.desk.setAttribute("aria-label", state.over ? parts.sentence.textContent
    : `${state.asked.join(" ")} Left: ${state.left} Right: ${state.right}`);
  parts.desk.dataset.number = state.number;
}
function render({ model, el }) {
  let waiting = false;
  const press = (key) => {
    if (waiting) return;
    waiting = true;
    model.send({ key, number: model.get("state").number });
    parts.desk.focus({ preventScroll: true });
  };
  const parts = build(press);
  parts.desk.addEventListener("focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  parts.desk.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = /^[1-7]$/.test(event.key) ? event.key : KEYS[event.key];
    if (!key) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) press(key);
  });
  const changed = () => {
    waiting = false;
    show(parts, model.get("state"));
  };
  model.on("change:state", changed);
  changed();
  el.append(parts.desk);
  return () => model.off("change:state", changed);
}
export default {
  initialize({ model }) {
    patient(model).catch(console.warn);
  },
  render,
};
"""
)
"""A key held down counts once, and a key that was pressed before the new pair came does not count for it."""

LOOK = """
.rlhf-desk { max-width: 760px; border: 1px solid rgba(128, 128, 128, 0.45); border-radius: 8px; padding: 12px 16px;
  color: var(--jp-ui-font-color1, #757575); font-family: var(--jp-ui-font-family, sans-serif); }
.rlhf-desk:focus { outline: 3px solid #C77700; outline-offset: 2px; }
.rlhf-desk-head { font-size: 12px; opacity: 0.85; margin-bottom: 8px; }
.rlhf-desk-asked { font-size: 15px; font-style: italic; white-space: pre-line; min-height: 1.4em; margin-bottom: 8px; }
.rlhf-desk-cards { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }
.rlhf-desk-card { min-height: 116px; text-align: left; vertical-align: top; white-space: pre-line; font: inherit;
  font-size: 15px; line-height: 1.4; padding: 10px 12px; color: inherit; border-radius: 6px; cursor: pointer;
  background: rgba(128, 128, 128, 0.10); border: 1px solid rgba(128, 128, 128, 0.5); display: flex; }
.rlhf-desk-card:hover { border-color: #3893D0; }
.rlhf-desk-scale, .rlhf-desk-row { display: flex; justify-content: center; gap: 8px; margin-top: 8px; }
.rlhf-desk-key { color: inherit; background: transparent; border: 1px solid rgba(128, 128, 128, 0.6);
  border-radius: 5px; padding: 4px 11px; cursor: pointer; font: inherit; font-size: 13px; }
.rlhf-desk-key:focus-visible, .rlhf-desk-card:focus-visible { outline: 3px solid #C77700; outline-offset: 2px; }
.rlhf-desk-sentence { border-left: 4px solid #56B4E9; padding-left: 10px; margin-top: 10px; min-height: 1.4em;
  line-height: 1.4; }
"""


def desk_page(state: dict, hear: Callable[[dict], None]):
    """The widget. state: what it shows first. hear: called with {"key", "number"} at each key."""
    import anywidget
    import traitlets

    class Page(anywidget.AnyWidget):
        _esm = DESK
        _css = LOOK
        _own_id = traitlets.Unicode().tag(sync=True)
        state = traitlets.Dict().tag(sync=True)

        def open(self) -> None:
            """Announce the widget under a name that it knows itself."""
            announce(self, super().open)

    widget = Page(state=state)
    widget.on_msg(lambda _, message, __: hear(message))
    return widget
