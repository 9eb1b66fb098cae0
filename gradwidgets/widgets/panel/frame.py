"""The frame of a panel's picture: its page, the canvas, and the row that shows that it is busy."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.backend_bases import MouseEvent
from matplotlib.figure import Figure

from gradwidgets.figures.base.layout import type_scale
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.canvas.hearing import hear_only
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.kernel.mainloop import AT_WORK, Latest, call_later
from gradwidgets.widgets.panel.lesson import MAGNIFIED
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.panel.settings_panel import descendants
from gradwidgets.widgets.panel.words import HIGH

LOWEST = 380  # CSS pixels: the minimum height of a picture
_ABOVE = 250  # CSS pixels of the window taken by JupyterLab and the cell above the picture, and by margins
_ROOMY, _LARGER = 1300, 1.2  # from this panel width on, controls and text are larger: see tokens.css
_COLUMN, _ROOMY_COLUMN = 250, 308  # of the controls, with what is between them and the picture
_STRIP = 40  # CSS pixels that a strip over the picture takes besides, where no words need room: see projector.css
_MARGINS = 4  # CSS pixels that ipympl leaves beside a picture
_LEAST_WIDTH = 400  # of a picture; if there is no room for it beside the controls, it goes below them: see page.js
_PHONE, _THINNEST = 480, 240  # on a panel below this width a picture may be so thin
_WIDEST = 1800  # CSS pixels of a picture on a projector
_NARROWEST, _SHORTEST = 440, 330  # CSS pixels that a picture needs for its text, if not magnified
_DEFAULT_PAGE = (848, 800)  # width of a notebook's output and height of the window, until the page reports them
_ANSWER_TIMEOUT = 0.5  # seconds after which a page that does not answer is no longer waited for


class Busy:
    """A row that shows the progress of long work, with a Stop button.

    Args:
        stop: Called when Stop is pressed, on the thread on which the page's message arrives.

    Attributes:
        row: The row.
        progress: The progress bar.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.progress = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="220px"))
        button = widgets.Button(description="Stop", tooltip="stop computing; the picture stays as it is")
        button.on_click(lambda _: stop())
        self.row = widgets.HBox([widgets.Label("computing"), self.progress, button])
        self.row.add_class("gradwidgets-busy")
        self.row.layout.display = "none"

    def begin(self, *, known: bool) -> None:
        """Show a Stop button, with progress if the end is known."""
        self.progress.value = 0.0
        self.progress.layout.visibility = "visible" if known else "hidden"
        self.row.layout.display = ""

    def go_on(self, share: float) -> None:
        """Update the progress, if it changed noticeably."""
        if share - self.progress.value >= 0.01 or share >= 1:
            self.progress.value = share

    def show(self, share: float) -> None:
        """Show a Stop button and the progress."""
        self.progress.value = share
        if self.row.layout.display:
            self.row.layout.display = ""

    def hide(self) -> None:
        """Hide the row."""
        self.row.layout.display = "none"
        self.progress.layout.visibility = "visible"


