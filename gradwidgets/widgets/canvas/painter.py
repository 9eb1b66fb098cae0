"""Keeps a figure up to date in a page, with any front end: draws and sends it when a frame may be sent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.widgets.canvas import stream
from gradwidgets.widgets.canvas.renderer import Renderer
from gradwidgets.widgets.canvas.stream import Stream
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.mainloop import AT_WORK, Latest, at_home, call_later


class Painter:
    """Draws on the main loop, only the latest state.

    A front end, such as `LiveCanvas`, makes one, forwards the page's messages to it, and sends its frames.

    Args:
        renderer: Draws the figure.
        sent: The stream of frames to the page.
        alive: Returns whether there is a page.
        tell_size: Tells the page the size of the picture.
    """

    def __init__(
        self, renderer: Renderer, sent: Stream, alive: Callable[[], bool], tell_size: Callable[[], None]
    ) -> None:
        self._renderer, self._stream, self._alive, self._tell_size = renderer, sent, alive, tell_size
        self._wanted = False
        self._half_drawn = False  # whether a picture was begun but not sent
        self._repaint = Latest(self._paint_wanted)
        self._on_free: Callable[[], None] | None = None

    def redraw(self, what: Redraw) -> None:
        """Mark what changed under the animated artists, and update the page."""
        self._renderer.stale(what)
        self.paint()

    def paint(self) -> None:
        """Update the page: now if a frame may be sent, else as soon as one has been acknowledged."""
        self._wanted = True
        if at_home():
            self._paint_wanted()
        else:
            self._repaint.request()

    def paint_soon(self) -> None:
        """Redraw everything soon."""
        self._renderer.stale()
        self._wanted = True
        self._repaint.request()

    def distrust(self) -> None:
        """Draw and send the next picture as a whole, as an earlier one was interrupted."""
        self._half_drawn = True

    def when_free(self, work: Callable[[], None] | None) -> None:
        """Call `work`, from any thread, each time the page acknowledges a frame."""
        self._on_free = work

    def answered(self) -> None:
        """Handle, on any thread, the page's acknowledgement of a frame."""
        self._stream.answered()
        if self._wanted:
            self._repaint.request()
        if self._on_free is not None:
            self._on_free()

    def restart(self) -> None:
        """Send everything to a page that shows nothing yet."""
        self._stream.restart()
        self.paint()

    def resized(self) -> None:
        """Handle a change of the figure's size."""
        self._renderer.stale()
        self._stream.whole_next()
        self._tell_size()

    def pixels(self) -> np.ndarray:
        """Draw the current figure, (height, width, 4) bytes, without sending it to the page."""
        with AT_WORK, as_usual():
            if self._half_drawn:
                self._start_over()
            return self._renderer.draw().copy()

    def close(self) -> None:
        """Stop painting."""
        self._on_free = None
        self._repaint.cancel()

    def _paint_wanted(self) -> None:
        if not self._wanted or not self._alive():
            return
        if not self._stream.free():
            call_later(stream.ANSWER_TIMEOUT, self._repaint.request)
            return
        self._wanted = False
        with AT_WORK, as_usual():
            half, self._half_drawn = self._half_drawn, True
            if half:
                self._start_over()
            self._stream.show(self._renderer.draw())
            self._half_drawn = False

    def _start_over(self) -> None:
        self._renderer.forget()
        self._stream.whole_next()
        self._tell_size()
