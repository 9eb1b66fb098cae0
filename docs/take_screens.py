"""Take screenshots of all widgets in all views, at five sizes and in two themes, to look at.

    python docs/take_screens.py FOLDER [WORD ...]

Of words such as `projector`, `dark` or `explorer-axes`, only what has them all in its name is taken. The files are
VIEW-SIZE-THEME.png; `sheet-WIDGET-SIZE-THEME.png` shows all views of a widget on one sheet.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.find_chromium import find_chromium
from tests.browser.lab import Lab
from tests.browser.page import Page, open_browser


@dataclass(frozen=True)
class Size:
    """A window.

    Attributes:
        width: Its width in CSS pixels.
        height: Its height in CSS pixels.
        ratio: Pixels of the screen to a CSS pixel.
        style: The style of the widgets.
    """

    width: int
    height: int
    ratio: float = 1
    style: str = "page"


SIZES = {
    "1280": Size(1280, 800),
    "1920": Size(1920, 1080),
    "phone": Size(390, 844, 2),
    "zoomed": Size(640, 400, 2),
    "projector": Size(1280, 800, style="projector"),
}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
_MOST_PARTS = 4  # of a widget that is higher than the window
_MARGIN = 8  # CSS pixels over the widget
_THUMB = 640  # pixels of a picture on a sheet, across

_PLAYGROUND = "widget = OptimizerPlayground({}lr=0.2, momentum=0.8, **STYLE)"
_TWO = "def f(a, b, tilt=0.3):\n    return (a ** 2 - 1) ** 2 + tilt * a + b ** 2\n"
_EXPLORER = "widget = SurfaceExplorer({}, **STYLE)"
_SQUARE = '{"a": (-2, 2), "b": (-2, 2)}'
_PAIR = '{"sum": lambda a, b: a ** 2 + b ** 2, "product": lambda a, b: (a * b - 1) ** 2}, ' + _SQUARE
_LAYERS = 'widget = LayerFlowPanel(activation="Sigmoid", depth=20, **STYLE{})'
# View → the lines that make the `widget` that shows it.
VIEWS = {
    "playground-one": _PLAYGROUND.format('losses="MSE", '),
    "playground-two": _PLAYGROUND.format('losses=["MSE", "L1"], '),
    "playground-four": _PLAYGROUND.format(""),
    "playground-five": _PLAYGROUND.format('losses=["MSE", "L1", "Huber", "SmoothL1", "LogCosh"], '),
    "playground-step": _PLAYGROUND.format("step=4, arrows=True, "),
    "playground-guess": _PLAYGROUND.format("predict=True, "),
    "playground-lesson": 'widget = lesson("nesterov", **STYLE)',
    "playground-error": _PLAYGROUND.format("") + "\ntry:\n    widget.lr = -1\nexcept Exception:\n    pass",
    "explorer-axis": _EXPLORER.format('lambda x: (x ** 2 - 1) ** 2, {"x": (-2, 2)}, descent=True'),
    "explorer-axes": _TWO + _EXPLORER.format('f, {"a": (-2, 2), "b": (-1.5, 1.5)}, point=(1.6, 1.0), descent=True'),
    "explorer-losses": _EXPLORER.format(f'{_PAIR}, compare=("sum", "product")'),
    "explorer-check": _EXPLORER.format("None, gradient_check=True"),
    "explorer-guess": _EXPLORER.format("None, predict=True"),
    "layers-flow": _LAYERS.format(""),
    "layers-doctor": _LAYERS.format(', view="doctor", fix="He init"'),
    "layers-clipping": _LAYERS.format(', view="clipping"'),
    "layers-curvature": "widget = LayerFlowPanel(depth=4, **STYLE)\nwidget.measure_curvature()",
    "layers-live": "widget = LayerFlowPanel(depth=4, view='live', steps=50, **STYLE)\nwidget.train(wait=True)",
    "layers-guess": _LAYERS.format(", predict=True"),
    "explorer-busy": _EXPLORER.format(f"slow, {_SQUARE}, resolution=401"),
}
_BEGIN = """\
import time, warnings
warnings.filterwarnings("ignore")
import torch
from gradwidgets import *
STYLE = {}
def slow(a, b):
    time.sleep(0.2)
    return a ** 2 + b ** 2"""


def cells(style: str) -> list[str]:
    """The cells that begin a notebook and show each view."""
    return [_BEGIN.format(f'{{"style": "{style}"}}'), *(f"{view}\nwidget" for view in VIEWS.values())]


def shots(widget: Locator, page: Page, height: int) -> Iterator[bytes]:
    """The window with the widget at its top, and further down, part by part."""
    whole = widget.bounding_box()["height"] + _MARGIN
    room = height - 90  # JupyterLab's own lines
    for part in range(min(max(1, math.ceil((whole - 40) / room)), _MOST_PARTS)):
        scroll = "(one, up) => { one.style.scrollMarginTop = `${up}px`; one.scrollIntoView({block: 'start'}); }"
        widget.evaluate(scroll, _MARGIN - part * room)
        page.until_quiet(0.5 if part == 0 else 0.1)
        yield page.raw.screenshot()


def stacked(parts: list[Path], into: Path) -> None:
    """Put pictures under each other."""
    pictures = [Image.open(part) for part in parts]
    whole = Image.new("RGB", (pictures[0].width, sum(one.height for one in pictures)))
    top = 0
    for one in pictures:
        whole.paste(one, (0, top))
        top += one.height
    whole.save(into)


def take(page: Page, view: str, index: int, file: Path, height: int) -> None:
    """Run a view's cell and take its picture."""
    busy = view.endswith("busy")
    (page.begin if busy else page.run)(index)
    widget = page.raw.locator(".gradwidgets").last
    widget.wait_for()
    if busy:
        page.raw.locator(".gradwidgets-busy:visible").last.wait_for()
        parts = [page.raw.screenshot()]
    else:
        page.tell("getattr(widget, 'findings', None)")  # which are there when all is computed
        page.until_quiet(1.0)
        parts = list(shots(widget, page, height))
    files = [file.with_suffix(f".{k}.png") for k in range(len(parts))]
    for one, part in zip(files, parts, strict=True):
        one.write_bytes(part)
    stacked(files, file)
    for one in files:
        one.unlink()


