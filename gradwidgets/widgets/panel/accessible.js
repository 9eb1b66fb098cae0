// What ipywidgets and ipympl leave out for a keyboard and for a screen reader: names, states, and a canvas that lets go.
// Loaded together with page.js. All of it is done once, and again when the controls' column changes; a drag does none.

const CANVAS = ".jupyter-matplotlib-canvas-div";
const CONTROLS = ".gradwidgets-top, .gradwidgets-column, .gradwidgets-rest, .gradwidgets-bar, .gradwidgets-guesses";
const DETAILS = ".gradwidgets-details"; // the head of the words below the picture

// The panel of this page's widget and what is shown in it, models.
async function* family(model, manager) {
  yield model;
  for (const child of await Promise.all(model.get("children") ?? [])) yield* family(child, manager);
}

// The place of the stop that the kernel, too, would put a number at.
function nearest(stops, number) {
  const spread = stops[0] > 0 ? (value) => Math.log(Math.max(value, 1e-300)) : (value) => value;
  const away = stops.map((stop) => Math.abs(spread(stop) - spread(number)));
  return away.indexOf(Math.min(...away));
}

// A slider runs over the places of its stops, 0, 1, 2 …: what it says is the number that stands there, at once, and
// what its field shows where somebody typed a number between two stops.
function say_value(slider, field, element) {
  const control = element.querySelector(".slider")?.noUiSlider;
  const handle = element.querySelector(".noUi-handle");
  if (!control || !handle) return;
  const say = (value) => handle.setAttribute("aria-valuetext", String(value));
  control.off("update.gradwidgets");
  control.on("update.gradwidgets", (_, _handle, places) => {
    const stops = slider.get("stops"), place = Math.round(places[0]), typed = field.get("value");
    say(nearest(stops, typed) === place ? typed : stops[place]);
  });
  slider.off("change:stops", null, handle);
  field.off("change:value", null, handle);
  field.on("change:value", () => say(field.get("value")), handle);
  slider.on("change:stops", () => say(field.get("value")), handle);
  say(field.get("value"));
}

async function say_values(model, host) {
  const manager = model.widget_manager, id = model.get("panel_id");
  if (!id || !manager) return;
  for await (const part of family(await manager.get_model(id), manager)) {
    const [slider, field] = await Promise.all(part.get("children") ?? []);
    if (!slider?.get("stops")) continue;
    for (const view of await Promise.all(Object.values(slider.views ?? {}))) {
      if (host.contains(view.el)) say_value(slider, field, view.el);
    }
  }
}

