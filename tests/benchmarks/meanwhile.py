"""Whether a page stays alive while a kernel works: a slider beside the work that only changes a text."""

from __future__ import annotations

from tests.browser.page import Page

# Shows the slider; a cell of a notebook.
CELL = """
import ipywidgets
slider, text = ipywidgets.IntSlider(description="echo", max=1000), ipywidgets.Label("0")
text.add_class("echo")
slider.observe(lambda change: setattr(text, "value", str(change.new)), "value")
display(ipywidgets.HBox([slider, text]))
"""

# Presses a key, waits for the text to change, and so on.
ECHO = """() => {
  const text = document.querySelector(".echo"), answers = window.answers = [];
  let began = 0, key = "ArrowRight";
  const handle = document.querySelector(".widget-slider .noUi-handle");
  const press = () => {
    began = performance.now();
    handle.dispatchEvent(new KeyboardEvent("keydown", { key, code: key, bubbles: true, cancelable: true }));
  };
  new MutationObserver(() => { answers.push([began, performance.now()]); setTimeout(press, 20); })
    .observe(text, { childList: true, subtree: true, characterData: true });
  press();
}"""


def begin(page: Page) -> None:
    """Press keys on the slider from now on, the next one when the text has answered the last."""
    page.raw.evaluate(ECHO)
    page.until("answers.length > 3")


def waits(page: Page, since: float) -> list[float]:
    """How long the answers took that came after a time on the page's clock, ascending, ms."""
    return sorted(answered - asked for asked, answered in page.raw.evaluate("answers") if answered > since)
