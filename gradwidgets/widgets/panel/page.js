// The part of a gradwidgets panel that only a page can do: measure itself, copy text, show pictures quickly.

// ipympl shows a picture by loading it as an <img>, and encodes its whole canvas as PNG again for each one. Decoding
// off the main thread and encoding once things are quiet shows the same pixels tens of milliseconds earlier, and a
// picture that is overtaken before it was loaded is drawn all the same. Without the parts named here, ipympl's own way
// stays.
async function quicken(model) {
  const id = model.get("canvas_id");
  if (!id || !model.widget_manager) return;
  const canvas = await model.widget_manager.get_model(id);
  // ipympl offers a handle to resize with whenever a kernel is there; here the page's width decides.
  const fixed = () => canvas.get("resizable") && canvas.set("resizable", false);
  canvas?.on("change:resizable", fixed);
  if (canvas) fixed();
  const known = canvas && canvas.offscreen_canvas && canvas.offscreen_context && canvas._for_each_view && canvas.handle_binary;
  if (!known || canvas.gradwidgets_quick || typeof createImageBitmap !== "function") return;
  canvas.gradwidgets_quick = true;
  let shown = Promise.resolve();
  let quiet = 0;
  let known_pixels = null; // of the picture, for patches; null after a PNG, until they are asked for
  const show = (coming, paste) => {
    canvas.waiting_for_image = false;
    shown = shown.then(async () => {
      paste(await coming);
      canvas._for_each_view((view) => view.update_canvas());
      canvas.trigger("gradwidgets:painted");
      clearTimeout(quiet);
      quiet = setTimeout(() => canvas.set("_data_url", canvas.offscreen_canvas.toDataURL()), 700);
    }).catch((failure) => console.warn("gradwidgets: a picture could not be shown", failure));
  };
  canvas.handle_binary = (message, buffers) => {
    show(createImageBitmap(new Blob([buffers[0]], { type: "image/png" })), (picture) => {
      canvas.offscreen_context.drawImage(picture, 0, 0);
      picture.close();
      known_pixels = null;
    });
  };
  // See patch.py: the pixels that changed, and a bitmap of where they go.
  canvas.handle_patch = (message, buffers) => {
    show(inflate(buffers[0]), (plain) => {
      const { width, height } = canvas.offscreen_canvas, context = canvas.offscreen_context;
      const [across, down, count] = new Uint32Array(plain, 0, 3);
      if (across !== width || down > height) return; // resized since: a full picture is on its way
      if (known_pixels?.width !== width || known_pixels.height !== height) {
        known_pixels = context.getImageData(0, 0, width, height);
      }
      const pixels = new Uint32Array(plain, 12, count), bits = new Uint8Array(plain, 12 + 4 * count);
      const picture = new Uint32Array(known_pixels.data.buffer);
      for (let byte = 0, next = 0; next < count; byte++) {
        const set = bits[byte];
        for (let bit = 0; set && bit < 8; bit++) if (set & (128 >> bit)) picture[8 * byte + bit] = pixels[next++];
      }
      context.putImageData(known_pixels, 0, 0, 0, 0, across, down);
    });
  };
  model.set("patches", typeof DecompressionStream === "function");
  model.save_changes();
}

// Without a Blob in between, which would go through the browser's other processes.
async function inflate(data) {
  const stream = new DecompressionStream("deflate"), writer = stream.writable.getWriter();
  writer.write(data);
  writer.close();
  const parts = [];
  for (const reader = stream.readable.getReader(); ;) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
  }
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole.buffer;
}

function initialize({ model }) {
  quicken(model);
  model.on("change:canvas_id", () => quicken(model));
}

// A panel so wide shows controls and words larger, one with no room for a picture beside its controls has it under them,
// and on a phone controls are as large as a finger; frame.py knows the first three numbers too.
const ROOMY = 1300, COLUMN = 250, LEAST_WIDTH = 400, PHONE = 480;

