"""The frame of a panel's picture: the page that it is seen in, the canvas, and the row that says that it is busy."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.backend_bases import MouseEvent
from matplotlib.figure import Figure

from gradwidgets.figures.base.layout import type_scale
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.canvas.hearing import hear_only
from gradwidgets.widgets.controls import WIDTH as CONTROLS_WIDTH
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.kernel.mainloop import call_later
from gradwidgets.widgets.panel.lesson import MAGNIFIED
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.panel.settings_panel import descendants

LOWEST = 380  # CSS pixels: the height of a picture
_ABOVE = 250  # of the window, CSS pixels: what JupyterLab and the cell put above the picture, and margins
_ROOMY, _LARGER = 1300, 1.25  # a panel so wide shows controls and words larger: see the style sheet
_LEAST_WIDTH = 400  # of a picture; a panel with no room for it beside the controls has it under them: see page.js
_NARROWEST, _SHORTEST = 440, 330  # CSS pixels that a picture needs for its text, where that is not magnified
_PAGE = (848, 800)  # width of a notebook's output and height of the window, until the page tells
_AGAIN = 0.5  # seconds after which a page that answers nothing is not waited for


class Busy:
    """A row that says how far long work is, with a Stop.

    Args:
        stop: Called when Stop is pressed, on whatever thread the page's message comes.

    Attributes:
        row: The row.
        progress: How far the work is.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.progress = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="220px", margin="2px 8px"))
        button = widgets.Button(description="Stop", tooltip="stop computing; the picture stays as it is")
        button.layout.width = "70px"
        button.on_click(lambda _: stop())
        self.row = widgets.HBox([widgets.Label("computing"), self.progress, button])
        self.row.layout.display = "none"

    def begin(self, *, known: bool) -> None:
        """Show a Stop, with progress if the end is known."""
        self.progress.value = 0.0
        self.progress.layout.visibility = "visible" if known else "hidden"
        self.row.layout.display = ""

    def go_on(self, share: float) -> None:
        """Show how much is done, where that is more than a little more."""
        if share - self.progress.value >= 0.01 or share >= 1:
            self.progress.value = share

    def show(self, share: float) -> None:
        """Show a Stop, and how much is done."""
        self.progress.value = share
        if self.row.layout.display:
            self.row.layout.display = ""

    def hide(self) -> None:
        """Take all of it away."""
        self.row.layout.display = "none"
        self.progress.layout.visibility = "visible"


class Frame:
    """Where a picture is seen.

    Args:
        turns: Of the threads that work on the panel.
        busy: The row below it.
        style: Returns the lesson's style, a key of `MAGNIFIED`.
        theme: Returns the theme that is set.
        above: Returns the height of what stands above it, CSS pixels.
        below: The height of the words where there is little room, CSS pixels.
        lowest: Returns the least height that it takes.

    Attributes:
        page: What the browser tells and does.
        busy: The row below it.
    """

    def __init__(
        self,
        turns: Turns,
        busy: Busy,
        *,
        style: Callable[[], str],
        theme: Callable[[], str],
        above: Callable[[], int],
        below: int,
        lowest: Callable[[], int],
    ) -> None:
        self.page = Page(layout=widgets.Layout(width="0", height="0", overflow="hidden", margin="0"))
        self._canvas: LiveCanvas | None = None
        self.busy = busy
        self._turns, self._style, self._theme = turns, style, theme
        self._above, self._below, self._lowest = above, below, lowest
        self._waiting = False  # for the page to take a picture

    def hang(self, figure: Figure, pressed: Callable[[MouseEvent], None]) -> widgets.Box:
        """Put a figure into it, and return the box that shows it.

        Args:
            figure: The figure.
            pressed: Called with what the mouse does to it.
        """
        self._canvas = LiveCanvas(figure, pressed)
        self.canvas.when_free(self._arrived)
        self.page.canvas_id = self.canvas.model_id
        self.page.observe(lambda change: setattr(self.canvas, "patches", change.new), "patches")
        beside = widgets.Layout(flex="1 1 auto", width="0", margin="0 0 0 6px", overflow="hidden")
        return widgets.Box([self.canvas], layout=beside)

    @property
    def canvas(self) -> LiveCanvas:
        """The picture; a RuntimeError where none is hung yet."""
        if self._canvas is None:
            raise RuntimeError("no picture is hung here yet")
        return self._canvas

    @property
    def theme(self) -> str:
        """A key of `STYLES`: the theme that is set, or the page's."""
        if self._theme() != "auto":
            return self._theme()
        return "dark" if self.page.told().get("dark") else "light"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the picture should have, CSS pixels."""
        page = self.page.told()
        width, height = (
            page[side] if isinstance(page.get(side), int) else usual
            for side, usual in zip(("width", "height"), _PAGE, strict=True)
        )
        larger = max(_LARGER if width >= _ROOMY else 1.0, MAGNIFIED[self._style()])
        beside = round(CONTROLS_WIDTH * larger)
        width -= 12 + (0 if width < beside + 12 + _LEAST_WIDTH else beside)  # the picture stands under them there
        height -= _ABOVE + round(self._below * larger) + self._above()
        width = max(_LEAST_WIDTH, min(width, 1500))
        return width, max(self._lowest(), min(height, 900, round(width * 0.85)))

    @property
    def magnified(self) -> float:
        """How much larger text and lines are drawn than they would be in a picture of this size."""
        factor, (width, height) = MAGNIFIED[self._style()], self.size
        if factor == 1:
            return 1.0
        # A large picture has larger text anyway, and a picture that is drawn magnified counts as a smaller one.
        return max(1.0, min(factor * type_scale(width, height), width / _NARROWEST, height / _SHORTEST))

    def fit(self) -> None:
        """Give the picture, where there is one, the size that it should have, and the style."""
        if self._canvas is None:
            return
        size, figure = self.size, self.canvas.figure
        self.canvas.magnify(self.magnified)
        width, height = figure.get_size_inches() * figure.dpi / self.canvas.device_pixel_ratio
        if (round(width), round(height)) != size:
            self.canvas.resize(*size)

    def hear_little(self, shown: widgets.Widget) -> None:
        """Take from the page what it is asked for, of a widget and all in it; what is no control is not the page's."""
        for one in descendants(shown):
            if one is self.page:
                hear_only(one, ("size", "patches"))
            elif one is not self._canvas and not getattr(one, "guarded", False):
                hear_only(one)
            for part in ("style", "layout"):
                if isinstance(getattr(one, part, None), widgets.Widget):
                    hear_only(getattr(one, part))

    def takes_more(self) -> bool:
        """Whether the page has taken the pictures before; where not, the controls are read again once it has."""
        self._waiting = not self.canvas.free()
        if self._waiting:
            call_later(_AGAIN, self._turns.request)
        return not self._waiting

    def _arrived(self) -> None:
        if self._waiting:
            self._turns.request()

    def close(self) -> None:
        """Stop listening to the canvas."""
        if self._canvas is not None:
            self.canvas.when_free(None)
            self.canvas.when_rescaled(None)
