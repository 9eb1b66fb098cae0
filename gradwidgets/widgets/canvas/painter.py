"""A figure kept up to date in a page, whatever shows it there: drawn, and sent, when a frame may leave."""

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
    """Draws on the main loop, the newest state first and alone.

    A front end makes one, tells it what the page says, and sends the frames that it is given; `LiveCanvas` is one.

    Args:
        renderer: Draws the figure.
        sent: What the page is shown.
        alive: Whether there is a page to be shown anything.
        tell_size: Tells the page how large the picture is.
    """

    def __init__(
        self, renderer: Renderer, sent: Stream, alive: Callable[[], bool], tell_size: Callable[[], None]
    ) -> None:
        self._renderer, self._stream, self._alive, self._tell_size = renderer, sent, alive, tell_size
        self._wanted = False
        self._half_drawn = False  # whether a picture was begun and not sent
        self._repaint = Latest(self._paint_wanted)
        self._on_free: Callable[[], None] | None = None

    def redraw(self, what: Redraw) -> None:
        """Say what changed under the animated artists, and bring the page up to date."""
        self._renderer.stale(what)
        self.paint()

    def paint(self) -> None:
        """Bring the page up to date: now if a frame may leave, else as soon as one has arrived."""
        self._wanted = True
        if at_home():
            self._paint_wanted()
        else:
            self._repaint.request()

    def paint_soon(self) -> None:
        """Draw everything again soon."""
        self._renderer.stale()
        self._wanted = True
        self._repaint.request()

    def distrust(self) -> None:
        """Have the next picture drawn and sent whole: one before it was broken off."""
        self._half_drawn = True

    def when_free(self, work: Callable[[], None] | None) -> None:
        """Call `work`, from any thread, each time that the page answers a frame."""
        self._on_free = work

    def answered(self) -> None:
        """Hear, on any thread, that the page has taken a frame."""
        self._stream.answered()
        if self._wanted:
            self._repaint.request()
        if self._on_free is not None:
            self._on_free()

    def restart(self) -> None:
        """Show everything to a page that shows nothing yet."""
        self._stream.restart()
        self.paint()

    def resized(self) -> None:
        """Hear that the figure has another size."""
        self._renderer.stale()
        self._stream.whole_next()
        self._tell_size()

    def pixels(self) -> np.ndarray:
        """The figure as it is now, (height, width, 4) bytes, drawn at once; the page is not told."""
        with AT_WORK, as_usual():
            if self._half_drawn:
                self._begin_anew()
            return self._renderer.draw().copy()

    def close(self) -> None:
        """Paint no more."""
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
                self._begin_anew()
            self._stream.show(self._renderer.draw())
            self._half_drawn = False

    def _begin_anew(self) -> None:
        self._renderer.forget()
        self._stream.whole_next()
        self._tell_size()
