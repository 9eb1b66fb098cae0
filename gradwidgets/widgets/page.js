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
  canvas.handle_binary = (message, buffers) => {
    const decoded = createImageBitmap(new Blob([buffers[0]], { type: "image/png" }));
    canvas.waiting_for_image = false;
    shown = shown.then(async () => {
      const picture = await decoded;
      canvas.offscreen_context.drawImage(picture, 0, 0);
      picture.close();
      canvas._for_each_view((view) => view.update_canvas());
      clearTimeout(quiet);
      quiet = setTimeout(() => canvas.set("_data_url", canvas.offscreen_canvas.toDataURL()), 700);
    }).catch((failure) => console.warn("gradwidgets: a picture could not be shown", failure));
  };
}

function initialize({ model }) {
  quicken(model);
  model.on("change:canvas_id", () => quicken(model));
}

function render({ model, el }) {
  let host = null, timer = 0;
  const measure = () => {
    if (!host || !host.isConnected) return;
    const width = Math.floor(host.getBoundingClientRect().width);
    if (width < 50) return;
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
    if (!host) { timer = setTimeout(attach, 10); return; }
    sizes.observe(host);
    measure();
  };
  attach();
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
    sizes.disconnect();
    themes.disconnect();
    window.removeEventListener("resize", soon);
    listen("removeEventListener");
    model.off("msg:custom", copy);
  };
}

export default { initialize, render };
