"""A hand and an eye in a page of JupyterLab.

`open_browser` starts a headless Chromium, `Page` opens a notebook in it, runs cells, presses keys, reads pixels and
asks the kernel. Nothing sleeps: everything waits for a condition.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import os
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, ConsoleMessage, Locator, sync_playwright

from tests.browser.lab import SECONDS, wait_until

CANVAS = ".jupyter-matplotlib-canvas-div canvas"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


_RUNS = "watched.notebook().content.widgets[{}].promptNode.textContent.includes('*')"


def _is_noise(text: str) -> bool:
    """Whether that is what ipykernel says though nothing is wrong.

    A page asks for widgets that are not there yet, or no more; a subshell of the page's ends, when its last widget is
    closed, with a message still in its queue.
    """
    signs = ("Task was destroyed but it is pending", "was never awaited", "UnknownSubshellError")
    dropped = any(sign in text for sign in signs)
    return "No such comm" in text or (dropped and ("ipykernel/" in text or "_async_in_context" in text))


class Page:
    """A notebook, open in a browser.

    Args:
        browser: What `browser` gives.
        address: The server as the page sees it, "http://127.0.0.1:8888".
        notebook: The notebook's name.
        width: Width of the window, CSS pixels.
        height: Height of the window, CSS pixels.
        pixel_ratio: Pixels of the screen to a CSS pixel.

    Attributes:
        raw: Playwright's page.
        console: Errors and warnings of the browser's console, and errors that no script caught.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        notebook: str,
        width: int = 1280,
        height: int = 800,
        pixel_ratio: float = 1,
    ) -> None:
        size = {"width": width, "height": height}
        self.raw = browser.new_page(viewport=size, device_scale_factor=pixel_ratio)
        self.raw.set_default_timeout(1000 * SECONDS)
        self.console: list[str] = []
        self.raw.on("console", self._note)
        self.raw.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        self.raw.add_init_script(path=Path(__file__).with_name("page.js"))
        self._address = f"{address}/lab/workspaces/{uuid.uuid4().hex[:8]}/tree/{notebook}"
        try:
            self.raw.goto(self._address + "?reset")
            self.wait_until_ready()
        except BaseException:
            self.raw.close()
            raise

    def _note(self, message: ConsoleMessage) -> None:
        ours = "willReadFrequently" in message.text  # a hint about how `pixels` reads a canvas
        slow = message.text.startswith("Plugin ") and "to activate." in message.text  # what a busy machine brings about
        if message.type in ("error", "warning") and not (ours or slow):
            self.console.append(f"{message.type}: {message.text}")

    def wait_until_ready(self) -> None:
        """Wait until the notebook is open and its kernel idle."""
        self.until("watched.notebook()?.context?.isReady")
        self.until("watched.notebook().sessionContext.isReady && watched.kernel()?.status === 'idle'")
        self.raw.evaluate("watched.listen()")

    def reload(self) -> None:
        """Save the notebook and load the page anew; the kernel lives on."""
        self.raw.evaluate("jupyterapp.commands.execute('docmanager:save')")
        self.raw.goto(self._address)
        self.wait_until_ready()

    def end_kernel(self) -> None:
        """Shut the notebook's kernel down."""
        if not self.raw.is_closed():
            self.raw.evaluate("watched.notebook().sessionContext.shutdown()")

    def close(self) -> None:
        """Close the page; the kernel lives on."""
        self.raw.close()

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- waiting ------------------------------------------------------------------------------------------

    def until(self, condition: str, seconds: float = SECONDS) -> None:
        """Wait until a JavaScript expression is true."""
        self.raw.wait_for_function(condition, timeout=1000 * seconds, polling=20)

    def until_kernel(self, condition: str, seconds: float = SECONDS) -> None:
        """Wait until a Python expression is true in the kernel."""
        wait_until(lambda: self.value(condition), condition, seconds, self._rest)

    def until_text(self, text: str, within: str = "body") -> None:
        """Wait until a text can be read on the page."""
        self.raw.locator(within).get_by_text(text).first.wait_for(state="visible")

    def until_picture(self) -> None:
        """Wait until a canvas shows more than one colour."""
        self.until("watched.pictures.length > 0")

    def until_quiet(self, seconds: float = 0.4) -> None:
        """Wait until the kernel is idle and no frame has changed for so long."""
        self.until("watched.kernel().status === 'idle'")
        self.until(f"performance.now() - (watched.frames.at(-1) ?? 0) > {1000 * seconds}")

    def _rest(self) -> None:
        self.raw.wait_for_timeout(15)  # and not time.sleep: the page's events are handled here

    # -- the notebook -------------------------------------------------------------------------------------

    def run(self, index: int) -> float:
        """Run one cell to its end; return the page's clock, in ms, from just before."""
        return self.raw.evaluate("watched.runCell", {"index": index, "seconds": 3 * SECONDS})

    def begin(self, index: int) -> None:
        """Run one cell, and do not wait for its end."""
        self.raw.evaluate(
            "k => { watched.notebook().content.activeCellIndex = k;"
            " jupyterapp.commands.execute('notebook:run-cell'); }",
            index,
        )
        self.until(_RUNS.format(index))

    def runs(self, index: int) -> bool:
        """Whether a cell runs: the kernel's status tells of messages that are handled beside it, too."""
        return self.raw.evaluate(_RUNS.format(index))

    def until_ended(self, index: int) -> None:
        """Wait until a cell does not run any more."""
        self.until("!" + _RUNS.format(index))

    def frames(self) -> int:
        """How many frames the page has painted."""
        return self.raw.evaluate("watched.frames.length")

    def run_all(self) -> None:
        """Run all cells to their end."""
        self.raw.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    def outputs(self) -> list[dict]:
        """The outputs of all cells."""
        cells = self.raw.evaluate("watched.notebook().content.model.sharedModel.toJSON().cells")
        return [output for cell in cells for output in cell.get("outputs", ())]

    def complaints(self) -> list[str]:
        """What the kernel said on stderr or as an error, in a cell or in JupyterLab's log console."""
        return [text for text in self.raw.evaluate("watched.complaints") if not _is_noise(text)]

    def forgive(self) -> list[str]:
        """Empty the lists of complaints; return what the kernel's held."""
        held = self.complaints()
        self.raw.evaluate("watched.complaints.length = 0")
        self.console.clear()
        return held

    # -- the kernel ---------------------------------------------------------------------------------------

    def tell(self, code: str, seconds: float = SECONDS) -> None:
        """Run code in the kernel; an exception there is one here."""
        self._ask({"code": code, "seconds": seconds})

    def value(self, expression: str, seconds: float = SECONDS):
        """The value of a Python expression in the kernel, of anything that JSON holds."""
        question = f"__import__('json').dumps({expression})"
        answer = self._ask({"code": "", "value": question, "seconds": seconds})["user_expressions"]["value"]
        if answer["status"] != "ok":
            raise RuntimeError(f"{expression}: {answer['ename']}: {answer['evalue']}")
        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def _ask(self, question: dict) -> dict:
        answer = self.raw.evaluate("watched.ask", question)
        if answer["status"] != "ok":
            raise RuntimeError("\n".join(answer.get("traceback", [str(answer)])))
        return answer

    def forge(self, model: str, **state: object) -> None:
        """Send the kernel a state for the widget model with this id, whatever the page's controls allow.

        It has been handled when this returns: the controls' own messages go over a channel of their own, and the
        next one might overtake it.
        """
        self.raw.evaluate("watched.forge", {"model": model, "state": state})
        self.value("None")

    # -- pictures -----------------------------------------------------------------------------------------

    def pixels(self, index: int = 0) -> np.ndarray:
        """What a canvas shows: (height, width, 4), uint8; `index` counts the pictures on the page."""
        shown = self.raw.locator(f"{CANVAS}:first-of-type").nth(index).evaluate("watched.pixels")
        flat = np.frombuffer(base64.b64decode(shown["data"]), np.uint8)
        return flat.reshape(shown["height"], shown["width"], 4)

    def drawn(self, widget: str = "playground") -> np.ndarray:
        """What the kernel would show if it drew everything afresh: (height, width, 4), uint8."""
        self.tell(
            "import base64 as _b, zlib as _z, numpy as _n\n"
            f"{widget}.canvas.stale(); {widget}.canvas.still()\n"
            f"_pixels = _n.asarray({widget}.canvas.buffer_rgba())"
        )
        shape = self.value("_pixels.shape")
        packed = self.value("_b.b64encode(_z.compress(_pixels.tobytes(), 1)).decode()")
        return np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8).reshape(shape)

    def until_painted(self, widget: str = "playground", seconds: float = 10) -> None:
        """Wait until the page shows, to the pixel, what the kernel would draw."""
        different = "the picture"

        def painted() -> bool:
            nonlocal different
            self.until_quiet()
            shown, drawn = self.pixels(), self.drawn(widget)
            if shown.shape != drawn.shape:
                different = f"a picture of {drawn.shape}, not {shown.shape}"
                return False
            rows, columns = np.nonzero((shown != drawn).any(axis=2))
            if len(rows):
                box = f"rows {rows.min()}–{rows.max()}, columns {columns.min()}–{columns.max()}"
                different = f"{len(rows)} pixels in {box} of {drawn.shape[:2]}"
            return not len(rows)

        try:
            wait_until(painted, "the page to show", seconds, self._rest)
        except TimeoutError:
            raise AssertionError(f"the page does not show what the kernel draws: {different}") from None

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Have the page behave as in a tab that nobody sees: it is told so, and no frame of animation comes."""
        self.raw.evaluate("watched.hide()")
        try:
            yield
        finally:
            self.raw.evaluate("watched.unhide()")

    # -- the hand -----------------------------------------------------------------------------------------

    def slider(self, label: str) -> Locator:
        """The slider with this label, or the first if none has it."""
        sliders = self.raw.locator(".widget-slider")
        named = sliders.filter(has=self.raw.locator(f".widget-label:text-is('{label}')"))
        return (named if named.count() else sliders).first

    def focus(self, label: str) -> None:
        """Give the slider with this label the keyboard."""
        self.slider(label).locator(".noUi-handle").first.focus()

    def press(self, label: str, key: str = "ArrowRight", times: int = 1) -> None:
        """Press a key on the slider with this label."""
        self.focus(label)
        for _ in range(times):
            self.raw.keyboard.press(key)

    def field(self, label: str, index: int = 0) -> Locator:
        """A number field with this name, alone or beside a slider."""
        name = self.raw.locator(f".widget-label:text-is('{label}, number')")
        alone = self.raw.locator(".gradwidgets-entry").filter(has=name).locator("input")
        if alone.count():
            return alone.nth(index)
        return self.slider(label).locator("xpath=..").locator(".widget-text input").nth(index)

    def type(self, label: str, text: str) -> None:
        """Type into the number field with this name, and press Enter."""
        field = self.field(label)
        field.fill(text)
        field.press("Enter")

    def open_words(self) -> None:
        """Open the words below the picture, which are folded in a low window."""
        for head in self.raw.locator(".gradwidgets-details:not(.mod-active)").all():
            if head.is_visible():
                head.click()

    def unfold(self, *, opened: bool = True) -> None:
        """Open all folds, and what "…" hides; or fold them."""
        pressed = "" if opened else ".mod-active"
        left = ":not(.mod-active)" if opened else ""
        self.raw.evaluate(
            "which => document.querySelectorAll(which).forEach((head) => head.click())",
            f":is(.gradwidgets-fold, .gradwidgets-opener, .gradwidgets-details){pressed}{left}",
        )

    def on_map(self, weight: float, bias: float, widget: str = "playground") -> tuple[float, float]:
        """Where on the page a point of the first map is."""
        map_ = f"next(one for one in {widget}.figure.axes if one.bbox.height > 100)"
        across, up = self.value(f"[float(v) for v in {map_}.transData.transform(({bias}, {weight}))]")
        height = self.value(f"float({widget}.figure.bbox.height)")
        box = self.raw.locator(f"{CANVAS}:first-of-type").first.bounding_box()
        scale = box["height"] / height
        return box["x"] + across * scale, box["y"] + (height - up) * scale

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme: "JupyterLab Dark", "JupyterLab Light"."""
        self.raw.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", name)


@contextlib.contextmanager
def open_browser(path: str) -> Iterator[Browser]:
    """A headless Chromium that keeps nothing."""
    with tempfile.TemporaryDirectory(prefix="gradwidgets-browser-") as home, sync_playwright() as playwright:
        own = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CACHE_HOME": home}
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS, env={**os.environ, **own})
        try:
            yield chromium
        finally:
            chromium.close()
