"""The front end of a live picture in a notebook: a Matplotlib figure in the page, by ipympl.

This is the only file that imports ipympl. `renderer.py` draws, `stream.py` decides what to send to the page,
`painter.py` when; this file handles the rest: a canvas without pyplot, restoring the user's backend, and messages from
the page (mouse, resize, theme) handled on the main loop, whichever thread they arrive on. Another front end would make
a `Painter` with its own way of sending.
"""

from __future__ import annotations

import base64
import logging
import warnings
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeGuard

import matplotlib
from matplotlib.backend_bases import MouseEvent
from matplotlib.figure import Figure

from gradwidgets.figures.base.layout import DPI
from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.widgets.canvas.hearing import hear_only, take
from gradwidgets.widgets.canvas.painter import Painter
from gradwidgets.widgets.canvas.png import encode_rgba
from gradwidgets.widgets.canvas.renderer import Renderer
from gradwidgets.widgets.canvas.stream import Stream
from gradwidgets.widgets.kernel.mainloop import Latest


def _import_ipympl() -> ModuleType:
    """Import ipympl, which selects itself as the backend, and restore the user's choice."""
    # As a plain dict: reading an unset backend from rcParams would select one.
    chosen: dict[str, Any] = {
        key: dict.__getitem__(matplotlib.rcParams, key) for key in ("backend", "backend_fallback")
    }
    from ipympl import backend_nbagg

    for key, value in chosen.items():
        dict.__setitem__(matplotlib.rcParams, key, value)  # type: ignore[misc]  # its annotations hide that it is one
    return backend_nbagg


_ipympl = _import_ipympl()
_Canvas: Any = _ipympl.Canvas
_log = logging.getLogger(__name__)

_LARGEST = 40e6  # pixels of a picture, at most; a screen has at most 33 million
_FRAMES = {"png": "binary", "patch": "patch"}  # a frame's kind → the page's word for it
_SYNCED = ("_data_url", "_size", "resizable")
_MOUSE = ("button_press", "button_release", "dblclick", "motion_notify", "figure_enter", "figure_leave")