class Frame:
    """The place where a picture is shown.

    Args:
        turns: The turns of the threads that work on the panel.
        busy: The row below it.
        style: Returns the lesson's style, a key of `MAGNIFIED`.
        theme: Returns the theme setting.
        above: Returns the height of what is above it, in CSS pixels.
        below: The height of the text below it where that is not folded, in CSS pixels.
        folded: The height of what stands below it where the text is folded.
        shared: How much of what is above it shares a line with something else on a projector.
        lowest: Returns its minimum height.
        tall: Its height on a phone, of its width.

    Attributes:
        page: The connection to the browser.
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
        folded: int,
        shared: int,
        lowest: Callable[[], int],
        tall: float,
    ) -> None:
        self.page = Page(layout=widgets.Layout(width="0", height="0", overflow="hidden", margin="0"))
        self._canvas: LiveCanvas | None = None
        self.busy = busy
        self._turns, self._style, self._theme = turns, style, theme
        self._above, self._below, self._folded, self._lowest = above, below, folded, lowest
        self._shared, self._tall = shared, tall
        self._waiting = False  # for the page to acknowledge a picture
        self._value_at: Callable[[float, float], str] = lambda across, up: ""
        self._pointed = Latest(self._tell_value)
        self.page.when_asked(self._pointed.request)

    def hang(
        self, figure: Figure, pressed: Callable[[MouseEvent], None], value_at: Callable[[float, float], str]
    ) -> widgets.Box:
        """Put a figure into the frame, and return the box that shows it.

        Args:
            figure: The figure.
            pressed: Called when the left mouse button is pressed, or something dragged with it.
            value_at: Returns what is shown at a place, see `SceneFigure.value_at`.
        """
        self._value_at = value_at
        self._canvas = LiveCanvas(figure, lambda event: pressed(event) if _is_pressed(event) else None)
        self.canvas.when_free(self._arrived)
        self.page.canvas_id = self.canvas.model_id
        self.page.observe(lambda change: setattr(self.canvas, "patches", change.new), "patches")
        return widgets.Box([self.canvas])

    @property
    def canvas(self) -> LiveCanvas:
        """The canvas; a RuntimeError if there is no picture yet."""
        if self._canvas is None:
            raise RuntimeError("no picture is hung here yet")
        return self._canvas

    @property
    def theme(self) -> str:
        """A key of `STYLES`: the theme setting, or the page's theme."""
        if self._theme() != "auto":
            return self._theme()
        return "dark" if self.page.told().get("dark") else "light"

    @property
    def size(self) -> tuple[int, int]:
        """The width and height that the picture should have, in CSS pixels."""
        page = self.page.told()
        width, height = (
            page[side] if isinstance(page.get(side), int) else usual
            for side, usual in zip(("width", "height"), _DEFAULT_PAGE, strict=True)
        )
        if width < _PHONE:  # everything is one below the other, and scrolls
            width = max(_THINNEST, width - _MARGINS)
            return width, max(_THINNEST, min(height - _ABOVE, round(width * self._tall)))
        narrow, projected = width < _COLUMN + _LEAST_WIDTH, MAGNIFIED[self._style()] > 1
        below = self._below if height >= HIGH else self._folded
        height -= _ABOVE + self._above()
        if projected and not narrow:
            return min(width - _MARGINS, _WIDEST), max(self._lowest(), min(height - _STRIP + self._shared, 900))
        larger = max(_LARGER if width >= _ROOMY else 1.0, MAGNIFIED[self._style()])
        beside = _ROOMY_COLUMN if width >= _ROOMY else _COLUMN
        width = max(_LEAST_WIDTH, min(width - _MARGINS - (0 if narrow else beside), 1500))
        height -= round(below * larger)
        return width, max(self._lowest(), min(height, 900, round(width * 0.85)))

    @property
    def magnified(self) -> float:
        """The magnification of text and lines relative to a plain picture of this size."""
        factor = MAGNIFIED[self._style()]
        if factor == 1:
            return 1.0
        width, height = self.size
        # A large picture has larger text anyway, and a magnified picture is laid out as a smaller one.
        return max(1.0, min(factor * type_scale(width, height), width / _NARROWEST, height / _SHORTEST))

    def fit(self) -> None:
        """Give the picture, if there is one, the size that it should have, and the style."""
        if self._canvas is None:
            return
        size, figure = self.size, self.canvas.figure
        self.canvas.magnify(self.magnified)
        width, height = figure.get_size_inches() * figure.dpi / self.canvas.device_pixel_ratio
        if (round(width), round(height)) != size:
            self.canvas.resize(*size)

    def limit_messages(self, shown: widgets.Widget) -> None:
        """Limit what the page may change, of a widget and everything in it, to controls."""
        for one in descendants(shown):
            if one is self.page:
                hear_only(one, ("size", "patches"))
            elif one is not self._canvas and not getattr(one, "guarded", False):
                hear_only(one)
            for part in ("style", "layout"):
                if isinstance(getattr(one, part, None), widgets.Widget):
                    hear_only(getattr(one, part))

    def takes_more(self) -> bool:
        """Whether the page has acknowledged earlier pictures; if not, the controls are read again once it has."""
        self._waiting = not self.canvas.free()
        if self._waiting:
            call_later(_ANSWER_TIMEOUT, self._turns.request)
        return not self._waiting

    def _arrived(self) -> None:
        if self._waiting:
            self._turns.request()

    def _tell_value(self) -> None:
        """Tell the page what is under the pointer; nothing, while another thread changes the picture."""
        if AT_WORK.acquire(blocking=False):
            try:
                self.page.answer(self._value_at)
            finally:
                AT_WORK.release()

    def close(self) -> None:
        """Stop listening to the canvas."""
        self._pointed.cancel()
        if self._canvas is not None:
            self.canvas.when_free(None)
            self.canvas.when_rescaled(None)


def _is_pressed(event: MouseEvent) -> bool:
    """Whether the left mouse button is pressed, or something is dragged with it."""
    pressed = event.name == "button_press_event" and event.button == 1
    return pressed or (event.name == "motion_notify_event" and 1 in (getattr(event, "buttons", None) or ()))
