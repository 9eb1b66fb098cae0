"""A private JupyterLab, and a hand and an eye in one of its pages.

`Lab` starts a server that shares nothing with the user's own, `open_browser` a headless Chromium, `Page` opens
a notebook in it, runs cells, presses keys, reads pixels and asks the kernel. Nothing sleeps: everything waits for
a condition.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nbformat
import numpy as np
from playwright.sync_api import Browser, ConsoleMessage, Locator, sync_playwright

ROOT = Path(__file__).parents[2]
SECONDS = 60  # in which a page, a kernel or a cell must answer
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

# What ipykernel says though nothing is wrong: a page asks for widgets that are not there yet, or no more; a
# subshell of the page's ends, when its last widget is closed, with a message still in its queue.
_NOISE = ("No such comm", "ipykernel/utils.py", "coroutine '_async_in_context")


class Lab:
    """A JupyterLab server on loopback, with every folder that it writes to in a temporary one.

    Attributes:
        root: The folder that its notebooks are in.
        port: The port that it listens on.
    """

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="gradwidgets-lab-"))
        self.root = self._home / "notebooks"
        self.root.mkdir()
        self.port = free_port()
        # Nothing may lie over the notebook.
        quiet = self._home / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
        quiet.parent.mkdir(parents=True)
        quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
        self._log = (self._home / "log").open("w")
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "ServerApp.root_dir": self.root,
            "ServerApp.disable_check_xsrf": True,
            "IdentityProvider.token": "",
            "LabApp.expose_app_in_browser": True,
            "LabApp.news_url": None,
            "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait_until_up()
        except BaseException:
            self.close()
            raise

    def _environment(self) -> dict[str, str]:
        foreign = ("JUPYTER", "JPY_", "IPYTHON", "MPLBACKEND")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {
            "HOME": "",
            "IPYTHONDIR": "ipython",
            "MPLCONFIGDIR": "matplotlib",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "XDG_CACHE_HOME": "cache",
            "npm_config_cache": "npm",
        }
        return kept | {name: str(self._home / folder) for name, folder in own.items()} | {"PYTHONPATH": str(ROOT)}

    def _wait_until_up(self) -> None:
        def answers() -> bool:
            if self._process.poll() is not None:
                raise RuntimeError(f"JupyterLab ended at once:\n{self.log()[-3000:]}")
            with contextlib.suppress(OSError):
                return self._call("").get("version") is not None
            return False

        wait_until(answers, "JupyterLab to start")

    def log(self) -> str:
        """What the server said."""
        return (self._home / "log").read_text()

    def _call(self, path: str, method: str = "GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def write(self, cells: Sequence[str], name: str | None = None) -> str:
        """Write a notebook of code cells; return its name."""
        name = name or f"{uuid.uuid4().hex[:8]}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.root / name)
        return name

    def add(self, notebook: Path) -> str:
        """Copy a notebook to where the server sees it; return its name."""
        shutil.copy(notebook, self.root / notebook.name)
        return notebook.name

    def end_kernels(self) -> None:
        """Shut down every kernel."""
        for session in self._call("sessions"):
            self._call(f"sessions/{session['id']}", "DELETE")

    def close(self) -> None:
        """Stop the kernels and the server, by their ids, and remove what they wrote."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.end_kernels()
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


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
            self._wait_until_ready()
        except BaseException:
            self.raw.close()
            raise

    def _note(self, message: ConsoleMessage) -> None:
        ours = "willReadFrequently" in message.text  # a hint about how `pixels` reads a canvas
        if message.type in ("error", "warning") and not ours:
            self.console.append(f"{message.type}: {message.text}")

    def _wait_until_ready(self) -> None:
        self.until("watched.notebook()?.context?.isReady")
        self.until("watched.notebook().sessionContext.isReady && watched.kernel()?.status === 'idle'")
        self.raw.evaluate("watched.listen()")

    def reload(self) -> None:
        """Save the notebook and load the page anew; the kernel lives on."""
        self.raw.evaluate("jupyterapp.commands.execute('docmanager:save')")
        self.raw.goto(self._address)
        self._wait_until_ready()

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

    def run_all(self) -> None:
        """Run all cells to their end."""
        self.raw.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    def outputs(self) -> list[dict]:
        """The outputs of all cells."""
        cells = self.raw.evaluate("watched.notebook().content.model.sharedModel.toJSON().cells")
        return [output for cell in cells for output in cell.get("outputs", ())]

    def complaints(self) -> list[str]:
        """What the kernel said on stderr or as an error, in a cell or in JupyterLab's log console."""
        return [text for text in self.raw.evaluate("watched.complaints") if not any(part in text for part in _NOISE)]

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
        """A number field beside the slider with this label."""
        return self.slider(label).locator("xpath=..").locator(".widget-text input").nth(index)

    def type(self, label: str, text: str) -> None:
        """Type into the number field beside the slider with this label, and press Enter."""
        field = self.field(label)
        field.fill(text)
        field.press("Enter")

    def on_map(self, weight: float, bias: float, widget: str = "playground") -> tuple[float, float]:
        """Where on the page a point of the first map is."""
        across, up = self.value(f"[float(v) for v in {widget}.figure.axes[0].transData.transform(({bias}, {weight}))]")
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


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(
    condition: Callable[[], object],
    what: str,
    seconds: float = SECONDS,
    rest: Callable[[], None] | None = None,
) -> None:
    """Poll a condition until it holds; a TimeoutError says what did not happen."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        rest() if rest else time.sleep(0.05)
