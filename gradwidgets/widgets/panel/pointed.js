// What a picture shows under the pointer, told beside it. The kernel is asked while no button is pressed, and not more
// often than it is worth; what it answers is shown if the pointer has not gone elsewhere since.
const PICTURE = ".jupyter-matplotlib-canvas-div", ASK = 50, ASIDE = 14; // milliseconds; CSS pixels from the pointer

function tell_values(model, host) {
  const view = `${Date.now()}-${Math.random()}`;
  let at = null, asked = 0, last = 0, timer = 0, tip = null, canvas = null, closed = false;

  const hide = () => {
    at = null;
    clearTimeout(timer);
    timer = 0;
    if (tip) tip.hidden = true;
  };
  const ask = () => {
    timer = 0;
    if (!at?.picture.isConnected) return hide();
    last = performance.now();
    const box = at.picture.getBoundingClientRect();
    const across = (at.x - box.left) / box.width, up = 1 - (at.y - box.top) / box.height;
    if (!(across >= 0 && across <= 1 && up >= 0 && up <= 1)) return hide();
    try {
      model.send({ question: `${view} ${++asked}`, across, up });
    } catch {} // the kernel is gone
  };
  const soon = () => { timer ||= setTimeout(ask, Math.max(0, last + ASK - performance.now())); };
  const move = (event) => {
    const picture = event.target.closest?.(PICTURE);
    if (!picture || event.buttons) return hide();
    event.stopPropagation(); // ipympl would tell the kernel of each move, which does nothing with it
    at = { picture, x: event.clientX, y: event.clientY };
    if (tip && !tip.hidden) place();
    soon();
  };
  // Right of the pointer and under it, or on the other side where there is no room: never over the place itself.
  const place = () => {
    const box = at.picture.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = tip;
    const x = at.x - box.left, y = at.y - box.top;
    const left = x + ASIDE + width <= box.width ? x + ASIDE : x - ASIDE - width;
    const top = y + ASIDE + height <= box.height ? y + ASIDE : y - ASIDE - height;
    tip.style.left = `${Math.max(0, Math.min(left, box.width - width))}px`;
    tip.style.top = `${Math.max(0, top)}px`;
  };
  const show = (message) => {
    if (message.question !== `${view} ${asked}` || !at) return;
    if (!message.value) { if (tip) tip.hidden = true; return; }
    if (tip?.parentElement !== at.picture) {
      tip?.remove();
      tip = document.createElement("div");
      tip.className = "gradwidgets-value";
      tip.setAttribute("aria-hidden", "true"); // for the pointer alone: the words under the picture say what it shows
      at.picture.append(tip);
    }
    if (tip.textContent !== message.value) tip.textContent = message.value;
    tip.hidden = false;
    place();
  };
  const painted = () => { if (at) soon(); };
  const follow = async () => {
    const found = await model.widget_manager?.get_model(model.get("canvas_id"));
    if (closed) return;
    canvas = found;
    canvas?.on?.("gradwidgets:painted", painted);
  };
  follow().catch(() => {});
  model.on("msg:custom", show);
  host.addEventListener("mousemove", move, true);
  host.addEventListener("mousedown", hide, true);
  host.addEventListener("mouseleave", hide);
  window.addEventListener("scroll", hide, true);
  return () => {
    closed = true;
    hide();
    tip?.remove();
    canvas?.off?.("gradwidgets:painted", painted);
    model.off("msg:custom", show);
    host.removeEventListener("mousemove", move, true);
    host.removeEventListener("mousedown", hide, true);
    host.removeEventListener("mouseleave", hide);
    window.removeEventListener("scroll", hide, true);
  };
}
