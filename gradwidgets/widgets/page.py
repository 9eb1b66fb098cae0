"""The page that a widget lives in: its width, its theme, its clipboard.

The kernel cannot know how wide a notebook's output is nor whether JupyterLab is dark. This small widget, invisible,
tells it; and it copies text, which only a page may do.
"""

from __future__ import annotations

import anywidget
import traitlets

_SCRIPT = """
function render({ model, el }) {
  let host = null, timer = 0, waiting = 0;
  const measure = () => {
    if (!host || !host.isConnected) return;
    const width = Math.floor(host.getBoundingClientRect().width);
    if (width < 50) return;
    const height = window.innerHeight;
    const dark = document.body.dataset.jpThemeLight === "false";
    const now = { width, height, dark };
    const before = model.get("size");
    if (before.width === width && before.height === height && before.dark === dark) return;
    model.set("size", now);
    model.save_changes();
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(measure, 120); };
  const copy = async (message) => {
    if (message.copy === undefined) return;
    try { await navigator.clipboard.writeText(message.copy); model.send({ copied: true }); }
    catch (refusal) {
      const area = document.createElement("textarea");
      area.value = message.copy;
      area.style.position = "fixed";
      area.style.opacity = "0";
      document.body.appendChild(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      model.send({ copied });
    }
  };
  const sizes = new ResizeObserver(soon);
  // A view is rendered before it is attached: look for the enclosing widget once it is.
  const attach = () => {
    host = el.closest(".gradwidgets");
    if (!host) { waiting = requestAnimationFrame(attach); return; }
    sizes.observe(host);
    measure();
  };
  attach();
  const themes = new MutationObserver(soon);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  window.addEventListener("resize", soon);
  model.on("msg:custom", copy);
  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(waiting);
    sizes.disconnect();
    themes.disconnect();
    window.removeEventListener("resize", soon);
    model.off("msg:custom", copy);
  };
}
export default { render };
"""


class Page(anywidget.AnyWidget):
    """What the browser tells: put it anywhere inside an element of class `gradwidgets`.

    Attributes:
        size: `{"width": int, "height": int, "dark": bool}`: the width of the enclosing widget and the height of
            the window in CSS pixels, and whether JupyterLab's theme is dark; empty until a page has answered.
    """

    _esm = _SCRIPT
    size = traitlets.Dict().tag(sync=True)

    def copy(self, text: str) -> None:
        """Put text on the reader's clipboard; the page answers `{"copied": bool}`."""
        self.send({"copy": text})