const unique = (name) => `${name}-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;

const set = (element, name, value) => {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
};

// A control that is off is a stop on the keyboard's way all the same, and says why: enable in base.py writes the line.
function explain_off(column) {
  for (const row of column.querySelectorAll("[aria-disabled].widget-hbox:not(.gradwidgets-off)")) {
    for (const name of ["tabindex", "role", "aria-label", "aria-disabled", "aria-describedby"]) row.removeAttribute(name);
  }
  for (const row of column.querySelectorAll(".gradwidgets-off")) {
    const labels = row.querySelectorAll(".widget-label:not(.gradwidgets-remark), .widget-label-basic");
    const names = [...labels].map((label) => label.textContent.replaceAll("\u200b", "").trim());
    const note = row.querySelector(":scope > .gradwidgets-remark");
    set(row, "role", "group");
    set(row, "aria-label", names.find(Boolean) ?? "view");
    set(row, "aria-disabled", "true");
    set(row, "tabindex", "0");
    if (note) set(row, "aria-describedby", note.id ||= unique("gradwidgets-remark"));
  }
}

function name_toggle(button) {
  const opens = button.matches(".gradwidgets-fold, .gradwidgets-opener, .gradwidgets-details, .gradwidgets-help");
  set(button, opens ? "aria-expanded" : "aria-pressed", String(button.classList.contains("mod-active")));
  if (button.matches(".gradwidgets-help")) set(button, "aria-label", button.title);
  if (button.matches(".gradwidgets-fold")) set(button, "aria-label", `${button.textContent.replace(/ settings$/, "")} settings`);
}

function name_controls(column) {
  explain_off(column);
  for (const slider of column.querySelectorAll(".widget-slider")) {
    const name = slider.querySelector(".widget-label").textContent;
    const handle = slider.querySelector(".noUi-handle"), still = handle.closest("[disabled]") !== null;
    set(handle, "aria-label", name);
    set(handle, "aria-disabled", String(still));
    set(handle, "tabindex", still ? "-1" : "0");
    const number = slider.querySelector(".widget-readout"); // can be typed into
    set(number, "role", "textbox");
    set(number, "aria-label", `${name}, number`);
  }
  column.querySelectorAll(".widget-toggle-button").forEach(name_toggle);
  for (const button of column.querySelectorAll(".widget-button:has(> i), .widget-toggle-button:has(> i)")) {
    set(button, "aria-label", button.textContent.trim() || button.title);
  }
  // ipywidgets writes names in one piece, and one that is longer than its menu could not stand on two lines.
  for (const option of column.querySelectorAll("option")) {
    if (option.textContent.includes("\u00a0")) option.textContent = option.textContent.replaceAll("\u00a0", " ");
  }
  // A label before several buttons or fields is the name of the group that they are.
  for (const label of column.querySelectorAll(".widget-hbox > .widget-label:first-child")) {
    set(label.parentElement, "role", "group");
    set(label.parentElement, "aria-label", label.textContent);
  }
  for (const title of column.querySelectorAll(".gradwidgets-group > .gradwidgets-title")) {
    set(title.parentElement, "role", "group");
    set(title.parentElement, "aria-label", title.textContent);
  }
  for (const buttons of column.querySelectorAll(".widget-toggle-buttons")) {
    set(buttons, "role", "group");
    const chosen = buttons.closest(".gradwidgets-choice")?.firstElementChild.textContent;
    set(buttons, "aria-label", chosen ?? (buttons.matches(".gradwidgets-speed") ? "speed" : "view"));
  }
}

// The picture is one image, which the words under it describe; it is no stop on the keyboard's way.
function name_picture(canvas, words) {
  words.id ||= unique("gradwidgets-words");
  set(canvas, "role", "img");
  set(canvas, "aria-label", "picture, described below");
  set(canvas, "aria-describedby", words.id);
  set(canvas, "tabindex", "-1");
}

// Makes what is inside `host` accessible, and dresses its controls whenever there are new ones; returns what ends that.
function make_accessible(model, host, dress) {
  let timer = 0, changes = null;
  const name = () => {
    for (const part of host.querySelectorAll(CONTROLS)) name_controls(part);
    host.querySelectorAll(DETAILS).forEach(name_toggle);
    say_values(model, host);
    dress();
  };
  const begin = () => {
    const column = host.querySelector(".gradwidgets-column");
    const canvas = host.querySelector(CANVAS), words = host.querySelector(":scope > .gradwidgets-words");
    if (!column || !canvas || !words) { timer = setTimeout(begin, 50); return; } // views come one by one
    name_picture(canvas, words);
    name();
    // A slider that moves writes its number anew and marks its handle: neither is a new control.
    changes = new MutationObserver((records) => {
      const news = records.some(({ type, target }) => type === "childList"
        ? !target.matches(".widget-readout, .widget-html-content, .gradwidgets-remark")
        : target.matches(".widget-toggle-button, .slider, .gradwidgets-off, .widget-hbox[aria-disabled]"));
      if (!news) return;
      clearTimeout(timer);
      timer = setTimeout(name, 30);
    });
    const seen = { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "disabled"] };
    for (const part of host.querySelectorAll(`${CONTROLS}, ${DETAILS}`)) changes.observe(part, seen);
  };
  begin();
  // A click gives ipympl's canvas the keyboard, and it swallows every key: Tab leaves it.
  const leave = (event) => {
    if (event.key === "Tab" && event.target.closest(CANVAS)) event.stopPropagation();
  };
  host.addEventListener("keydown", leave, true);
  // In a notebook's command mode JupyterLab takes plain keys for itself, wherever the keyboard is: an arrow in a menu
  // would go to the next cell, a letter would change the cell's type. Plain keys in a panel are the panel's.
  const keep = (event) => {
    if (!host.contains(event.target)) return;
    const run = event.key === "Enter" && event.shiftKey;
    event.target.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey || event.altKey || run));
  };
  window.addEventListener("keydown", keep, true); // JupyterLab listens at the document
  return () => {
    clearTimeout(timer);
    changes?.disconnect();
    host.removeEventListener("keydown", leave, true);
    window.removeEventListener("keydown", keep, true);
  };
}