def take_all(lab: Lab, browser: Browser, folder: Path, size: str, theme: str, views: list[str]) -> None:
    """Take these views in one window."""
    window = SIZES[size]
    notebook = lab.write(cells(window.style))
    address = f"http://127.0.0.1:{lab.port}"
    with Page(browser, address, notebook, window.width, window.height, pixel_ratio=window.ratio) as page:
        page.raw.add_style_tag(content=".Toastify { display: none }")
        page.theme(THEMES[theme])
        page.raw.evaluate("jupyterapp.shell.collapseLeft()")
        page.run(0)
        for view in views:
            take(page, view, 1 + list(VIEWS).index(view), folder / f"{view}-{size}-{theme}.png", window.height)
            if not view.endswith("busy"):
                page.tell("widget.close()")
        print(size, theme, page.complaints(), page.console)
        page.end_kernel()
    for widget in dict.fromkeys(view.partition("-")[0] for view in views):
        files = [folder / f"{view}-{size}-{theme}.png" for view in views if view.startswith(widget)]
        sheet(files, folder / f"sheet-{widget}-{size}-{theme}.png")


def sheet(files: list[Path], into: Path) -> None:
    """Put pictures on one sheet, small."""
    pictures = [Image.open(file) for file in files]
    small = [one.resize((_THUMB, round(one.height * _THUMB / one.width)), Image.Resampling.LANCZOS) for one in pictures]
    across = min(3, len(small))
    rows = [small[k : k + across] for k in range(0, len(small), across)]
    whole = Image.new("RGB", (across * _THUMB, sum(max(one.height for one in row) for row in rows)), "#888888")
    top = 0
    for row in rows:
        for k, one in enumerate(row):
            whole.paste(one, (k * _THUMB, top))
        top += max(one.height for one in row)
    whole.save(into)


if __name__ == "__main__":
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    with Lab() as lab, open_browser(find_chromium()) as browser:
        for size in SIZES:
            for theme in THEMES:
                views = [view for view in VIEWS if all(word in f"{view}-{size}-{theme}" for word in words)]
                if views:
                    take_all(lab, browser, folder, size, theme, views)