class LiveCanvas(_Canvas):
    """An ipympl canvas that repaints only what moves.

    Args:
        figure: The figure to show. Artists that move between full draws are `animated`.
        on_click: Called on the main loop as `on_click(event)` for each Matplotlib mouse press and each drag.
    """

    toolbar: Any  # ipympl's, which has no types; None once it is closed

    def __init__(self, figure: Figure, on_click: Callable[[MouseEvent], None] | None = None) -> None:
        super().__init__(figure)
        # The manager registers itself with the canvas; without one the first message from the page raises.
        with warnings.catch_warnings():
            # Its toolbar passes the canvas to traitlets, which deprecates that; it cannot be avoided here.
            warnings.filterwarnings("ignore", "Passing unrecognized arguments", DeprecationWarning)
            self._manager = _ipympl.FigureManager(self, 0)
        for part in (self.toolbar, self.toolbar.layout, self.layout):
            hear_only(part)
        self.header_visible = self.footer_visible = self.toolbar_visible = False
        self.resizable = False
        self.syncing_data_url = False  # the picture for a saved notebook is made only in `still`
        self._renderer, self._stream = Renderer(self), Stream(self._send_frame)
        self._painter = Painter(self._renderer, self._stream, lambda: self.comm is not None, self._resize_page)
        self._inbox: deque[dict[str, Any]] = deque()
        self._read = Latest(self._read_inbox)
        self._on_rescaled: Callable[[], None] | None = None
        if on_click is not None:
            self.mpl_connect("button_press_event", on_click)
            self.mpl_connect("motion_notify_event", on_click)

    @property
    def frames(self) -> int:
        """The number of pictures sent to the page."""
        return self._stream.frames

    @property
    def patches(self) -> bool:
        """Whether the page has reported that it understands patches; can be set."""
        return self._stream.patches

    @patches.setter
    def patches(self, understood: bool) -> None:
        self._stream.patches = understood

    @property
    def under_way(self) -> int:
        """The number of pictures that the page has not acknowledged yet."""
        return self._stream.under_way

    @property
    def painted_on(self) -> set[str]:
        """The names of all threads that have drawn; only the main thread's if all is well."""
        return self._renderer.painted_on

    # -- painting -----------------------------------------------------------------------------------------

    def stale(self, what: Redraw = EVERYTHING) -> None:
        """Mark what changed under the animated artists."""
        self._renderer.stale(what)

    def redraw(self, what: Redraw) -> None:
        """Mark what changed under the animated artists, and update the page."""
        self._painter.redraw(what)

    def paint(self) -> None:
        """Update the page: now if a frame may be sent, else as soon as one has been acknowledged."""
        self._painter.paint()

    def distrust(self) -> None:
        """Draw and send the next picture as a whole, as an earlier one was interrupted."""
        self._painter.distrust()

    def free(self) -> bool:
        """Whether a frame may be sent now."""
        return self._stream.free()

    def when_free(self, work: Callable[[], None] | None) -> None:
        """Call `work`, from any thread, each time the page acknowledges a frame."""
        self._painter.when_free(work)

    def when_rescaled(self, work: Callable[[], None] | None) -> None:
        """Call `work`, on the main loop, when the page's device pixel ratio changes."""
        self._on_rescaled = work

    def draw(self) -> None:
        """Draw everything again and send it."""
        self._painter.redraw(EVERYTHING)

    def draw_idle(self) -> None:
        """Draw everything again soon."""
        self._painter.paint_soon()

    def _send_frame(self, kind: str, data: bytes) -> None:
        # Always "diff": an opaque picture covers the page's canvas as well, and changing the mode
        # while a picture is still loading would wipe the canvas.
        if self._current_image_mode != "diff":
            self.set_image_mode("diff")
        self.send({"data": f'{{"type": "{_FRAMES[kind]}"}}'}, buffers=[data])
        # The page answers this with a "draw" message once it has taken the picture: the acknowledgement.
        self.send({"data": '{"type": "draw"}'})

    def still(self) -> bytes:
        """Return the current picture as PNG, and store it in the widget's saved state."""
        png = encode_rgba(self._painter.pixels())
        ratio = self.device_pixel_ratio
        width, height = self.get_width_height(physical=True)
        with self.hold_sync():
            self._size = (int(width / ratio), int(height / ratio))
            self._data_url = "data:image/png;base64," + base64.b64encode(png).decode()
        return png

    def download_png(self, png: bytes, name: str) -> None:
        """Have the browser save a PNG file.

        Args:
            png: The file's content.
            name: The file's name, without extension.
        """
        self._figure_label = name
        self.send({"data": '{"type": "save", "format": "png"}'}, buffers=[png])

    def resize(self, width: int, height: int) -> None:
        """Give the figure a size in CSS pixels, here and in the page."""
        figure, ratio = self.figure, self.device_pixel_ratio
        figure.set_size_inches(width * ratio / figure.dpi, height * ratio / figure.dpi, forward=False)
        self._painter.resized()

    def magnify(self, factor: float) -> None:
        """Magnify all text and lines by a factor; `resize` then keeps the picture's size."""
        figure = self.figure
        if figure.magnified == factor:
            return
        self._renderer.forget()
        figure._original_dpi = DPI * factor  # which is multiplied by the device pixel ratio
        figure._set_dpi(figure._original_dpi * self.device_pixel_ratio, forward=False)
        figure.magnified = factor  # last, as it marks completion

    def _resize_page(self) -> None:
        width, height = self.get_width_height(physical=True)
        self.manager.resize(width, height)

    # -- messages from the page ---------------------------------------------------------------------------

    def set_state(self, sync_data: object) -> None:
        """Accept the state that a page may change."""
        take(self, super().set_state, sync_data, _SYNCED)

    def _handle_message(self, _widget: object, content: object, buffers: object) -> None:
        if not isinstance(content, dict):
            return
        kind = content.get("type")
        if kind == "draw":
            self._painter.answered()
            return
        if kind == "motion_notify" and not content.get("buttons"):
            return  # nothing reacts to hovering; thirty messages a second would only queue up
        if kind == "motion_notify" and self._inbox and self._inbox[-1].get("type") == "motion_notify":
            self._inbox[-1] = content
        else:
            self._inbox.append(content)
        self._read.request()

    def _read_inbox(self) -> None:
        while self._inbox:
            content = self._inbox.popleft()
            try:
                self._obey(content)
            except Exception:
                _log.exception("The canvas could not handle the message %r", content)

    def _obey(self, content: dict[str, Any]) -> None:
        """Handle a message; unknown ones are ignored."""
        kind = content.get("type")
        if kind == "initialized":
            self._resize_page()
        elif kind == "refresh":
            self._painter.restart()
        elif kind in ("set_dpi_ratio", "set_device_pixel_ratio"):
            ratio = content.get("device_pixel_ratio", content.get("dpi_ratio", 1))
            width, height = self.get_width_height()
            if _is_valid_size(width, height, ratio) and self._set_device_pixel_ratio(ratio):
                self.draw_idle()
                if self._on_rescaled is not None:
                    self._on_rescaled()
        elif kind == "resize":
            if _is_valid_size(content.get("width"), content.get("height"), self.device_pixel_ratio):
                self.handle_event(content)
        elif kind == "closing":
            self._closed = True
        elif kind == "send_image_mode":
            self.handle_send_image_mode(None)
        elif kind in _MOUSE and _is_mouse_event(content):  # not the keyboard's, which is handled by the controls
            self.handle_event(content)

    def close(self) -> None:
        """Free the figure, the toolbar and everything registered for them. May be called again."""
        for part, end in (("_read", "cancel"), ("_painter", "close")):
            if part in vars(self):  # an interrupt may have come before it was made
                getattr(vars(self)[part], end)()
        self._on_rescaled = None
        if self.toolbar is not None:
            toolbar, self.toolbar = self.toolbar, None
            toolbar.layout.close()
            toolbar.close()
        self.layout.close()
        super().close()


def _is_valid_size(width: object, height: object, ratio: object) -> bool:
    """Whether a picture may have this size in CSS pixels, at this device pixel ratio."""
    if not (_within(width, 50, 8_000) and _within(height, 50, 8_000) and _within(ratio, 0.25, 8)):
        return False
    return width * height * ratio**2 <= _LARGEST


def _within(value: object, low: float, high: float) -> TypeGuard[float]:
    """Whether the page sent a valid number."""
    return isinstance(value, int | float) and low <= value <= high


def _is_mouse_event(content: dict[str, Any]) -> bool:
    """Whether the page sent a complete mouse event."""
    place = all(_within(content.get(side), -1e5, 1e5) for side in ("x", "y"))
    keys = content.get("modifiers")
    named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    buttons = all(
        isinstance(content.get(name), int) and _within(content[name], 0, 31) for name in ("button", "buttons")
    )
    return place and named and buttons
