// Runs in the page before anything else: notes when keys are pressed and when a lab is redrawn, and
// reads what the page itself holds: the traces of plotly's figures, the objects of k3d's scenes.
window.probe = {
  keys: [],
  marks: [],
  watched: new WeakSet(),

  mark(what) {
    probe.marks.push([performance.now(), what]);
  },

  // when the last key was pressed or the last thing drawn
  latest() {
    const [key, mark] = [probe.keys.slice(-1), probe.marks.slice(-1).map((entry) => entry[0])];
    return Math.max(0, ...key, ...mark);
  },

  lab() {
    return [...document.querySelectorAll(".rlhf-lab")].find((lab) => lab.offsetParent !== null);
  },

  graphs(lab = probe.lab()) {
    return [...lab.querySelectorAll(".js-plotly-plot")];
  },

  scenes(lab = probe.lab()) {
    const all = (globalThis.__k3dWidgets && globalThis.__k3dWidgets.plots) || [];
    return all.filter((plot) => lab.contains(plot.K3DInstance.getWorld().targetDOMNode));
  },

  labs() {
    return [...document.querySelectorAll(".rlhf-lab")].filter((lab) => lab.offsetParent !== null);
  },

  // the lab of a cell; JupyterLab keeps cells out of sight, and in an order of its own
  labOf(place) {
    const { content } = window.jupyterapp.shell.currentWidget;
    return content.widgets[place].node.querySelector(".rlhf-lab") || undefined;
  },

  async goTo(place) {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = place;
    await content.scrollToItem(place, "start");
  },

  // a plotly figure has drawn its traces, a 3-D picture has all objects of its scene
  complete(lab, graphs, scenes) {
    const drawn = [...lab.querySelectorAll(".js-plotly-plot")].filter(
      (graph) => graph.data && graph.data.length && graph.querySelector(".main-svg .xaxislayer-above *, .main-svg .traces *"),
    );
    const whole = probe.scenes(lab).filter(({ K3DInstance, model }) => {
      const { ObjectsById, renderer } = K3DInstance.getWorld();
      const wanted = model.get("object_ids");
      const known = (globalThis.__k3dWidgets || {}).objects || {};
      const there = (id) => ObjectsById[id] || (known[id] && known[id].attributes.visible === false);
      return wanted.length && wanted.every(there) && renderer.info.memory.geometries > 2; // they are counted when drawn
    });
    return drawn.length >= graphs && whole.length >= scenes;
  },

  // the lab has drawn all that it announces
  ready(graphs, scenes, lab = probe.lab()) {
    return (
      lab !== undefined &&
      lab.settled !== undefined &&
      lab.querySelector(".rlhf-lab-sentence").innerText.length > 10 &&
      probe.complete(lab, graphs, scenes)
    );
  },

  // what the cells say instead of drawing
  complaints() {
    return [...document.querySelectorAll("[data-mime-type='application/vnd.jupyter.error'], [data-mime-type$='stderr']")]
      .map((output) => output.innerText);
  },

  // nothing is on its way: the kernel has answered twice (a slider sends its last value when the kernel has taken
  // the one before), and three frames in a row show the same
  async settled(lab = probe.lab()) {
    await lab.settled();
    await lab.settled();
    let before = "";
    for (let same = 0; same < 3; ) {
      await new Promise(requestAnimationFrame);
      const now = JSON.stringify([probe.data(lab), probe.sentence(lab)]);
      same = now === before ? same + 1 : 0;
      before = now;
    }
  },

  watch() {
    const changes = { attributes: true, childList: true, characterData: true, subtree: true };
    const observe = (element, what) => {
      if (probe.watched.has(element)) return;
      probe.watched.add(element);
      new MutationObserver(() => probe.painted(what)).observe(element, changes);
    };
    observe(probe.lab().querySelector(".rlhf-lab-sentence"), "words");
    for (const graph of probe.graphs()) observe(graph.querySelector(".main-svg"), "graph");
    for (const { K3DInstance } of probe.scenes()) {
      const world = K3DInstance.getWorld();
      if (!probe.watched.has(world)) K3DInstance.on(K3DInstance.events.RENDERED, () => probe.drawn(world));
      probe.watched.add(world);
    }
  },

  // after the next frame, when what has changed in the document is on the screen
  painted(what) {
    requestAnimationFrame(() => setTimeout(() => probe.mark(what), 0));
  },

  // reading a pixel waits until the drawing is really done
  drawn(world) {
    const gl = world.renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    probe.mark("scene");
  },

  // what can be moved: slider handles, menus, boxes to tick, buttons
  fields() {
    const all = probe.lab().querySelectorAll(".noUi-handle, select, input[type=checkbox], button.jupyter-button");
    return [...all].filter((field) => !field.closest("[disabled]") && field.offsetParent !== null);
  },

  at_the_end(index) {
    const field = probe.fields()[index];
    if (field.tagName === "SELECT") return field.selectedIndex === field.options.length - 1 ? 1 : 0;
    const { left } = field.getBoundingClientRect();
    const track = field.closest(".noUi-base").getBoundingClientRect();
    return left + field.offsetWidth / 2 > track.right - 1 ? 1 : 0;
  },

  sentence(lab = probe.lab()) {
    return lab.querySelector(".rlhf-lab-sentence").innerText;
  },

  // one step by keyboard on the first slider, to the left at its right end
  nudge(lab) {
    const handle = lab.querySelector(".noUi-handle");
    const [now, most] = ["now", "max"].map((part) => Number(handle.getAttribute(`aria-value${part}`)));
    handle.dispatchEvent(new KeyboardEvent("keydown", { key: now < most ? "ArrowRight" : "ArrowLeft", bubbles: true }));
  },

  // where the camera of the 3-D picture is
  camera() {
    const places = probe.scenes()[0].K3DInstance.getWorld().controls.getCameraArray();
    return Array.from(places, (place) => Math.round(place * 1e6) / 1e6);
  },

  // name of a trace or an object -> a digest of its data
  data(lab = probe.lab()) {
    const found = {};
    probe.graphs(lab).forEach((graph, place) => {
      graph.data.forEach((trace, index) => {
        const { x, y, z } = trace;
        found[`graph ${place} trace ${trace.name || index}`] = digest([x, y, z]);
      });
      found[`graph ${place} shapes`] = digest(graph.layout.shapes);
    });
    for (const { model } of probe.scenes(lab)) {
      for (const id of model.get("object_ids")) {
        const { attributes } = globalThis.__k3dWidgets.objects[id];
        const { positions, vertices, heights, origins, vectors, colors, attribute, text, visible, position, model_matrix } = attributes;
        const parts = [positions, vertices, heights, origins, vectors, colors, attribute, text, visible, position, model_matrix];
        found[`scene ${attributes.type} ${attributes.name || id}`] = digest(parts);
      }
    }
    return found;
  },
};

const number = new Float64Array(1), halves = new Uint32Array(number.buffer);

// a short number for any nested data; every bit of its numbers counts
function digest(value) {
  let hash = 0;
  const add = (part) => {
    if (ArrayBuffer.isView(part) || Array.isArray(part)) part.forEach(add);
    else if (typeof part === "number") {
      number[0] = part;
      hash = (Math.imul(Math.imul(hash, 31) + halves[0], 31) + halves[1]) | 0;
    }
    else if (part && typeof part === "object") add(Object.values(part));
    else for (const letter of String(part)) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0;
    hash = (Math.imul(hash, 31) + 7) | 0;
  };
  add(value);
  return hash;
}

addEventListener("keydown", () => probe.keys.push(performance.now()), true);
