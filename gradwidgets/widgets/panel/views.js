// What a page tells the kernel of a panel's views, so that a panel may be closed whose last view is gone for good.

// A view is gone for good when its output was replaced or cleared, or when the box that showed it shows something else.
// A cell that is deleted may come back, by an undo; a notebook that is closed, when it is opened again: these views count
// as if they were still seen. Of a front end whose outputs are not known nothing is said that could close anything.
const AREA = ".jp-OutputArea", CELL = ".jp-Cell", NOTEBOOK = ".jp-Notebook";
const SETTLED = 500; // milliseconds in which a cell that is moved is there again
const MOVED = 1000; // … and in which its new view may come before the former one goes
const AGAIN = 5000; // … after which a panel that is still there is told of once more

const here = (globalThis.gradwidgets_views ??= { page: `${Date.now()}-${Math.random()}`, panels: new Map(), told: 0 });

function outputs_around(element) {
  const outputs = [];
  for (let area = element.closest(AREA); area; area = area.parentElement.closest(AREA)) {
    outputs.push({ area, output: [...area.children].find((child) => child.contains(element)) });
  }
  return outputs;
}

// The model ids of the boxes around a panel's view, the innermost first.
async function boxes_around(model, host) {
  const panel = await model.widget_manager?.get_model(model.get("panel_id"));
  const views = await Promise.all(Object.values(panel?.views ?? {}));
  const boxes = [];
  let view = views.find((one) => one.el === host)?.options?.parent;
  for (; view; view = view.options?.parent) boxes.push(view.model.model_id);
  return boxes;
}

function watch_view(model, host) {
  const id = model.get("panel_id");
  if (!here.panels.has(id)) here.panels.set(id, { views: new Set(), awaited: false, boxes: new Set() });
  const panel = here.panels.get(id);
  const view = {
    outputs: outputs_around(host), cell: host.closest(CELL), notebook: host.closest(NOTEBOOK), since: performance.now(),
  };
  const boxes = boxes_around(model, host).catch(() => []);
  const send = (views) => {
    try {
      model.send({ page: here.page, turn: ++here.told, views, boxes: [...panel.boxes] });
    } catch {} // the kernel is gone
  };
  const tell = () => send(panel.views.size + panel.awaited);
  const page_hides = () => send(null);
  const page_shows = (event) => event.persisted && tell();
  panel.views.add(view);
  panel.awaited = false;
  panel.boxes.clear();
  tell();
  window.addEventListener("pagehide", page_hides);
  window.addEventListener("pageshow", page_shows);

  const notebook_closed = () => view.notebook && !view.notebook.isConnected;
  const forget = () => panel.views.size ? tell() : send(null);
  const settle = async (gone) => {
    if (notebook_closed()) return forget();
    if (view.outputs.some(({ area, output }) => !area.contains(output))) {
      (await boxes).forEach((box) => panel.boxes.add(box));
    } else if (!view.outputs.length || (view.cell && !view.cell.isConnected)) {
      panel.awaited = ![...panel.views].some(({ since }) => since > gone - MOVED);
    }
    tell();
    setTimeout(() => panel.views.size || notebook_closed() || tell(), AGAIN);
  };
  return () => {
    window.removeEventListener("pagehide", page_hides);
    window.removeEventListener("pageshow", page_shows);
    panel.views.delete(view);
    if (notebook_closed()) return forget();
    const gone = performance.now();
    setTimeout(() => settle(gone), SETTLED);
  };
}