function render({ model, el }) {
  let host = null, timer = 0, wait = 10, leave_alone = () => {}, leave = () => {}, point_no_more = () => {};
  // A hatch on a number's rail, from a share of it on: see controls.css.
  const limit = () => {
    const limits = model.get("limits");
    for (const row of host?.querySelectorAll(".gradwidgets-number") ?? []) {
      const share = limits[row.querySelector(".widget-label")?.textContent];
      row.classList.toggle("gradwidgets-limited", share !== undefined);
      if (share !== undefined) row.style.setProperty("--gw-limit", share);
    }
  };
  // How many things wait in a tab's view.
  const count = () => {
    const counts = model.get("counts");
    for (const tab of host?.querySelectorAll(".gradwidgets-tabs .widget-toggle-button") ?? []) {
      const number = counts[tab.textContent.trim()];
      if (number) tab.dataset.count = number;
      else delete tab.dataset.count;
    }
  };
  const dress = () => { limit(); count(); };
  const measure = () => {
    if (!host || !host.isConnected) return;
    const width = Math.floor(host.getBoundingClientRect().width);
    if (width < 50) return;
    // Not a container query: in a cell that was out of view Chromium stops restyling what is inside its container.
    host.classList.toggle("gradwidgets-roomy", width >= ROOMY);
    host.classList.toggle("gradwidgets-narrow", width < COLUMN + LEAST_WIDTH);
    host.classList.toggle("gradwidgets-phone", width < PHONE);
    const height = window.innerHeight;
    const dark = document.body.dataset.jpThemeLight === "false";
    const before = model.get("size");
    if (before.width === width && before.height === height && before.dark === dark) return;
    model.set("size", { width, height, dark });
    model.save_changes();
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(measure, 120); };
  const sizes = new ResizeObserver(soon);
  // A view is rendered before it is attached: look for the enclosing widget once it is.
  const attach = () => {
    host = el.closest(".gradwidgets");
    if (!host?.isConnected) { timer = setTimeout(attach, wait = Math.min(1.2 * wait, 1000)); return; }
    sizes.observe(host);
    leave_alone = make_accessible(model, host, dress);
    leave = watch_view(model, host);
    point_no_more = tell_values(model, host);
    measure();
  };
  attach();
  model.on("change:limits change:counts", dress);
  // ipywidgets shows a check box's label as its tooltip, and its tooltip nowhere.
  const explain = (event) => {
    const box = event.target.closest?.(".widget-checkbox");
    const tip = box && host.contains(box) && model.get("tips")[box.innerText.trim()];
    if (tip) box.querySelectorAll("[title]").forEach((part) => { part.title = tip; });
  };
  // A decimal comma: a number field would drop it and read 0,5 as 05.
  const comma = (event) => {
    if (event.data !== "," || event.target.type !== "number" || !host.contains(event.target)) return;
    event.preventDefault();
    document.execCommand("insertText", false, ".");
  };
  const listen = (change) => {
    document[change]("mouseover", explain);
    document[change]("beforeinput", comma);
  };
  listen("addEventListener");
  const themes = new MutationObserver(soon);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  window.addEventListener("resize", soon);

  const copy = async (message) => {
    if (message.copy === undefined) return;
    try {
      await navigator.clipboard.writeText(message.copy);
      model.send({ copied: true });
    } catch {
      const area = document.createElement("textarea");
      area.value = message.copy;
      area.style.cssText = "position: fixed; opacity: 0";
      document.body.appendChild(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      model.send({ copied });
    }
  };
  model.on("msg:custom", copy);

  return () => {
    clearTimeout(timer);
    leave_alone();
    leave();
    point_no_more();
    sizes.disconnect();
    themes.disconnect();
    window.removeEventListener("resize", soon);
    listen("removeEventListener");
    model.off("msg:custom", copy);
    model.off("change:limits change:counts", dress);
  };
}

export default { initialize, render };
